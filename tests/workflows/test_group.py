"""A published table from one command: all rows beside what was published, sweeps, and what is not there."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from cli.shell import write_log
from segue.core.claim import Claim
from segue.core.errors import DataError, RunError, SettingsError
from segue.evaluation.comparison import tabulate
from segue.evaluation.group_page import GroupReport
from segue.evaluation.report import Measured, read_report
from segue.evaluation.significance import holm, paired
from segue.workflows import ledger, reproduce
from segue.workflows.group import group_report
from segue.workflows.runs import experiment_of

SMALL, TUNER = "workflows.started:BEFORE", "workflows.started:RECIPE"
WALKS: dict[str, Any] = {"data": "walks.csv", "group": "toy", "seeds": 2}
BASE = Claim(
    system=SMALL, row="walks", published={"HR@5": 0.2, "NDCG@10": 0.1}, source="the paper", evidence="read", **WALKS
)
TUNED = Claim(
    system=TUNER, row="walks", start=BASE.run_name, published={"HR@5": 0.25, "NDCG@10": 0.12}, source="the paper",
    evidence="read", **WALKS,
)  # fmt: skip
SWEPT = [
    Claim(
        system=TUNER, row=f"walks-{smoothing}", start=BASE.run_name, sweep="smoothing",
        settings={"objective.smoothing": smoothing},
        at=smoothing, **WALKS | {"seeds": 1},
    )
    for smoothing in (0.5, 0.001)
]  # fmt: skip
DEFAULT = Claim(
    system=TUNER, row="walks-default", trained="walks", start=BASE.run_name, sweep="smoothing", at=0.0, **WALKS
)
CLAIMS = [TUNED, BASE, DEFAULT, *SWEPT]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """The whole group, run once; do not write into it."""
    folder = tmp_path_factory.mktemp("group")
    write_log(folder / "walks.csv", users=20)
    places = {"ledger": folder / "ledger", "data": folder, "folder": folder / "runs"}
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("SEGUE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        monkeypatch.setattr(reproduce, "claims", lambda: CLAIMS)
        reproduce.reproduce("toy", **places)
        yield places


@pytest.fixture
def places(done: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A copy of the finished runs, and nothing else of the group."""
    monkeypatch.setattr(reproduce, "claims", lambda: CLAIMS)
    shutil.copytree(done["folder"], tmp_path / "runs", ignore=shutil.ignore_patterns("toy"))
    return {"ledger": tmp_path / "ledger", "data": done["data"], "folder": tmp_path / "runs"}


def told(places: dict[str, Path]) -> GroupReport:
    return GroupReport.model_validate(json.loads((places["folder"] / "toy" / "report.json").read_text("utf-8")))


def run_folder(places: dict[str, Path], claim: Claim, seed: int) -> Path:
    return places["folder"] / claim.run_name / f"seed-{seed}"


def measured(places: dict[str, Path], claim: Claim) -> list[Measured]:
    return [Measured.read(run_folder(places, claim, seed)) for seed in (0, 1)]


def never(*_: object, **__: object) -> None:
    raise AssertionError("a finished run was fitted again")


def test_one_command_makes_the_rows_and_the_table(done: dict[str, Path]) -> None:
    kept = ledger.read_all(done["ledger"])
    assert {(entry.system, entry.row, entry.group) for entry in kept} == {
        (SMALL, "walks", "toy"),
        (TUNER, "walks", "toy"),
    }
    (table,) = told(done).tables
    assert [system.name for system in table.systems] == [SMALL, TUNER], "who starts from a run comes after it"
    assert table.metrics == ["HR@5", "NDCG@10"]
    base, tuned = measured(done, BASE), measured(done, TUNED)
    ours, theirs = (np.mean([run.values["NDCG@10"].mean() for run in runs]) for runs in (tuned, base))
    first, cell = (system.cells["NDCG@10"] for system in table.systems)
    assert ours != theirs
    assert cell.mean == pytest.approx(ours)
    assert cell.gain == pytest.approx(ours / theirs - 1)
    assert (cell.published, cell.published_gain) == (0.12, pytest.approx(0.2))
    tested = tabulate([("a", base), ("b", tuned)], metrics=table.metrics).rows[1]
    assert cell.p == tested.corrected["NDCG@10"]
    assert cell.difference == pytest.approx(
        (tested.differences["NDCG@10"].mean, tested.differences["NDCG@10"].low, tested.differences["NDCG@10"].high)
    )
    assert (first.gain, first.p, first.published_gain) == (None, None, None)
    assert told(done).absent() == []
    page = (done["folder"] / "toy" / "report.html").read_text("utf-8")
    assert page.count("<svg") == 2, "the differences and the sweep"
    assert f"| {TUNER} |" in (done["folder"] / "toy" / "report.md").read_text("utf-8")


