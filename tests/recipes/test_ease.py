"""EASE, by hand on two items."""

import numpy as np
import pytest
import torch

from recipes.test_popularity import with_training
from segue.core.errors import DataError
from segue.core.ranking import Rules
from segue.core.run import Run
from segue.core.tables import Histories
from segue.recipes import ease
from segue.testing import check_recipe, two_tastes


def test_contract() -> None:
    check_recipe(ease.RECIPE, learns_order=False)


def test_two_items_by_hand() -> None:
    # X'X = [[3, 2], [2, 2]] and penalty 1: P = [[4, 2], [2, 3]]^-1 = [[3, -2], [-2, 4]] / 8, B = -P / diag(P).
    split = with_training([[0, 1, 1], [1, 0], [0]])
    mixing = ease.RECIPE.changed({"penalty": 1.0}).fit(split, Run()).weights()["mixing"]
    assert mixing[:2, :2].ravel().tolist() == pytest.approx([0.0, 0.5, 2 / 3, 0.0])
    assert not mixing[2:].any()


def test_each_item_of_a_history_counts_once() -> None:
    fitted = ease.RECIPE.changed({"penalty": 1.0}).fit(with_training([[0, 1, 1], [1, 0], [0]]), Run())
    ranking = fitted.recommend(Histories.from_lists([[0, 0, 0], [0]]), 1, Rules(seen=True))
    assert ranking.items[:, 0].tolist() == [1, 1]
    assert ranking.scores[:, 0].tolist() == pytest.approx([0.5, 0.5])


def test_it_solves_the_ridge_problem_without_a_diagonal() -> None:
    # Column j of B minimises |X_j - X b|^2 + penalty |b|^2 over b with b_j = 0.
    world, penalty = two_tastes(users=40, items=8), 2.0
    seen = torch.zeros(40, 8, dtype=torch.float64)
    for user in range(40):
        seen[user, world.train.items[world.train.starts[user] : world.train.ends[user]]] = 1.0
    mixing = ease.RECIPE.changed({"penalty": penalty, "block": 7}).fit(world, Run()).weights()["mixing"].double()
    for item in range(8):
        others = [other for other in range(8) if other != item]
        design = seen[:, others]
        wanted = torch.linalg.solve(design.T @ design + penalty * torch.eye(7).double(), design.T @ seen[:, item])
        torch.testing.assert_close(mixing[others, item], wanted, atol=1e-4, rtol=1e-3)


def test_it_finds_the_taste() -> None:
    world = two_tastes()
    ranking = ease.RECIPE.fit(world, Run()).recommend(world.test.histories, 3)
    targets = world.test.targets.packed()[0]
    assert np.array_equal(ranking.items // 10, np.repeat(targets[:, None] // 10, 3, axis=1))


def test_too_large_a_catalogue_is_refused_before_it_starts() -> None:
    with pytest.raises(DataError, match="raise memory_gb, or take item_knn"):
        ease.RECIPE.changed({"memory_gb": 1e-9}).fit(with_training([[0]]), Run())
