"""Popularity, counted by hand."""

from dataclasses import replace

import numpy as np
import pytest

from segue.core.errors import DataError
from segue.core.ranking import NOTHING, Rules
from segue.core.run import Run
from segue.core.tables import Histories, Split
from segue.recipes import popularity
from segue.testing import check_recipe, ring


def with_training(lists: list[list[int]], times: list[int] | None = None) -> Split:
    """A world of five items whose training histories are these."""
    histories = Histories.from_lists(lists)
    if times is not None:
        histories = replace(histories, timestamps=np.array(times))
    return replace(ring(users=4, items=5), train=histories)


@pytest.mark.parametrize("recipe", [popularity.RECIPE, popularity.VARIANTS["recent"]], ids=lambda recipe: recipe.name)
def test_contract(recipe) -> None:
    check_recipe(recipe, learns_order=False)


def test_counts_with_ties_to_the_lower_row() -> None:
    fitted = popularity.RECIPE.fit(with_training([[3, 1, 3], [1, 2]]), Run())
    ranking = fitted.recommend(Histories.from_lists([[]]), 5)
    assert ranking.items[0].tolist() == [1, 3, 2, 0, 4]
    assert ranking.scores[0].tolist() == [2.0, 2.0, 1.0, 0.0, 0.0]


def test_seen_items_and_lists() -> None:
    fitted = popularity.RECIPE.fit(with_training([[3, 1, 3], [1, 2]]), Run())
    ranking = fitted.recommend(Histories.from_lists([[1]]), 3, Rules(allow=np.array([0, 1, 2])))
    assert ranking.items[0].tolist() == [2, 0, NOTHING]


def test_a_window_counts_the_newest_days_alone() -> None:
    day = 86_400
    split = with_training([[0, 0, 0, 1], [2, 2]], times=[0, 0, day, 10 * day, 8 * day, 9 * day])
    fitted = popularity.RECIPE.changed({"window": 2.0}).fit(split, Run())
    assert fitted.weights()["counts"].tolist() == [0, 1, 2, 0, 0]


def test_a_window_without_timestamps_is_refused() -> None:
    with pytest.raises(DataError, match="set window=0"):
        popularity.VARIANTS["recent"].fit(with_training([[0]]), Run())