def test_points_of_a_sweep_are_drawn_and_are_no_rows(done: dict[str, Path]) -> None:
    (sweep,) = told(done).sweeps
    assert [(point.at, point.default) for point in sweep.points] == [(0.0, True), (0.001, False), (0.5, False)]
    tuned = measured(done, TUNED)
    curves = [run.report.curves["validation NDCG"] for run in tuned]
    assert sweep.points[0].validation == [max(score for _, score in looks) for looks in curves], "of the best look"
    assert sweep.points[0].test == [run.report.metrics["NDCG@10"].mean for run in tuned]
    assert [len(point.test) for point in sweep.points] == [2, 1, 1]
    assert {entry.row for entry in ledger.read_all(done["ledger"])} == {"walks"}


def test_a_table_may_be_held_against_another_row_than_the_first(done: dict[str, Path]) -> None:
    other = TUNED.model_copy(update={"reference": True, "shown": ("HR@10",)})
    report = group_report("toy", [BASE, other], done["data"], done["folder"], 2)
    assert [system.name for system in report.tables[0].systems] == [TUNER, SMALL]
    assert report.tables[0].systems[0].cells["HR@10"].p is None
    assert report.tables[0].systems[1].cells["HR@10"].p is not None


def test_a_row_is_held_against_the_one_it_names_on_the_seeds_that_both_have(done: dict[str, Path]) -> None:
    one, other = (point.model_copy(update={"beside": f"{TUNER}--walks"}) for point in SWEPT)
    tuned = TUNED.model_copy(update={"beside": f"{SMALL}--walks"})
    report = group_report("toy", [BASE, tuned, DEFAULT, one, other], done["data"], done["folder"])
    named = {(pair.row, pair.beside): pair for pair in report.tables[0].pairs}
    assert list(named) == [("walks", f"{SMALL}--walks"), *((f"walks-{at}", f"{TUNER}--walks") for at in (0.5, 0.001))]
    pair = named["walks", f"{SMALL}--walks"]
    found = paired(*(np.stack([run.values["NDCG@10"] for run in measured(done, claim)]) for claim in (TUNED, BASE)))
    assert (pair.metric, pair.seeds, pair.difference) == ("NDCG@10", [0, 1], (found.mean, found.low, found.high))
    first = [Measured.read(run_folder(done, claim, 0)).values["NDCG@10"] for claim in (SWEPT[0], TUNED)]
    point = named["walks-0.5", f"{TUNER}--walks"]
    assert (point.seeds, point.gain) == ([0], pytest.approx(first[0].mean() / first[1].mean() - 1))
    each = [found.p, *(paired(run, first[1]).p for run in _swept(done))]
    assert [pair.p for pair in report.tables[0].pairs] == holm(each)


def _swept(places: dict[str, Path]) -> list[np.ndarray]:
    return [Measured.read(run_folder(places, claim, 0)).values["NDCG@10"] for claim in SWEPT]


def test_a_row_that_no_run_is_there_for_is_in_no_pair(places: dict[str, Path]) -> None:
    shutil.rmtree(places["folder"] / BASE.run_name)
    tuned = TUNED.model_copy(update={"beside": f"{SMALL}--walks", "start": ""})
    assert group_report("toy", [BASE, tuned], places["data"], places["folder"]).tables[0].pairs == []


def test_a_row_that_is_held_against_none_of_its_table_is_refused(done: dict[str, Path]) -> None:
    tuned = TUNED.model_copy(update={"beside": "sasrec--walks"})
    with pytest.raises(RunError, match=r"held against sasrec--walks; its table has workflows\.started:BEFORE--walks"):
        group_report("toy", [BASE, tuned], done["data"], done["folder"])


def test_finished_runs_are_only_read(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reproduce, "fit", never)
    entries = reproduce.reproduce("toy", **places)
    assert [entry.row for entry in entries] == [claim.row for claim in CLAIMS]
    assert told(places).absent() == []


def test_a_row_starts_from_the_run_of_its_own_seed_which_is_fitted_first(places: dict[str, Path]) -> None:
    shutil.rmtree(run_folder(places, BASE, 1))
    shutil.rmtree(run_folder(places, TUNED, 1))
    assert [entry.system for entry in reproduce.reproduce(TUNER, row="walks", **places)] == [TUNER]
    for seed in (0, 1):
        start = Path(experiment_of(run_folder(places, TUNED, seed)).dump()["recipe"]["start"])
        assert start == run_folder(places, BASE, seed).resolve()
        assert read_report(start).seed == seed
    assert [entry.system for entry in ledger.read_all(places["ledger"])] == [TUNER]
    assert not (places["folder"] / "toy").exists(), "the page is the group's"


