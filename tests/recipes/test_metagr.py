"""MetaGR learns from actions too, and its variants build and take a step."""

import numpy as np
import pytest

from segue.core.ranking_recipe import RankingRecipe
from segue.core.run import Run
from segue.recipes import metagr
from segue.testing import check_ranker, parity_requests

EVERY = [metagr.RECIPE, *metagr.VARIANTS.values()]


@pytest.mark.parametrize("recipe", EVERY, ids=lambda recipe: recipe.name)
def test_every_variant_takes_a_step(recipe: RankingRecipe) -> None:
    split = parity_requests(users=4)
    fitted = recipe.changed({"procedure.loop.epochs": 1}).fit(split, Run(seed=0))
    assert np.isfinite(fitted.probabilities(split.asked)).all()


@pytest.mark.slow
def test_contract() -> None:
    # Whose side a user is on gives 0.7 without any history. With times, it leans on actions of the same request, which
    # bear the same time and are not there in use.
    check_ranker(metagr.VARIANTS["small"].changed({"backbone.timed": False}), right=0.76)


@pytest.mark.slow
def test_merged_tokens_learn_from_the_last_request_of_each_pass() -> None:
    merged = {"batches.latest": True, "model": metagr.VARIANTS["merged"].model.changed({"width": 16})}
    check_ranker(metagr.VARIANTS["small"].changed(merged), right=0.8)
