"""Helpers of the click models' tests: a living model for the parity world, and how much it has to learn."""

import torch

from parity import WORLD
from segue.core.ranking_recipe import RankingRecipe


def model_of(recipe: RankingRecipe, **settings):
    """The living model with its random weights, in use."""
    facts = {name: torch.from_numpy(values) for name, values in WORLD.item_features.items()}
    torch.manual_seed(0)
    part = recipe.changed({f"model.{name}": value for name, value in settings.items()}).model
    return part.build(None, WORLD.schema, facts, length=recipe.batches.length).eval()


def sized(recipe: RankingRecipe) -> int:
    """Numbers that are learnt, the vectors of items left out."""
    model = model_of(recipe)
    return sum(p.numel() for name, p in model.named_parameters() if not name.endswith("table.weight"))
