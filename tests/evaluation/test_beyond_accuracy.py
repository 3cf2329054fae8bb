"""Coverage, novelty, popularity and inequality of recommendations, by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.core.ranking import NOTHING, Ranking
from segue.core.tables import Histories
from segue.evaluation.beyond_accuracy import (
    PopularityDeciles,
    beyond_accuracy,
    coverage,
    gini,
    novelty,
    popularity_lift,
)
from segue.evaluation.categories import ItemCategories


def ranking(*rows):
    items = np.array(rows, dtype=np.int64)
    return Ranking(items, np.zeros(items.shape))


def test_coverage_counts_items_not_places():
    assert coverage(ranking([0, 1], [1, NOTHING]), items=8) == 2 / 8


def test_gini_of_equal_and_of_one_for_all():
    assert gini(ranking([0, 1], [2, 3]), items=4) == pytest.approx(0)
    assert gini(ranking([0], [0], [0]), items=4) == pytest.approx(3 / 4)
    assert gini(ranking([NOTHING]), items=4) == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=20))
def test_gini_equals_the_mean_absolute_difference(listed):
    exposures = np.bincount(listed, minlength=6)
    apart = np.abs(exposures[:, None] - exposures[None, :]).mean() / (2 * exposures.mean())
    assert gini(ranking(*[[item] for item in listed]), items=6) == pytest.approx(apart)


def test_novelty_in_bits():
    counts = np.array([2, 0, 0])  # with one added: 3/5, 1/5, 1/5
    values = novelty(ranking([0, 1], [NOTHING, 2], [NOTHING, NOTHING]), counts)
    assert values == pytest.approx([(math.log2(5 / 3) + math.log2(5)) / 2, math.log2(5), 0])


def test_popularity_lift_by_hand():
    counts = np.array([10, 4, 2])
    histories = Histories.from_lists([[2, 1], [2], []])
    lists = ranking([0, 1], [NOTHING, 1], [0, 0])  # the third user has no history and is left out
    assert popularity_lift(lists, histories, counts) == pytest.approx((7 + 4) / (3 + 2))


def test_deciles_put_the_most_trained_first():
    counts = np.arange(20)  # item 19 is trained on most
    deciles = PopularityDeciles.of(ranking([19, 18, 0, NOTHING]), Histories.from_lists([[1, 10]]), counts)
    assert deciles.recommended == pytest.approx([2 / 3, 0, 0, 0, 0, 0, 0, 0, 0, 1 / 3])
    assert deciles.chosen.tolist() == [0, 0, 0, 0, 0.5, 0, 0, 0, 0, 0.5]


def test_all_together_by_name():
    categories = ItemCategories(np.array([0, 1, 1]), np.array([0, 1, 2, 3]), ("a", "b"))
    numbers = beyond_accuracy(
        ranking([0, 1]), Histories.from_lists([[1, 2]]), counts=np.array([1, 2, 1]), categories=categories
    )
    assert list(numbers) == [
        "coverage@2",
        "gini@2",
        "novelty@2",
        "popularity lift@2",
        "diversity@2",
        "calibration@2",
    ]
    assert numbers["coverage@2"] == pytest.approx(2 / 3)
    assert numbers["popularity lift@2"] == pytest.approx(1.0)
    assert numbers["diversity@2"] == 1.0
    without = beyond_accuracy(ranking([0, 1]), Histories.from_lists([[1, 2]]), counts=np.array([1, 2, 1]))
    assert without == {name: numbers[name] for name in list(numbers)[:4]}
