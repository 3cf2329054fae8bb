"""BIGRec: what it learns of a planted world, and the published settings."""

import hashlib

import numpy as np
import pytest
import torch

from segue.core.run import Run
from segue.decoding.nearest_items import NearestItems
from segue.decoding.title_search import TitleSearch
from segue.layers.adapters import Lora
from segue.procedures.untrained import Untrained
from segue.recipes.bigrec import CLAIMS, RECIPE, VARIANTS
from segue.testing.contracts import check_recipe
from text_world import kinds, left_to_learn

SMALL = VARIANTS["small"]


@pytest.mark.slow
@pytest.mark.learns
def test_contract(learning_seed: int) -> None:
    """It finds the kind of the next item, and with it half of the items; the most popular six have 0.31."""
    check_recipe(SMALL, world=kinds(), k=6, right=0.4, seed=learning_seed)


@pytest.mark.slow
@pytest.mark.learns
def test_tuning_teaches_titles(learning_seed: int) -> None:
    assert left_to_learn(SMALL, learning_seed) < 0.9


@pytest.mark.slow
def test_adapters_alone_are_learnt_and_begin_as_nothing() -> None:
    """The frozen weights keep their hash, and the distance before tuning knows nothing of how adapters begin."""
    world = kinds(users=24)
    short = SMALL.changed(
        {"backbone.lora": Lora(), "backbone.tiny.steps": 20, "procedure.loop.epochs": 1, "procedure.users": 16}
    )

    def frozen(model: torch.nn.Module) -> str:
        return hashlib.sha256(
            b"".join(p.detach().numpy().tobytes() for p in model.parameters() if not p.requires_grad)
        ).hexdigest()

    tuned = short.fit(world, Run(seed=1)).model
    base = short.changed({"procedure": Untrained()}).fit(world, Run(seed=1)).model
    assert frozen(tuned) == frozen(base)
    learnt = {name for name, weight in tuned.named_parameters() if weight.requires_grad}
    assert learnt
    assert all("lora" in name for name in learnt)
    own, other = tuned.state_dict(), base.state_dict()
    assert {name for name in own if not torch.equal(own[name], other[name])} >= {n for n in learnt if "lora_B" in n}
    with torch.no_grad():
        for name, weight in base.named_parameters():
            if "lora_A" in name:
                weight.copy_(torch.randn_like(weight))
    again = short.changed({"procedure": Untrained()}).fit(world, Run(seed=1)).model
    texts = [model.write(world.test.histories, beams=2, length=12) for model in (base, again)]
    assert texts[0].texts.to_list() == texts[1].texts.to_list()
    assert np.array_equal(texts[0].scores, texts[1].scores)


def test_the_published_choices() -> None:
    """LLaMA-7B, r 8, alpha 16, dropout 0.05 on q and v; rate 1e-4, 20 steps of warm-up, prompts learnt too; beam 4."""
    assert RECIPE.backbone.checkpoint == "huggyllama/llama-7b"  # type: ignore[attr-defined]
    assert RECIPE.backbone.lora == Lora(rank=8, alpha=16, dropout=0.05, targets=("q_proj", "v_proj"))  # type: ignore[attr-defined]
    assert RECIPE.decoder == NearestItems(beams=4, length=128)
    loop = RECIPE.procedure.loop  # type: ignore[attr-defined]
    assert (loop.epochs, loop.patience, loop.optimizer.rate, loop.optimizer.warmup_steps) == (50, 5, 1e-4, 20)
    assert not RECIPE.objective.completion_only  # type: ignore[attr-defined]
    assert RECIPE.batches.samples == 1024  # type: ignore[attr-defined]
    assert isinstance(VARIANTS["trie"].decoder, TitleSearch)


def test_rows_differ_in_what_they_say_alone() -> None:
    """Of one data set all rows have one cut, one question and one language model."""
    for name in ("ml-1m", "beauty", "industrial"):
        rows = [claim for claim in CLAIMS if claim.row.startswith(name)]
        assert len({(claim.data, claim.settings["split"], claim.settings["prompts.noun"]) for claim in rows}) == 1
        assert {claim.group for claim in rows} == {"soft"}
    assert [claim.row for claim in CLAIMS if claim.reference] == ["ml-1m", "beauty", "industrial"]
