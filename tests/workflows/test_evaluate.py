"""A fitted run asked again: a language model with another decoder, and nothing else that was fitted."""

from pathlib import Path

import numpy as np
import pytest

from cli.shell import write_log
from segue.core.errors import RunError
from segue.core.ranking import Rules
from segue.core.run import Run
from segue.core.text_recipe import FittedText
from segue.decoding.title_search import TitleSearch
from segue.evaluation.report import Measured
from segue.simulation.world import TINY
from segue.workflows.evaluate import evaluate_run
from segue.workflows.experiment import Experiment, new
from segue.workflows.fit import fit
from segue.workflows.runs import open_run, split_of
from segue.workflows.systems import find


@pytest.fixture(scope="module")
def wordy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small language model that has learnt next to nothing: how it is asked is all that matters here."""
    folder = tmp_path_factory.mktemp("runs") / "wordy"
    experiment = Experiment(recipe=find("bigrec_small"), data=TINY).with_settings(
        {"backbone.tiny.steps": 5, "procedure": "untrained", "evaluation.ks": [3, 10], "evaluation.users": 8}
    )
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("SEGUE_CACHE", str(folder.parent / "cache"))
        fit(experiment, folder, Run(), baselines=())
    return folder


@pytest.mark.slow
def test_a_language_model_is_asked_with_another_decoder_and_the_run_stays_as_it_was(
    wordy: Path, tmp_path: Path
) -> None:
    before = (wordy / "report.json").read_bytes()
    changes = {"decoder": "title_search", "decoder.per_token": True}
    report, _ = evaluate_run(wordy, changes, out=tmp_path / "trie", baselines=())
    assert (wordy / "report.json").read_bytes() == before
    assert report.settings["decoder"]["kind"] == "title_search"
    experiment, fitted = open_run(wordy)
    assert isinstance(fitted, FittedText)
    asked = experiment.with_settings(changes)
    cases = split_of(asked).test
    assert asked.recipe.decoder == TitleSearch(per_token=True)  # type: ignore[attr-defined]
    within = asked.recipe.decoder(fitted.model, cases.histories, 10, Rules())  # type: ignore[attr-defined]
    freely = fitted.recommend(cases.histories, 10)
    assert not np.array_equal(within.items, freely.items)
    hits = [target in row for target, row in zip(cases.targets.packed()[0], within.items, strict=True)]
    named = dict(zip(split_of(asked).dataset.log.users["user_id"].gather(cases.histories.users), hits, strict=True))
    again = Measured.read(tmp_path / "trie")
    assert again.values["HR@10"].tolist() == [float(named[user]) for user in again.users]


@pytest.mark.slow
def test_popularity_is_weighed_in_without_learning_anything(wordy: Path, tmp_path: Path) -> None:
    changes = {"decoder.injection": "injection", "decoder.injection.gamma": 50.0}
    report, _ = evaluate_run(wordy, changes, out=tmp_path / "weighed", baselines=())
    assert report.settings["decoder"]["injection"]["gamma"] == 50.0
    assert report.beyond != Measured.read(wordy).report.beyond
    assert report.metrics.keys() == Measured.read(wordy).report.metrics.keys()
    with pytest.raises(RunError, match="a folder of its own"):
        evaluate_run(wordy, changes, baselines=())


@pytest.mark.slow
def test_what_was_learnt_is_not_changed_by_asking(wordy: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"^prompts\.noun: .* must begin with 'evaluation\.' or 'decoder'"):
        evaluate_run(wordy, {"prompts.noun": "books"}, out=tmp_path / "other", baselines=())
    assert not (tmp_path / "other").exists()


def test_other_systems_answer_as_they_were_fitted(tmp_path: Path) -> None:
    log = write_log(tmp_path / "walks.csv", users=20)
    fit(new("sasrec_small", str(log), QUICK, 0), tmp_path / "run", baselines=())
    with pytest.raises(RunError, match=r"only a language model .* a run of sasrec_small"):
        evaluate_run(tmp_path / "run", {"decoder": "top_scores"}, out=tmp_path / "other", baselines=())
    with pytest.raises(RunError, match=r"^seed: .* must begin with 'evaluation\.'\.$"):
        evaluate_run(tmp_path / "run", {"seed": 1}, out=tmp_path / "other", baselines=())


QUICK = {"backbone.width": 8, "backbone.depth": 1, "backbone.heads": 1, "backbone.inner": 8, "procedure.loop.epochs": 1}
