"""What comes out of fitting, without fitting."""

import numpy as np
import torch

from segue.backbones.gru import Gru
from segue.core.ranking import NOTHING, Rules
from segue.core.recipe import FittedModel, Paper, ScoringRecipe
from segue.core.run import Run
from segue.core.tables import Histories
from segue.recipes import gru4rec
from segue.testing import ring


def fitted(counts: list[int]) -> FittedModel:
    """An untrained model over a ring of as many items."""
    recipe = gru4rec.RECIPE.changed({"backbone": Gru(width=4)})
    split = ring(users=4, items=len(counts))
    return FittedModel(recipe, split.catalog, recipe._build(split.catalog, 0).eval(), torch.tensor(counts))


def test_a_citation_in_one_line() -> None:
    paper = Paper(authors="Ada", title="On engines", year=1843, venue="Memoirs", arxiv="0000.00001")
    assert paper.words() == "Ada. On engines. Memoirs, 1843, arXiv:0000.00001."
    assert Paper(authors="Ada", title="Notes", year=1843).words() == "Ada. Notes. 1843."


def test_a_user_without_history_gets_the_most_popular_items_ties_to_the_lower_row() -> None:
    ranking = fitted([1, 5, 5, 0]).recommend(Histories.from_lists([[], [0]]), 3)
    assert ranking.items[0].tolist() == [1, 2, 0]
    assert ranking.scores[0].tolist() == [5.0, 5.0, 1.0]


def test_the_rules_hold_for_a_user_without_history_too() -> None:
    rules = Rules(allow=np.array([0, 1, 3]), deny=np.array([1]))
    ranking = fitted([1, 5, 5, 0]).recommend(Histories.from_lists([[]]), 4, rules)
    assert ranking.items[0].tolist() == [0, 3, NOTHING, NOTHING]
    assert ranking.scores[0, 2:].tolist() == [-np.inf, -np.inf]


def test_building_leaves_the_global_generator_alone_and_repeats_itself() -> None:
    catalog, before = ring(users=4).catalog, torch.random.get_rng_state()
    one, same, other = (gru4rec.RECIPE._build(catalog, seed).table.weight for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_what_is_part_of_the_fingerprint() -> None:
    recipe: ScoringRecipe = gru4rec.RECIPE
    assert recipe.history == recipe.batches.history
    assert not recipe.knows_target_time
    assert recipe.changed({"batches.target_time": True}).knows_target_time


def test_streams_of_a_run_follow_its_seed() -> None:
    assert Run(seed=1).numpy_generator("x").random() == Run(seed=1).numpy_generator("x").random()
    assert Run(seed=1).numpy_generator("x").random() != Run(seed=2).numpy_generator("x").random()
