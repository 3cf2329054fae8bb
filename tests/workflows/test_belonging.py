"""A run and its data, a run and the one it begins with, a stopped fit and its data: together, or refused."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cli.shell import TINY, Shell, contents, write_log
from export.graphs import unchecked
from segue.core import checkpoint
from segue.core.errors import DataError, RunError
from segue.core.learnt import Learnt
from segue.core.run import Run
from segue.core.tables import Cases, Split
from segue.data.split import ByUser, LeaveOneOut, LeaveTwoOut, SplitRule
from segue.encoders.collaborative_vectors import CollaborativeVectors
from segue.simulation.world import TINY as SMALL_WORLD
from segue.tokenizers.residual_k_means import ResidualKMeans
from segue.tokenizers.saved_codes import SavedCodes
from segue.workflows import runs
from segue.workflows.belonging import Beginning, check_data, equipped
from segue.workflows.evaluate import evaluate_run
from segue.workflows.experiment import Experiment, new
from segue.workflows.export import export_run
from segue.workflows.fit import fit
from segue.workflows.recommend import recommend
from segue.workflows.replay import Replay
from segue.workflows.tokenize import tokenize

ONE = LeaveOneOut(validation_users=0)
EVENTS = 9
"""Of each user of the log that runs are fitted on."""


def run_of(tmp_path: Path, system: str = "popularity", name: str = "run", **settings: object) -> Path:
    """A run on `log.csv`."""
    if not (tmp_path / "log.csv").exists():
        write_log(tmp_path / "log.csv", users=20, events=EVENTS)
    fit(new(system, str(tmp_path / "log.csv"), settings, 0), tmp_path / name, baselines=())
    return tmp_path / name


def as_before(run: Path, digest: bool = True) -> Path:
    """The same run as earlier versions left it: with the digest of its data alone, or with nothing at all."""
    (run / runs.LEARNT).unlink()
    weights, state = checkpoint.read(run / runs.WEIGHTS)
    checkpoint.write(
        run / runs.WEIGHTS, weights, {"system": "popularity", "dataset": state["dataset"]} if digest else {}
    )
    return run


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was said of runs and their data."""
    return [record.getMessage() for record in caplog.records if record.name == "segue.workflows.belonging"]


# Measuring and asking


