"""Agreement of codes with vectors and with what is taken next, against pairs counted one by one."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.coded import two_camps
from segue.core.codes import ItemCodes
from segue.core.tables import Histories
from segue.evaluation import code_agreement
from segue.evaluation.code_agreement import likeness_by_depth, of_neighbours, of_successors, prefixes


def rng():
    return np.random.default_rng(0)


def test_prefixes_number_what_begins_alike():
    codes = ItemCodes(np.array([[1, 0], [0, 1], [1, 0], [1, 2]]), (2, 3))
    assert prefixes(codes).tolist() == [[1, 0, 1, 1], [1, 0, 1, 2]]


@pytest.mark.parametrize("tile", [1, 16_000_000])
def test_near_items_of_one_camp_share_the_first_code(tile, monkeypatch):
    monkeypatch.setattr(code_agreement, "TILE", tile)
    codes = ItemCodes(np.column_stack([np.repeat([0, 1], 12), np.arange(24)]), (2, 24))
    agreement = of_neighbours(prefixes(codes), two_camps(), rng())
    assert agreement.shared.tolist() == [1.0, 0.0]  # 11 others of the camp, of which the ten nearest are asked
    assert agreement.chance == pytest.approx([11 / 23, 0.0])


def test_pairs_with_a_common_prefix_are_more_alike():
    codes = ItemCodes(np.column_stack([np.repeat([0, 1], 12), np.arange(24)]), (2, 24))
    likeness = likeness_by_depth(codes, two_camps(), rng())
    assert likeness[0] == pytest.approx(11 / 23, abs=0.02)
    assert likeness[1] == pytest.approx(1.0, abs=0.01)
    assert likeness[2] is None


def test_successors_by_hand():
    codes = ItemCodes(np.array([[0, 0], [0, 1], [1, 0], [1, 0]]), (2, 2))
    agreement = of_successors(prefixes(codes), Histories.from_lists([[0, 1, 2], [], [2, 2, 3]]))
    # the pairs are 0-1, 1-2 and 2-3; the row's ends and 2-2 are none
    assert agreement.shared == pytest.approx([2 / 3, 1 / 3])
    assert agreement.chance == pytest.approx([2 / 7, 1 / 7])


def test_without_pairs_nothing_is_said():
    codes = prefixes(ItemCodes(np.array([[0], [1]]), (2,)))
    assert of_successors(codes, Histories.from_lists([[0], [], [1, 1]])) is None
    assert of_neighbours(codes, np.eye(2, dtype=np.float32), rng()) is None


@given(st.lists(st.lists(st.integers(0, 4), max_size=6), min_size=1, max_size=6))
def test_chance_is_what_independent_pairs_would_share(histories):
    codes = ItemCodes(np.array([[0, 0], [0, 1], [1, 0], [1, 0], [1, 1]]), (2, 2))
    pairs = [(a, b) for row in histories for a, b in pairwise(row) if a != b]
    agreement = of_successors(prefixes(codes), Histories.from_lists(histories))
    drawn = [(a, b) for a, _ in pairs for _, b in pairs if a != b]
    if not drawn:
        assert agreement is None
        return
    for depth in (1, 2):
        for found, among in ((agreement.shared, pairs), (agreement.chance, drawn)):
            same = [(codes.codes[a, :depth] == codes.codes[b, :depth]).all() for a, b in among]
            assert found[depth - 1] == pytest.approx(np.mean(same), abs=1e-12)
