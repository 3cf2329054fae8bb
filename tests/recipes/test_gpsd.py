"""GPSD learns from histories, and its settings are those that were published."""

import numpy as np
import pytest

from segue.core.ranking_recipe import RankingRecipe
from segue.core.run import Run
from segue.procedures.pretrain_transfer import PretrainTransfer
from segue.procedures.supervised_ranking import SupervisedRanking
from segue.recipes import gpsd
from segue.testing.rankers import check_ranker
from segue.testing.requests import parity_requests


@pytest.mark.learns
def test_contract(learning_seed: int) -> None:
    check_ranker(gpsd.VARIANTS["small"], seed=learning_seed)


def test_as_published_the_item_table_is_transferred_and_frozen() -> None:
    procedure = gpsd.RECIPE.procedure
    assert isinstance(procedure, PretrainTransfer)
    assert (procedure.strategy, procedure.tables) == ("st_sf", "items")
    assert isinstance(procedure.ranking, SupervisedRanking)
    for loop, rate in ((procedure.pretraining, 5e-3), (procedure.ranking.loop, 1e-3)):
        optimizer = loop.optimizer
        assert (loop.epochs, loop.clip, loop.precision) == (10, 1.0, "float32")
        assert (optimizer.rate, optimizer.beta1, optimizer.beta2, optimizer.decay) == (rate, 0.9, 0.98, 0.1)
        assert optimizer.rate_at(500, 5_000) == rate
        assert optimizer.rate_at(4_999, 5_000) == pytest.approx(rate / 10)


def test_variants_differ_in_the_strategy_alone() -> None:
    for name in ("nt", "ft", "st", "ft_sf", "st_sf"):
        variant = gpsd.VARIANTS[name]
        assert isinstance(variant.procedure, PretrainTransfer)
        assert variant.procedure.strategy == name
        changed = variant.changed(
            {"name": "gpsd", "procedure.strategy": "st_sf", "procedure.ranking.loop.optimizer.rate": 1e-3}
        )
        assert changed == gpsd.RECIPE


@pytest.mark.parametrize("recipe", [gpsd.RECIPE, gpsd.VARIANTS["world"]], ids=lambda recipe: recipe.name)
def test_the_larger_ones_take_a_step(recipe: RankingRecipe) -> None:
    short = {"procedure.pretraining.epochs": 1, "procedure.ranking.loop.epochs": 1}
    split = parity_requests(users=4)
    found = recipe.changed(short).fit(split, Run()).probabilities(split.asked)
    assert np.isfinite(found).all()
