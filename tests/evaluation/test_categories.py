"""Diversity and calibration against values by hand and slow loops."""

import itertools
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.core.ranking import NOTHING, Ranking
from segue.core.tables import Catalog, Histories
from segue.evaluation import categories as module
from segue.evaluation.categories import ItemCategories, calibration, diversity, vector_diversity


def ranking(*rows):
    items = np.array(rows, dtype=np.int64)
    return Ranking(items, np.zeros(items.shape))


def of_lists(lists):
    return ItemCategories.of(
        Catalog(pl.DataFrame({"item_id": [str(i) for i in range(len(lists))], "categories": lists}))
    )


def test_read_from_a_catalog():
    found = of_lists([["a", "b"], None, ["b", "b"], []])
    assert found.names == ("a", "b")
    assert found.values.tolist() == [0, 1, 1]
    assert found.bounds.tolist() == [0, 2, 2, 3, 3]


def test_a_text_column_is_one_category_an_item():
    found = ItemCategories.of(Catalog(pl.DataFrame({"item_id": ["x", "y", "z"], "genre": ["a", None, "b"]})), "genre")
    assert (found.names, found.bounds.tolist()) == (("a", "b"), [0, 1, 1, 2])
    assert ItemCategories.of(Catalog(pl.DataFrame({"item_id": ["x"]}))) is None


def test_diversity_by_hand():
    cats = of_lists([["a", "b"], ["b", "c"], ["a", "b"], []])
    values = diversity(ranking([0, 1, 2], [0, 2, NOTHING], [0, 3, NOTHING], [1, NOTHING, NOTHING]), cats)
    assert values == pytest.approx([1 - (1 / 3 + 1 + 1 / 3) / 3, 0, 1, 0])


def slow_diversity(row, lists):
    sets = [set(lists[item] or ()) for item in row if item != NOTHING]
    pairs = list(itertools.combinations(sets, 2))
    return 1 - sum(len(a & b) / len(a | b) if a | b else 0 for a, b in pairs) / len(pairs) if pairs else 0


@settings(max_examples=40, deadline=None)
@given(
    lists=st.lists(st.lists(st.sampled_from("abcdef"), max_size=4), min_size=6, max_size=6),
    rows=st.lists(st.lists(st.integers(-1, 5), min_size=4, max_size=4), min_size=1, max_size=5),
    chunk=st.sampled_from([1, 100, 4_000_000]),
)
def test_diversity_equals_the_obvious_loop_in_any_chunks(lists, rows, chunk):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        values = diversity(ranking(*rows), of_lists(lists))
    assert values == pytest.approx([slow_diversity(row, lists) for row in rows])


def test_vector_diversity_by_hand():
    vectors = np.array([[1.0, 0], [0, 2], [3, 3], [-1, 0]])
    values = vector_diversity(ranking([0, 1], [0, 2], [0, 3], [0, NOTHING]), vectors)
    assert values == pytest.approx([1, 1 - math.sqrt(0.5), 2, 0])


def test_calibration_by_hand():
    cats = of_lists([["a"], ["b"], ["a", "b"]])
    lists = ranking([0, 1], [0, 0], [2, 2], [0, 0])
    histories = Histories.from_lists([[0, 1], [0, 1], [0, 1], []])
    lopsided = 0.5 * math.log(0.5 / (0.99 + 0.005)) + 0.5 * math.log(0.5 / 0.005)
    assert calibration(lists, histories, cats) == pytest.approx([0, lopsided, 0, 0], abs=1e-12)


def test_an_item_spreads_one_unit_over_its_categories():
    found = calibration(ranking([2, 0]), Histories.from_lists([[0, 1]]), of_lists([["a"], ["b"], ["a", "b"]]))
    three_to_one = [0.99 * 0.75 + 0.005, 0.99 * 0.25 + 0.005]
    assert found == pytest.approx([sum(0.5 * math.log(0.5 / share) for share in three_to_one)])


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(-1, 3), min_size=3, max_size=3), min_size=1, max_size=5),
    chunk=st.sampled_from([1, 4_000_000]),
)
def test_calibration_is_finite_never_negative_and_indifferent_to_chunks(rows, chunk):
    cats = of_lists([["a"], ["b", "c"], [], ["c"]])
    histories = Histories.from_lists([[0, 1, 1], [3], [2], [0, 3], [1]][: len(rows)])
    whole = calibration(ranking(*rows), histories, cats)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        assert np.array_equal(calibration(ranking(*rows), histories, cats), whole)
    assert np.isfinite(whole).all()
    assert (whole >= 0).all()
