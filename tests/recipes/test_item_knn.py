"""Item-kNN, by hand on three users."""

import math

import numpy as np
import pytest

from recipes.test_popularity import with_training
from segue.core.ranking import Rules
from segue.core.run import Run
from segue.core.tables import Histories
from segue.recipes import item_knn
from segue.recipes.item_knn import ItemKnn
from segue.testing import check_recipe, two_tastes

TRAINING = [[0, 1], [0, 1, 2], [0, 0, 3]]
"""Item 0 has three users, 1 two, 2 and 3 one each, 4 none; a repeat counts once."""


def scores_after(history: list[int], **settings: object) -> dict[int, float]:
    recipe = item_knn.RECIPE.changed({"shrinkage": 0.0, **settings})
    ranking = recipe.fit(with_training(TRAINING), Run()).recommend(Histories.from_lists([history]), 5, Rules(seen=True))
    return dict(zip(ranking.items[0].tolist(), ranking.scores[0].tolist(), strict=True))


@pytest.mark.parametrize("recipe", [item_knn.RECIPE, item_knn.VARIANTS["fading"]], ids=lambda recipe: recipe.name)
def test_contract(recipe: ItemKnn) -> None:
    check_recipe(recipe, learns_order=False)


def test_the_score_is_the_cosine_of_the_item_columns() -> None:
    wanted = {0: 0.0, 1: 2 / math.sqrt(6), 2: 1 / math.sqrt(3), 3: 1 / math.sqrt(3), 4: 0.0}
    assert scores_after([0]) == pytest.approx(wanted)


def test_shrinkage_is_added_to_the_norms() -> None:
    assert scores_after([0], shrinkage=10.0)[1] == pytest.approx(2 / (math.sqrt(6) + 10))


def test_a_history_adds_up_and_fades_with_age() -> None:
    one, other = scores_after([0])[2], scores_after([1])[2]
    assert scores_after([0, 1])[2] == pytest.approx(one + other)
    assert scores_after([0, 1], fading=0.5)[2] == pytest.approx(0.5 * one + other)


def test_only_the_nearest_neighbours_are_kept() -> None:
    assert scores_after([0], neighbours=1) == pytest.approx({0: 0, 1: 2 / math.sqrt(6), 2: 0, 3: 0, 4: 0})


def test_small_blocks_change_nothing() -> None:
    assert scores_after([0, 2], block=2) == pytest.approx(scores_after([0, 2]))


def test_it_finds_the_taste() -> None:
    world = two_tastes()
    ranking = item_knn.RECIPE.fit(world, Run()).recommend(world.test.histories, 3)
    targets = world.test.targets.packed()[0]
    assert np.array_equal(ranking.items // 10, np.repeat(targets[:, None] // 10, 3, axis=1))
