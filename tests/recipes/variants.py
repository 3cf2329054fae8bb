"""Variants too large for a test to train: build them and take one step."""

import math

from segue.core.recipe import ScoringRecipe
from segue.testing import first_losses


def takes_a_step(recipe: ScoringRecipe) -> None:
    """One training step on the ring gives a finite loss."""
    (loss,) = first_losses(recipe, steps=1)
    assert math.isfinite(loss)