def test_a_page_is_written_from_what_is_there_and_names_what_is_not(
    places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in [run_folder(places, BASE, 1), *places["folder"].glob(f"{TUNER}*")]:
        shutil.rmtree(folder)
    monkeypatch.setattr(reproduce, "fit", never)
    assert reproduce.reproduce("toy", page_only=True, **places) == []
    assert not places["ledger"].exists()
    base, tuned = told(places).tables[0].systems
    assert (base.seeds, base.missing, base.cells["HR@5"].deviation) == ([0], [1], None)
    assert (tuned.seeds, tuned.missing) == ([], [0, 1])
    assert tuned.cells["HR@5"].model_dump(exclude_none=True) == {"published": 0.25, "published_gain": 0.25}
    absent = told(places).absent()
    assert absent[:2] == [f"walks.csv: {SMALL} --row walks: seed 1", f"walks.csv: {TUNER} --row walks: seeds 0, 1"]
    assert f"walks.csv: smoothing 0.5 ({TUNER} --row walks-0.5): seed 0" in absent
    page = (places["folder"] / "toy" / "report.html").read_text("utf-8")
    assert "<h2>Missing</h2>" in page
    assert page.count("<svg") == 0


def test_nothing_is_tested_where_the_first_row_is_missing(places: dict[str, Path]) -> None:
    for seed in (0, 1):
        (run_folder(places, BASE, seed) / "report.json").unlink()
    reproduce.reproduce("toy", page_only=True, **places)
    (table,) = told(places).tables
    cell = table.systems[1].cells["HR@5"]
    assert cell.mean is not None
    assert (cell.gain, cell.p, cell.published_gain) == (None, None, pytest.approx(0.25))
    assert "the first row, is missing" in table.words()


def test_a_folder_of_runs_may_be_moved(
    done: dict[str, Path], places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = run_folder(places, TUNED, 1)
    (cut / "report.json").unlink()
    fitted: list[Path] = []
    fit = reproduce.fit

    def noted(experiment: Any, folder: Path, run: Any, **others: Any) -> Any:
        fitted.append(folder)
        return fit(experiment, folder, run, **others)

    monkeypatch.setattr(reproduce, "fit", noted)
    entries = reproduce.reproduce("toy", row="walks", **places)
    assert fitted == [cut], "only what was not finished is resumed"
    before = {entry.system: entry for entry in ledger.read_all(done["ledger"])}
    assert [entry.mean("NDCG@10") for entry in entries] == [before[entry.system].mean("NDCG@10") for entry in entries]
    for seed in (0, 1):
        start = experiment_of(run_folder(places, TUNED, seed)).dump()["recipe"]["start"]
        assert Path(start) == run_folder(places, BASE, seed).resolve()


def test_a_run_that_started_elsewhere_is_not_taken_for_this_one(
    places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = BASE.model_copy(update={"row": "other"})
    shutil.copytree(places["folder"] / BASE.run_name, places["folder"] / other.run_name)
    monkeypatch.setattr(reproduce, "claims", lambda: [other, TUNED.model_copy(update={"start": other.run_name})])
    reproduce.reproduce("toy", page_only=True, **places)
    assert [system.seeds for system in told(places).tables[0].systems] == [[0, 1], []]
    with pytest.raises(RunError, match="other settings"):
        reproduce.reproduce(TUNER, row="walks", **places)


def test_what_an_objective_notes_is_in_the_report_where_it_is_a_number(done: dict[str, Path]) -> None:
    curves = read_report(run_folder(done, TUNED, 0)).curves
    assert [value for _, value in curves["flow/log Z"]] == [1.5, 1.5]
    assert curves["flow/none"] == []
    assert "log Z</h3>" in (run_folder(done, TUNED, 0) / "report.html").read_text("utf-8")


def test_rows_that_are_asked_other_questions_stand_in_tables_of_their_own(
    places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    again = Claim(system=SMALL, row="again", trained="walks", asked={"evaluation.seen": True}, **WALKS)
    monkeypatch.setattr(reproduce, "claims", lambda: [BASE, again])
    reproduce.reproduce("toy", **places)
    tables = told(places).tables
    assert [[system.row for system in table.systems] for table in tables] == [["walks"], ["again"]]
    assert [table.protocol and table.protocol.seen for table in tables] == [False, True]
    assert tables[1].metrics == ["HR@10", "NDCG@10"], "nobody published a number: the headline"


def test_wrong_plans_are_refused(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"walks is no group\. Groups: toy\."):
        reproduce.reproduce("walks", page_only=True, **places)
    with pytest.raises(ValidationError, match="needs both `sweep` and `at`"):
        Claim(system="a", row="b", data="c", sweep="smoothing")
    monkeypatch.setattr(reproduce, "fit", never)
    monkeypatch.setattr(reproduce, "claims", lambda: [BASE, TUNED.model_copy(update={"data": "nowhere"})])
    shutil.rmtree(run_folder(places, BASE, 0))
    with pytest.raises(DataError, match=r"nowhere is not there"):  # before anything is trained
        reproduce.reproduce("toy", **places)
    monkeypatch.setattr(reproduce, "claims", lambda: [TUNED])
    with pytest.raises(SettingsError, match="which no recipe plans"):
        reproduce.reproduce("toy", **places)
    monkeypatch.setattr(reproduce, "claims", lambda: [BASE.model_copy(update={"published": {"R@5": 0.1}})])
    with pytest.raises(RunError, match=r"has no R@5, .* it has .*HR@5"):
        reproduce.reproduce("toy", page_only=True, **places)
