"""TIGER: the ring by codes, with and without an encoder that looks both ways."""

from pathlib import Path

import numpy as np
import pytest

from segue.core.ranking import Rules
from segue.core.recipe import FittedModel
from segue.core.run import Run
from segue.decoding.beam_search import BeamSearch
from segue.decoding.exact_likelihood import ExactLikelihood
from segue.models.token_generator import TokenGeneratorModel
from segue.recipes.tiger import RECIPE, VARIANTS
from segue.testing.contracts import check_recipe, first_losses
from segue.testing.worlds import ring
from segue.tokenizers.random_codes import RandomCodes
from segue.tokenizers.residual_k_means import ResidualKMeans


@pytest.mark.slow
@pytest.mark.learns
@pytest.mark.parametrize("name", ["small", "t5_small"])
def test_contract(name: str, learning_seed: int) -> None:
    check_recipe(VARIANTS[name], seed=learning_seed)


def test_first_losses() -> None:
    """With drawn codes: fitted ones may differ by the rounding of a CPU, which turns near ties."""
    drawn = VARIANTS["small"].changed({"tokenizer": RandomCodes(levels=3, size=8)})
    assert first_losses(drawn, steps=3) == pytest.approx([2.08611, 2.01100, 1.97553], rel=1e-4)


@pytest.mark.slow
def test_a_fitted_system_answers_by_beam_as_by_exact_likelihood() -> None:
    world = ring()
    fitted = VARIANTS["small"].changed({"procedure.loop.epochs": 5}).fit(world, Run())
    assert isinstance(fitted, FittedModel)
    past = world.test.histories.take(slice(0, 20))
    wide = BeamSearch(beams=20)(fitted.model, past, 20, Rules())
    exact = ExactLikelihood()(fitted.model, past, 20, Rules())
    np.testing.assert_allclose(wide.scores, exact.scores, atol=1e-4)


def test_who_resumes_finds_the_codes_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = VARIANTS["small"].changed({"procedure.loop.epochs": 1})
    before = short.fit(ring(), Run(folder=tmp_path))

    def refuse(*_: object) -> None:
        raise AssertionError("the codes were learnt again")

    monkeypatch.setattr(ResidualKMeans, "learn", refuse)
    after = short.fit(ring(), Run(folder=tmp_path, resume=True))
    assert isinstance(before, FittedModel)
    assert isinstance(after, FittedModel)
    assert np.array_equal(before.model.codes.codes, after.model.codes.codes)
    with pytest.raises(AssertionError, match="learnt again"):
        short.fit(ring(), Run(folder=tmp_path))


def test_the_generator_has_the_matrices_of_the_letter_repository() -> None:
    """Encoder and decoder of 4 layers, width 128, 6 heads of 64, inner width 1,024: counted by hand."""
    from segue.core.codes import ItemCodes

    codes = ItemCodes(np.zeros((1, 4), dtype=np.int64), (256,) * 4)
    model = RECIPE.model.build(RECIPE.backbone, codes, RECIPE.batches.history)
    assert isinstance(model, TokenGeneratorModel)
    matrices = sum(p.numel() for n, p in model.trunk.named_parameters() if p.ndim == 2 and "bias" not in n)
    assert matrices == 4 * (4 * 128 * 384 + 2 * 128 * 1024) + 4 * (8 * 128 * 384 + 2 * 128 * 1024)
    assert model.table.weight.shape == (1024, 128)
    assert model.user_table is not None
    assert model.user_table.weight.shape == (2000, 128)
