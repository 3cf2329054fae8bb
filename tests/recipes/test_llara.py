"""LLaRA: the contract, and that it reads what is known of the items."""

import pytest

from segue.core.run import Run
from segue.recipes.llara import RECIPE, VARIANTS
from segue.testing.contracts import check_recipe
from text_world import kinds, left_to_learn


@pytest.mark.slow
@pytest.mark.learns
def test_contract(learning_seed: int) -> None:
    """It finds the kind of the next item, and with it half of the items; the most popular six have 0.31."""
    check_recipe(VARIANTS["small"], world=kinds(), k=6, right=0.4, seed=learning_seed)


@pytest.mark.slow
@pytest.mark.learns
def test_tuning_teaches_titles(learning_seed: int) -> None:
    assert left_to_learn(VARIANTS["small"], learning_seed) < 0.9


@pytest.mark.slow
def test_the_projector_is_learnt_and_the_vectors_are_not() -> None:
    recipe = VARIANTS["small"].changed({"backbone.tiny.steps": 20, "procedure.loop.epochs": 1, "procedure.users": 16})
    world = kinds(users=24)
    one, other = (recipe.changed(changes).fit(world, Run(seed=1)).model for changes in ({}, {"procedure": "untrained"}))
    assert one.behaviour.shape == (24, 32)
    assert (one.behaviour == other.behaviour).all()
    weights = [model.state_dict() for model in (one, other)]
    projectors = [name for name in weights[0] if name.startswith("projector") and name.endswith("weight")]
    assert len(projectors) == 2
    assert all((weights[0][name] != weights[1][name]).any() for name in projectors)


def test_the_published_choices() -> None:
    """A SASRec of 64 behind each title; 128 tokens written by four beams."""
    assert RECIPE.prompts.placeholder is not None
    assert RECIPE.behaviour.recipe.backbone.width == 64  # type: ignore[union-attr]
    assert (RECIPE.decoder.beams, RECIPE.decoder.length) == (4, 128)  # type: ignore[attr-defined]
