"""Beam search: exact where it is wide enough, and never an item that must not be named."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from decoding.token_models import Table, random_codes, random_model, some_histories
from segue.core.codes import ItemCodes
from segue.core.ranking import NOTHING, Rules
from segue.core.tables import Histories
from segue.decoding.beam_search import BeamSearch
from segue.decoding.exact_likelihood import ExactLikelihood


@st.composite
def rules(draw: st.DrawFn, items: int) -> Rules:
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    allow = rng.permutation(items)[: draw(st.integers(0, items))] if draw(st.booleans()) else None
    deny = rng.permutation(items)[: draw(st.integers(0, items))] if draw(st.booleans()) else None
    return Rules(seen=draw(st.booleans()), allow=allow, deny=deny)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_nothing_illegal_comes_out_and_a_beam_as_wide_as_the_catalog_is_exact(data: st.DataObject) -> None:
    items = data.draw(st.integers(2, 50))
    codes = random_codes(
        items, data.draw(st.integers(1, 4)), data.draw(st.integers(1, 6)), data.draw(st.integers(0, 99)),
        weighted=data.draw(st.booleans()),
    )  # fmt: skip
    model = random_model(codes, data.draw(st.integers(0, 99)))
    past = some_histories(items, *data.draw(st.lists(st.integers(0, 14), min_size=1, max_size=6)))
    asked = data.draw(rules(items))
    k = data.draw(st.integers(1, items))
    exact = ExactLikelihood(prefixes=data.draw(st.integers(1, 64)))(model, past, items, asked)
    wide = BeamSearch(beams=items)(model, past, items, asked)
    narrow = BeamSearch(beams=data.draw(st.integers(1, 5)), prefixes=data.draw(st.integers(1, 64)))(
        model, past, k, asked
    )
    permitted = asked.allows(np.arange(items), items)
    for row in range(len(past)):
        seen = past.items[past.starts[row] : past.ends[row]]
        allowed = np.flatnonzero(permitted)
        allowed = allowed if asked.seen else np.setdiff1d(allowed, seen)
        named = narrow.items[row][narrow.items[row] != NOTHING]
        assert np.isin(named, allowed).all()
        assert len(set(named.tolist())) == len(named)
        if len(seen) == 0:
            assert (wide.items[row] == NOTHING).all(), "who has no history is left to the recommender"
            continue
        assert sorted(wide.items[row][wide.items[row] != NOTHING]) == allowed.tolist()
        assert len(named) == min(k, len(allowed)), "at least k prefixes are kept, so k items come out"
        np.testing.assert_allclose(wide.scores[row], exact.scores[row], atol=1e-5)
        differ = wide.items[row] != exact.items[row]
        assert np.allclose(wide.scores[row][differ], exact.scores[row][differ], atol=1e-5), "only near ties may swap"
        if not differ.any():
            reach = dict(zip(exact.items[row], exact.scores[row], strict=True))
            scores = [reach[item] for item in named]
            np.testing.assert_allclose(narrow.scores[row][: len(named)], scores, atol=1e-5)


def test_values_by_hand() -> None:
    codes = ItemCodes(np.array([[0, 0], [0, 1], [1, 0]]), (2, 2))
    model = Table(codes, [[0.6, 0.4], [0.3, 0.7]])
    ranking = BeamSearch(beams=3)(model, Histories.from_lists([[0]]), 3, Rules(seen=True))
    assert ranking.items.tolist() == [[1, 0, 2]]
    assert np.exp(ranking.scores[0]).tolist() == pytest.approx([0.42, 0.18, 0.12])


def test_the_trie_can_share_out_what_lies_outside_of_it() -> None:
    """Below code 1 only one child is valid: renormalised it is certain."""
    codes = ItemCodes(np.array([[0, 0], [0, 1], [1, 0]]), (2, 2))
    model = Table(codes, [[0.6, 0.4], [0.3, 0.7]])
    ranking = BeamSearch(beams=3, renormalized=True)(model, Histories.from_lists([[0]]), 3, Rules(seen=True))
    assert ranking.items.tolist() == [[1, 2, 0]]
    assert np.exp(ranking.scores[0]).tolist() == pytest.approx([0.42, 0.4, 0.18])


@pytest.mark.parametrize("renormalized", [False, True])
def test_no_item_is_named_twice_or_out_of_nowhere(renormalized: bool) -> None:
    """With long lists the beam also holds prefixes that have no further child: they must stay nothing."""
    model, past = random_model(random_codes(30, 3, 6)), some_histories(30, 4, 1, 9)
    ranking = BeamSearch(beams=3, renormalized=renormalized)(model, past, 30, Rules())
    for row in range(3):
        seen = past.items[past.starts[row] : past.ends[row]]
        named = ranking.items[row][ranking.items[row] != NOTHING]
        assert sorted(named.tolist()) == np.setdiff1d(np.arange(30), seen).tolist()


def test_a_narrow_beam_loses_what_a_wide_one_finds() -> None:
    """The best first code leads to nothing good: one beam follows it, two do not."""
    codes = ItemCodes(np.array([[0, 1], [1, 0]]), (2, 2))
    model = Table(codes, [[0.6, 0.4], [0.9, 0.1]])
    past = Histories.from_lists([[0]])
    assert BeamSearch(beams=1)(model, past, 1, Rules(seen=True)).items.tolist() == [[0]]
    assert BeamSearch(beams=2)(model, past, 1, Rules(seen=True)).items.tolist() == [[1]]
    assert BeamSearch(beams=(2, 1))(model, past, 1, Rules(seen=True)).items.tolist() == [[1]]


def test_no_beam_is_spent_where_a_user_has_seen_everything() -> None:
    """Item 0 is all there is under the most probable code; who has seen it gets the next one even with one beam."""
    codes = ItemCodes(np.array([[0, 0], [1, 0], [1, 1]]), (2, 2))
    model = Table(codes, [[0.9, 0.1], [0.5, 0.5]])
    ranking = BeamSearch(beams=1)(model, Histories.from_lists([[0], [1], [0, 1, 2]]), 1, Rules())
    assert ranking.items.tolist() == [[1], [0], [NOTHING]]


def test_equal_scores_go_to_the_lower_item() -> None:
    codes = ItemCodes(np.array([[3], [1], [2], [0]]), (4,))
    ranking = BeamSearch(beams=4)(Table(codes, [[0.25] * 4]), Histories.from_lists([[0]]), 4, Rules(seen=True))
    assert ranking.items.tolist() == [[0, 1, 2, 3]]


def test_many_users_at_once_equal_one_by_one() -> None:
    model, past = random_model(random_codes(60, 3, 5)), some_histories(60, 3, 9, 1, 9, 4)
    together = BeamSearch(beams=7)(model, past, 5, Rules())
    alone = [BeamSearch(beams=7)(model, past.take(slice(row, row + 1)), 5, Rules()) for row in range(5)]
    assert together.items.tolist() == [one.items[0].tolist() for one in alone]
    with torch.no_grad():
        pieces = BeamSearch(beams=7, prefixes=14, tokens=9)(model, past, 5, Rules())
    assert np.array_equal(pieces.items, together.items)


@pytest.mark.parametrize("asked", [Rules(seen=True), Rules(), Rules(deny=np.array([1, 5]))])
def test_a_tuple_that_has_ended_costs_nothing_more(asked: Rules) -> None:
    """Also in a tree that was pruned, and with a beam that keeps the ended prefixes beside the others."""
    words = random_codes(30, 4, 5).codes
    words[np.cumsum(words == 0, axis=1) > 0] = 0
    codes = ItemCodes(words, (5,) * 4, shared=True, end=0)
    model, past = random_model(codes), some_histories(30, 4, 1, 9)
    exact = ExactLikelihood()(model, past, 30, asked)
    wide = BeamSearch(beams=30)(model, past, 30, asked)
    np.testing.assert_allclose(wide.scores, exact.scores, atol=1e-5)
    paid = ExactLikelihood()(random_model(ItemCodes(words, (5,) * 4, shared=True)), past, 30, asked)
    assert (exact.scores[:, 0] > paid.scores[:, 0]).all()
