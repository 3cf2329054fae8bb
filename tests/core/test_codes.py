"""Item codes and their trie: exactly the catalog, in order, and cut to what is allowed."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segue.core.codes import CodeTree, ItemCodes
from segue.core.errors import DataError
from segue.core.ranking import NOTHING


@st.composite
def item_codes(draw: st.DrawFn) -> ItemCodes:
    levels, size, items = draw(st.integers(1, 4)), draw(st.integers(1, 5)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    weights = rng.random(items).astype(np.float32) if draw(st.booleans()) else None
    return ItemCodes(rng.integers(0, size, (items, levels)), (size,) * levels, weights=weights)


def paths(tree: CodeTree) -> list[tuple[int, ...]]:
    """The tuple above each place of `items`, by walking from the root."""

    def below(depth: int, node: int) -> list[tuple[int, ...]]:
        first, last = tree.children[depth][node].item(), tree.children[depth][node + 1].item()
        if depth == tree.levels:
            return [()] * (last - first)
        return [
            (int(tree.codes[depth][child]), *rest) for child in range(first, last) for rest in below(depth + 1, child)
        ]

    return below(0, 0)


@given(item_codes())
def test_the_tree_holds_exactly_the_catalog(codes: ItemCodes) -> None:
    tree = codes.tree
    assert sorted(tree.items.tolist()) == list(range(len(codes)))
    assert paths(tree) == [tuple(codes.codes[item].tolist()) for item in tree.items.tolist()]
    assert tree.nodes(tree.levels) == len({tuple(row) for row in codes.codes.tolist()})
    assert tree.places[tree.items].tolist() == list(range(len(codes)))
    for depth in range(tree.levels + 1):
        assert tree.widest[depth] == int(tree.children[depth].diff().max())


@given(item_codes())
def test_every_item_finds_itself_and_nothing_else_is_found(codes: ItemCodes) -> None:
    found = codes.find(codes.codes)
    assert (codes.codes[found] == codes.codes).all()
    if codes.weights is None and codes.tree.nodes(codes.levels) == len(codes):
        assert found.tolist() == list(range(len(codes)))
    everything = np.array(list(itertools.product(*(range(-1, size + 1) for size in codes.sizes))))
    known = {tuple(row) for row in codes.codes.tolist()}
    there = codes.find(everything) != NOTHING
    assert there.tolist() == [tuple(row) in known for row in everything.tolist()]


@given(item_codes(), st.integers(0, 2**16), st.sampled_from([0.0, 0.3, 1.0]))
def test_a_pruned_tree_is_the_tree_of_what_is_left(codes: ItemCodes, seed: int, share: float) -> None:
    allowed = np.random.default_rng(seed).random(len(codes)) < share
    pruned = codes.tree.pruned(allowed)
    assert sorted(pruned.items.tolist()) == np.flatnonzero(allowed).tolist()
    assert paths(pruned) == [tuple(codes.codes[item].tolist()) for item in pruned.items.tolist()]
    assert (pruned.places.numpy() >= 0).tolist() == allowed.tolist()
    if allowed.any():
        weights = None if codes.weights is None else codes.weights[allowed]
        anew = ItemCodes(codes.codes[allowed], codes.sizes, weights=weights).tree
        for one, other in zip((*pruned.children, *pruned.codes), (*anew.children, *anew.codes), strict=True):
            assert torch.equal(one, other)


def test_items_of_one_tuple_share_its_probability_by_weight() -> None:
    codes = ItemCodes(np.array([[1], [0], [1], [1]]), (2,), weights=np.array([1.0, 5.0, 3.0, 0.0], dtype=np.float32))
    assert codes.tree.items.tolist() == [1, 2, 0, 3]
    assert torch.exp(codes.tree.log_shares).tolist() == pytest.approx([1.0, 4 / 7, 2 / 7, 1 / 7])
    assert codes.find(np.array([[1]])).tolist() == [2]


def test_parents_and_first_places() -> None:
    codes = ItemCodes(np.array([[0, 1], [1, 0], [0, 0], [1, 1]]), (2, 2))
    assert codes.tree.parents[1].tolist() == [0, 0, 1, 1]
    assert codes.tree.firsts[1].tolist() == [0, 2]
    assert codes.tree.items.tolist() == [2, 0, 1, 3]


def test_new_items_come_behind_and_nobody_moves() -> None:
    codes = ItemCodes(np.array([[0, 1], [1, 0]]), (2, 2))
    longer = codes.extended(np.array([[1, 1]]))
    assert longer.codes.tolist() == [[0, 1], [1, 0], [1, 1]]
    assert longer.find(np.array([[1, 1], [0, 0]])).tolist() == [2, NOTHING]


def test_vocabulary_of_own_and_of_shared_codebooks() -> None:
    own = ItemCodes(np.zeros((1, 3), dtype=int), (4, 2, 3))
    assert (own.offsets, own.vocabulary) == ((0, 4, 6), 9)
    shared = ItemCodes(np.zeros((1, 3), dtype=int), (4, 4, 4), shared=True)
    assert (shared.offsets, shared.vocabulary) == ((0, 0, 0), 4)


@pytest.mark.parametrize(
    ("codes", "sizes", "shared"),
    [([[0, 2]], (2, 2), False), ([[-1, 0]], (2, 2), False), ([[0]], (2, 2), False), ([[0, 0]], (2, 3), True)],
)
def test_codes_that_do_not_fit_are_refused(codes: list[list[int]], sizes: tuple[int, ...], shared: bool) -> None:
    with pytest.raises(DataError):
        ItemCodes(np.array(codes), sizes, shared)


def test_tuples_may_end_early() -> None:
    codes = ItemCodes(np.array([[1, 0, 0], [2, 2, 1], [0, 0, 0], [1, 2, 0]]), (3, 3, 3), shared=True, end=0)
    assert codes.lengths.tolist() == [2, 3, 1, 3]
    assert codes.extended(np.array([[2, 0, 0]])).lengths.tolist() == [2, 3, 1, 3, 2]
    assert ItemCodes(codes.codes, codes.sizes).lengths.tolist() == [3, 3, 3, 3]
    with pytest.raises(DataError, match="code 0 ends a tuple"):
        codes.extended(np.array([[1, 0, 2]]))