def test_what_was_fitted_on_a_longer_log_is_not_measured_on_a_shorter_one(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    before = contents(run)
    write_log(tmp_path / "log.csv", users=20, events=EVENTS - 1)
    with pytest.raises(
        RunError, match=r"no longer what it was fitted on: 20 of the 20 users .* \(user 'u0' had 9 and has 8\)"
    ):
        evaluate_run(run, baselines=())
    with pytest.raises(RunError, match="no longer what it was fitted on"):
        evaluate_run(run, out=tmp_path / "again", baselines=())
    assert contents(run) == before
    assert not (tmp_path / "again").exists()


def test_a_longer_log_is_measured_where_no_event_of_its_test_was_learnt(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = run_of(tmp_path)
    write_log(tmp_path / "log.csv", users=20, events=EVENTS + 1)
    report, _ = evaluate_run(run, baselines=())
    assert report.dataset.events == 20 * (EVENTS + 1)
    assert "has 20 events more than it was fitted on; it has learnt no event of the test" in caplog.text


def test_a_longer_log_whose_test_was_learnt_is_refused(tmp_path: Path) -> None:
    """One user more, and other users are drawn for the test."""
    run = run_of(tmp_path, split={"kind": "by_user", "test": 0.3})
    write_log(tmp_path / "log.csv", users=21, events=EVENTS)
    with pytest.raises(RunError, match=r"has learnt \d of the 6 events that this test asks for"):
        evaluate_run(run, baselines=())


def test_asking_a_longer_log_is_right_and_another_one_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = run_of(tmp_path)
    write_log(tmp_path / "log.csv", users=22, events=EVENTS + 1)
    assert len(recommend(run, user="u21", k=3)["items"]) == 3
    assert not said(caplog)
    write_log(tmp_path / "log.csv", users=10, events=EVENTS)
    assert len(recommend(run, user="u3", k=3)["items"]) == 3
    assert "10 of the 20 users it was fitted on are not there. It answers from what it learnt" in caplog.text


def test_other_items_are_refused_and_named(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    write_log(tmp_path / "log.csv", users=20, items=16)
    with pytest.raises(RunError, match=r"16 items where it has 15, 1 are new \(first: 'i15'\)"):
        recommend(run, user="u3")


def test_exports_and_replays_take_a_longer_log_and_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = run_of(tmp_path, "item_knn")
    digest = Learnt.read(run / runs.LEARNT).digest
    write_log(tmp_path / "log.csv", users=20, events=EVENTS + 1)
    with unchecked():
        note = export_run(run, tmp_path / "out", ("torch",))
    assert note.data == digest, "of what it was fitted on, not of what is there"
    Replay(run)
    assert "its log has 20 events more than when it was fitted" in caplog.text
    write_log(tmp_path / "log.csv", users=20, events=EVENTS - 1)
    for asked in (lambda: export_run(run, tmp_path / "other", ("torch",)), lambda: Replay(run)):
        with pytest.raises(RunError, match="no longer what it was fitted on: 20 of the 20 users"):
            asked()
    assert not (tmp_path / "other").exists()


def test_what_was_shown_belongs_to_a_ranker_of_it(tmp_path: Path) -> None:
    """The digest of the data says nothing of what was shown."""
    fit(new("item_rate", "world", {"data": SMALL_WORLD.dump()}), tmp_path / "run", baselines=())
    dataset = SMALL_WORLD.simulate().dataset("world")
    assert check_data(tmp_path / "run", dataset, dataset.catalog, strict=True) == 0
    shown = dataset.exposures
    assert shown is not None
    items = np.array(shown.items)
    items[0] = (items[0] + 1) % len(dataset.catalog)
    others = ((None, "what was shown is no longer known"), (replace(shown, items=items), "have other items, times"))
    for exposures, words in others:
        with pytest.raises(RunError, match=words):
            check_data(tmp_path / "run", replace(dataset, exposures=exposures), dataset.catalog, strict=True)


def test_a_catalogue_that_is_not_that_of_the_weights_is_refused(tmp_path: Path) -> None:
    """With the same items in another order every name would be wrong."""
    run = run_of(tmp_path)
    pl.read_parquet(run / runs.CATALOG).reverse().write_parquet(run / runs.CATALOG)
    with pytest.raises(RunError, match=r"catalog\.parquet is not the file that was written with the weights"):
        recommend(run, history=["i1"], k=2)


def test_what_another_run_has_learnt_does_not_belong_to_these_weights(tmp_path: Path) -> None:
    run, other = run_of(tmp_path), run_of(tmp_path, name="other", split="leave_two_out")
    (run / runs.LEARNT).write_bytes((other / runs.LEARNT).read_bytes())
    with pytest.raises(RunError, match=r"learnt\.safetensors is not the file"):
        evaluate_run(run, baselines=())


# Runs of before


@pytest.mark.parametrize("digest", [True, False], ids=["with the digest", "with nothing"])
def test_a_run_of_before_is_read_and_what_cannot_be_checked_is_said(
    digest: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = as_before(run_of(tmp_path), digest)
    evaluate_run(run, baselines=())
    recommend(run, user="u1")
    said = "whether the data at its source are those it was fitted on could not be checked"
    assert caplog.text.count(said) == (0 if digest else 2)
    caplog.clear()
    write_log(tmp_path / "log.csv", users=20, events=EVENTS - 1)
    evaluate_run(run, out=tmp_path / "again", baselines=())
    said = (
        "are others than it was fitted on, and whether they are a longer log could not be checked" if digest else said
    )
    assert said in caplog.text


def test_of_a_run_of_before_its_data_tell_what_it_learnt(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = as_before(run_of(tmp_path))
    two = split_of(tmp_path, LeaveTwoOut())
    Beginning.of(split_of(tmp_path, LeaveOneOut())).open(run)
    assert not said(caplog)
    before = as_before(run_of(tmp_path, name="early", split={"kind": "leave_one_out", "validation_users": 0}))
    with pytest.raises(DataError, match="has learnt 20 of the 20 events of the validation"):
        Beginning.of(two).open(before)
    write_log(tmp_path / "log.csv", users=20, events=EVENTS - 1)
    Beginning.of(two).open(before)
    assert "whether it has learnt events of this test could not be checked" in caplog.text


# Runs that a run begins with


def split_of(tmp_path: Path, rule: SplitRule) -> Split:
    experiment = new("popularity", str(tmp_path / "log.csv"), {}, 0)
    return runs.split_of(experiment.model_copy(update={"split": rule}))


def test_who_has_learnt_the_test_is_not_begun_with(tmp_path: Path) -> None:
    run = run_of(tmp_path, split={"kind": "leave_one_out", "validation_users": 0})
    Beginning.of(split_of(tmp_path, ONE)).open(run)
    with pytest.raises(DataError, match=r"run has learnt 20 of the 20 events of the validation, so no number"):
        Beginning.of(split_of(tmp_path, LeaveTwoOut())).open(run)
    write_log(tmp_path / "log.csv", users=20, events=EVENTS + 2)
    Beginning.of(split_of(tmp_path, ONE)).open(run)
    write_log(tmp_path / "log.csv", users=20, events=EVENTS - 1)
    with pytest.raises(DataError, match=r"run was fitted on other data: 20 of the 20 users"):
        Beginning.of(split_of(tmp_path, ONE)).open(run)


def test_what_the_first_of_three_has_learnt_is_not_forgotten(tmp_path: Path) -> None:
    """The second begins with the first, and the third, which asks what only the first has learnt, with the second."""
    first = run_of(tmp_path)
    drawn = split_of(tmp_path, ByUser(test=0.5, validation=0))
    second = run_of(tmp_path, name="second", split={"kind": "by_user", "test": 0.5, "validation": 0})
    asked = drawn.test.histories
    third = replace(
        drawn, rule="by hand", test=Cases(replace(asked, ends=asked.ends - 2), asked.ends - 1)
    )  # what is learnt of these users by the second run alone: nothing
    Beginning.of(third).open(second)
    Beginning.of(drawn, second).open(first)
    assert len(Learnt.read(second / runs.LEARNT).windows) == 20
    state = checkpoint.read(second / runs.WEIGHTS)
    checkpoint.write(second / runs.WEIGHTS, state[0], {**state[1], "beside": {}})
    with pytest.raises(DataError, match=r"second has learnt \d+ of the 10 events of the test"):
        Beginning.of(third).open(second)


def test_parts_that_build_on_a_run_are_checked_through_the_same_door(tmp_path: Path) -> None:
    settings = {"procedure.loop.epochs": 1, "backbone.width": 8, "backbone.heads": 1, "backbone.depth": 1}
    run = run_of(tmp_path, "sasrec_small", **settings, **{"split.validation_users": 1})
    part = CollaborativeVectors(run=str(run))
    for rule in (LeaveOneOut(validation_users=1), LeaveTwoOut()):
        split = split_of(tmp_path, rule)
        beginning = Beginning.of(split, tmp_path)
        if isinstance(rule, LeaveOneOut):
            part.fit(split, equipped(Run(), beginning))
            assert np.array_equal(Learnt.read(tmp_path / runs.LEARNT).windows, beginning.learnt.windows)
        else:
            with pytest.raises(DataError, match="has learnt 19 of the 20 events of the validation"):
                part.fit(split, equipped(Run(), beginning))


def test_codes_that_come_from_events_do_not_meet_those_events_in_a_test(tmp_path: Path) -> None:
    write_log(tmp_path / "log.csv", users=20, events=EVENTS)
    made = ResidualKMeans(encoder=CollaborativeVectors(width=4), levels=2, size=3)
    experiment = Experiment(recipe=new("popularity").recipe, data=new("popularity", str(tmp_path / "log.csv")).data)
    experiment = experiment.with_settings({"split.validation_users": 0})
    tokenize(made, experiment, tmp_path / "codes", Run())
    part = SavedCodes(path=str(tmp_path / "codes"))
    part.fit(split_of(tmp_path, ONE), Run())
    with pytest.raises(DataError, match="codes has learnt 20 of the 20 events of the validation"):
        part.fit(split_of(tmp_path, LeaveTwoOut()), Run())


# Stopped fits


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"events": EVENTS - 1}, "20 of the 20 users it was fitted on have fewer events"),
        ({"events": EVENTS + 1}, "there are 20 events more"),
        ({"items": 14}, "of the 20 users it was fitted on have other items"),
        ({"items": 16}, "of the 20 users it was fitted on have other items"),
    ],
    ids=["fewer events", "more events", "fewer items", "more items"],
)
@pytest.mark.parametrize("finished", [True, False], ids=["finished", "stopped"])
def test_a_fit_goes_on_with_its_own_data_only(
    finished: bool,
    changed: dict,
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    segue = Shell(capsys, monkeypatch)
    log = write_log(tmp_path / "log.csv", users=20, events=EVENTS)
    fitting = ["fit", "sasrec_small", "--data", log, "--out", tmp_path / "run", *TINY, "--baselines", ""]
    assert segue(*fitting).code == 0
    if not finished:
        (tmp_path / "run" / runs.WEIGHTS).unlink()
    before = contents(tmp_path / "run")
    write_log(log, **{"users": 20, "events": EVENTS, **changed})
    said = segue(*fitting, "--resume")
    assert (said.code, len(said.err.splitlines())) == (1, 1)
    assert "cannot be resumed, for it began with other data than are there now: " in said.err
    assert words in said.err
    assert contents(tmp_path / "run") == before
    write_log(log, users=20, events=EVENTS)
    assert segue(*fitting, "--resume").code == 0
    assert (tmp_path / "run" / runs.WEIGHTS).exists()


def test_facts_that_changed_are_other_data_too(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    (tmp_path / "log.csv").write_text(
        "\n".join(
            f"{line},{'rating' if not row else row % 5}"
            for row, line in enumerate((tmp_path / "log.csv").read_text().split())
        )
    )
    with pytest.raises(RunError, match="facts about events, users or items are others"):
        fit(runs.experiment_of(run), run, Run(resume=True), baselines=())
    evaluate_run(run, baselines=())
    fit(runs.experiment_of(run), run, overwrite=True, baselines=())


def test_a_stopped_fit_of_before_goes_on_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = {"procedure.loop.epochs": 1, "backbone.width": 8, "backbone.heads": 1, "backbone.depth": 1}
    run = as_before(run_of(tmp_path, "sasrec_small", **settings))
    again = runs.experiment_of(run)
    fit(again, run, Run(resume=True), baselines=())
    assert not said(caplog)
    as_before(run)
    (run / runs.WEIGHTS).unlink()
    fit(again, run, Run(resume=True), baselines=())
    assert "does not say which data it began with" in caplog.text
    as_before(run)
    write_log(tmp_path / "log.csv", users=20, events=EVENTS + 1)
    with pytest.raises(RunError, match="was fitted on other data than are there now"):
        fit(again, run, Run(resume=True), baselines=())


@pytest.fixture(autouse=True)
def warnings_are_heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="segue.workflows")
