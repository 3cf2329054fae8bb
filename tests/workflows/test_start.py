"""Fine-tuning a run that exists: what is taken over, what is not, and what wrong words leave behind."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from segue.core.errors import DataError, SettingsError
from segue.core.recipe import TokenRecipe
from segue.core.run import Run
from segue.simulation.world import TINY
from segue.workflows.experiment import Experiment, new
from segue.workflows.fit import fit
from segue.workflows.runs import open_run
from workflows import small_tokens

QUICK = {
    "procedure.loop.epochs": 1,
    "procedure.reward.utility": "none",
    "procedure.sampler": "random_items",
}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "start"
    experiment = Experiment(
        recipe=small_tokens.RECIPE, own="workflows.small_tokens:RECIPE", data=TINY, seed=3
    ).with_settings({"evaluation.ks": [3, 10]})
    fit(experiment, folder, Run(seed=3), baselines=())
    return folder


def tuned(experiment: Experiment) -> TokenRecipe:
    assert isinstance(experiment.recipe, TokenRecipe)
    return experiment.recipe


def test_everything_but_the_way_of_learning_is_taken_over(start: Path) -> None:
    found = new("gflowgr_small", None, {"start": str(start), **QUICK})
    recipe, before = tuned(found), small_tokens.RECIPE
    assert recipe.name == "gflowgr_small"
    assert (recipe.batches, recipe.tokenizer, recipe.backbone) == (before.batches, before.tokenizer, before.backbone)
    assert (recipe.model, recipe.decoder) == (before.model, before.decoder)
    assert recipe.objective.supervised == before.objective  # type: ignore[attr-defined]
    assert recipe.procedure.before is None  # type: ignore[attr-defined]
    assert recipe.start == str(start.resolve())
    assert (found.data, found.evaluation.ks) == (TINY, (3, 10))


def test_what_is_said_goes_before_what_is_taken_over(start: Path) -> None:
    settings = {"start": str(start), "decoder.beams": 7, "objective.supervised.smoothing": 0.2, **QUICK}
    recipe = tuned(new("gflowgr_small", None, settings))
    assert recipe.decoder.beams == 7  # type: ignore[attr-defined]
    assert recipe.objective.supervised.smoothing == 0.2  # type: ignore[attr-defined]
    assert new("gflowgr_small", "world", {"start": str(start), **QUICK}).data != TINY


def test_a_fine_tuned_run_stands_alone(start: Path, tmp_path: Path) -> None:
    """It is opened, asked and resumed when the run that it started from is gone."""
    copy = shutil.copytree(start, tmp_path / "copy")
    experiment = new("gflowgr_small", None, {"start": str(copy), **QUICK}, 4)
    report = fit(experiment, tmp_path / "tuned", Run(seed=4), baselines=())
    shutil.rmtree(copy)
    opened, recommender = open_run(tmp_path / "tuned")
    assert opened == experiment
    assert report.codes is not None
    _, before = open_run(start)
    assert np.array_equal(recommender.model.codes.codes, before.model.codes.codes)  # type: ignore[attr-defined]
    again = new(str(tmp_path / "tuned" / "recipe.yaml"))
    assert again == experiment


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"backbone.depth": 2}, SettingsError, "another backbone: its depth is 1 and not 2"),
        ({"split": "global_time"}, DataError, r"has learnt \d+ of the \d+ .*this split is 'global time"),
        ({"data.users": 30}, DataError, "start was fitted on other data: .* users it was fitted on are not there"),
        ({"procedure.reward.actions": {"nonsense": 2}}, DataError, "no column 'nonsense'"),
        ({"procedure.reward.utility": "collaborative", "procedure.collaborative": None}, SettingsError, "asks a"),
    ],
)
def test_a_wrong_word_leaves_nothing_behind(
    settings: dict, error: type[Exception], words: str, start: Path, tmp_path: Path
) -> None:
    experiment = new("gflowgr_small", None, {"start": str(start), **QUICK, **settings})
    with pytest.raises(error, match=words):
        fit(experiment, tmp_path / "wrong", Run(), baselines=())
    assert not (tmp_path / "wrong").exists()


def test_only_runs_that_write_codes_can_be_started_from(start: Path, tmp_path: Path) -> None:
    fit(new("popularity", "world", {"data": TINY.dump()}), tmp_path / "popularity", baselines=())
    with pytest.raises(SettingsError, match="is a run of popularity, which does not write codes"):
        new("gflowgr_small", None, {"start": str(tmp_path / "popularity")})
    with pytest.raises(SettingsError, match="is not a run folder"):
        new("gflowgr_small", None, {"start": str(tmp_path)})
    with pytest.raises(SettingsError, match="sasrec_small does not write codes"):
        new("sasrec_small", None, {"start": str(start)})
