"""SOFT: the contract, the published settings, and its controls."""

import math
from pathlib import Path

import polars as pl
import pytest

from segue.core.run import Run
from segue.procedures.self_curriculum import DRAFTS
from segue.recipes import bigrec
from segue.recipes._text_tables import SETS
from segue.recipes.soft import CLAIMS, RECIPE, VARIANTS
from segue.testing.contracts import check_recipe
from segue.training.shares import FixedShare, LinearShare, SelfAdaptive
from segue.training.trackers import JsonLines, curve
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
def test_a_real_curriculum_leaves_its_drafts_and_numbers(tmp_path: Path) -> None:
    short = VARIANTS["small"].changed(
        {
            "backbone.tiny.steps": 60,
            "procedure.tuning.epochs": 2,
            "procedure.curriculum.epochs": 2,
            "procedure.distance_cases": 16,
            "procedure.users": 16,
        }
    )
    world = kinds(users=24)
    numbers = JsonLines(tmp_path / "metrics.jsonl", resume=False)
    short.fit(world, Run(seed=1, folder=tmp_path, watches=(numbers,)))
    lines = curve(tmp_path / "metrics.jsonl")
    distances = [lines[0]["draft/distance_untuned"], *(line["draft/distance"] for line in lines)]
    assert [line["draft/share"] for line in lines] == [SelfAdaptive().share(epoch, 2, distances) for epoch in (1, 2)]
    assert math.isfinite(lines[0]["draft/first_loss_ratio"])
    drafts = pl.read_parquet(tmp_path / DRAFTS)
    assert drafts.columns == ["event", "title", "draft", "distance"]
    assert len(drafts) == (world.train.lengths - 1).sum()
    assert drafts["title"].str.starts_with("Amber").any()


def test_the_published_choices() -> None:
    """Llama-3.2-3B, 4096 samples in batches of 256, 7 epochs with patience 2, rate 1e-4, beam 4 of 64 tokens."""
    procedure = RECIPE.procedure
    assert RECIPE.backbone.checkpoint == "meta-llama/Llama-3.2-3B"  # type: ignore[attr-defined]
    assert (RECIPE.batches.samples, RECIPE.batches.users) == (4096, 256)  # type: ignore[attr-defined]
    for loop in (procedure.tuning, procedure.curriculum):  # type: ignore[attr-defined]
        assert (loop.epochs, loop.patience) == (7, 2)
        assert (loop.optimizer.rate, loop.optimizer.warmup_steps, loop.optimizer.decay) == (1e-4, 20, 0.0)
    assert (procedure.beams, procedure.length, procedure.draft) == (4, 64, "top")  # type: ignore[attr-defined]
    assert (procedure.distance_cases, procedure.restart) == (256, True)  # type: ignore[attr-defined]
    assert procedure.schedule == SelfAdaptive(alpha=1.0)  # type: ignore[attr-defined]


def test_controls_change_one_thing() -> None:
    schedules = {"no_sa": FixedShare(value=1.0), "fixed": FixedShare(value=0.5), "linear": LinearShare()}
    for name, schedule in schedules.items():
        assert VARIANTS[name] == RECIPE.changed({"name": f"soft_{name}", "procedure.schedule": schedule})
    assert not VARIANTS["sft_then_sd"].procedure.restart  # type: ignore[attr-defined]
    whole = RECIPE.procedure.tuning.epochs + RECIPE.procedure.curriculum.epochs  # type: ignore[attr-defined]
    assert VARIANTS["equal_compute"].procedure.loop.epochs == whole  # type: ignore[attr-defined]


def test_its_backbone_is_bigrecs() -> None:
    """What SOFT is held against differs in nothing but how it learns."""
    soft, plain = VARIANTS["tiny"], bigrec.VARIANTS["tiny"]
    same = ("batches", "prompts", "backbone", "model", "objective", "decoder")
    assert all(getattr(soft, name) == getattr(plain, name) for name in same)
    assert soft.procedure.curriculum == plain.procedure.loop  # type: ignore[attr-defined]
    total = soft.procedure.tuning.epochs + soft.procedure.curriculum.epochs  # type: ignore[attr-defined]
    epochs = {claim.row: claim.settings.get("procedure.loop.epochs") for claim in CLAIMS}
    assert {epochs[f"{row}-equal-compute"] for row in SETS} == {total}
    (longer,) = [claim for claim in CLAIMS if claim.row == "industrial-longer" and claim.system == "soft_tiny"]
    assert epochs["industrial-longer-equal-compute"] == sum(
        longer.settings[f"procedure.{step}.epochs"] for step in ("tuning", "curriculum")
    )
    assert longer.tuned == "bigrec_tiny--industrial-equal-compute"
