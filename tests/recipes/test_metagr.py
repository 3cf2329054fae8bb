"""MetaGR learns from actions too, and its variants build and take a step."""

from dataclasses import replace

import numpy as np
import pytest

from segue.core.ranking_recipe import RankingRecipe
from segue.core.run import Run
from segue.evaluation.probabilities import area_under_curve
from segue.recipes import metagr
from segue.testing import check_ranker, parity_requests

EVERY = [metagr.RECIPE, *metagr.VARIANTS.values()]


@pytest.mark.parametrize("recipe", EVERY, ids=lambda recipe: recipe.name)
def test_every_variant_takes_a_step(recipe: RankingRecipe) -> None:
    split = parity_requests(users=4)
    fitted = recipe.changed({"procedure.loop.epochs": 1}).fit(split, Run(seed=0))
    assert np.isfinite(fitted.probabilities(split.asked)).all()


@pytest.mark.slow
@pytest.mark.learns
def test_contract(learning_seed: int) -> None:
    check_ranker(metagr.VARIANTS["small"], right=0.68, seed=learning_seed)


@pytest.mark.slow
@pytest.mark.learns
def test_it_learns_from_actions(learning_seed: int) -> None:
    # Without the fact about users that gives half of it away, who knows no action stays below 0.62. With times, it
    # leans on actions of the same request, which bear the same time and are not there in use.
    split = parity_requests(users=400)
    split = replace(split, schema=replace(split.schema, fields=split.schema.fields_of("item")))
    fitted = metagr.VARIANTS["small"].changed({"backbone.timed": False}).fit(split, Run(seed=learning_seed))
    found = fitted.probabilities(split.asked)
    assert area_under_curve(found[:, 0], split.asked.labels[:, 0]) > 0.7


@pytest.mark.slow
@pytest.mark.learns
def test_merged_tokens_learn_from_the_last_request_of_each_pass(learning_seed: int) -> None:
    merged = {"batches.latest": True, "model": metagr.VARIANTS["merged"].model.changed({"width": 16})}
    check_ranker(metagr.VARIANTS["small"].changed(merged), right=0.8, seed=learning_seed)
