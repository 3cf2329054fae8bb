"""What the settings leave open is decided by the data, said, and written down."""

from pathlib import Path

import pytest

from cli.shell import write_log
from segue.core.errors import DataError
from segue.data.preparation import Preparation
from segue.data.prepare import prepare
from segue.data.random_holdout import HoldOut, RandomHoldout
from segue.data.request_split import RequestsByTime
from segue.data.split import LeaveOneOut
from segue.evaluation.data_note import DataNote
from segue.evaluation.report import read_report
from segue.simulation.world import TINY
from segue.workflows.experiment import Experiment, new
from segue.workflows.fit import fit
from segue.workflows.runs import dataset_of, experiment_of
from segue.workflows.settled import settle
from segue.workflows.systems import find


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_CACHE", str(tmp_path / "cache"))


def shown(path: Path, columns: str = "is_click,like,hate") -> Path:
    """Sixty users are shown twelve items each and take every third."""
    lines = [f"user_id,item_id,timestamp,{columns}"]
    for row in range(720):
        values = [int(row % 3 == 0), int(row % 6 == 0), int(row % 7 == 0)][: columns.count(",") + 1]
        lines.append(f"u{row // 12},i{row % 17},{1_700_000_000 + row},{','.join(map(str, values))}")
    path.write_text("\n".join(lines) + "\n")
    return path


def untimed(path: Path) -> Path:
    path.write_text("user_id,item_id\n" + "".join(f"u{row // 8},i{row * 7 % 13}\n" for row in range(320)))
    return path


def test_the_column_of_what_was_taken_says_what_counts(tmp_path: Path) -> None:
    log = shown(tmp_path / "log.csv")
    settled = settle(new("popularity", str(log)))
    assert isinstance(settled.experiment.data, Preparation)
    assert settled.experiment.data.positive == "is_click == 1"
    assert len(settled.dataset.log) == 240
    assert 'data.positive="is_click == 1"' in settled.chosen[0]
    assert "not looked at: like; dislike, which never counts for an item: hate" in settled.chosen[0]
    assert settle(settled.experiment).chosen == ()  # settled once, settled for good
    for named in ("like == 1", "all"):
        assert settle(new("popularity", str(log), {"data.positive": named})).chosen == ()


def test_two_columns_that_could_say_it_are_asked_about(tmp_path: Path) -> None:
    log = shown(tmp_path / "log.csv", "click,purchase")
    with pytest.raises(DataError, match=r"click, purchase .*data\.positive=\"click == 1\""):
        fit(new("popularity", str(log)), tmp_path / "run", baselines=())
    assert not (tmp_path / "run").exists()


def test_a_ranker_learns_from_all_that_was_shown(tmp_path: Path) -> None:
    settled = settle(new("item_rate", str(shown(tmp_path / "log.csv"))))
    assert isinstance(settled.experiment.data, Preparation)
    assert settled.experiment.data.positive is None
    assert len(settled.dataset.log) == 720


def test_a_prepared_folder_is_left_as_it_is_and_its_exposures_are_serious(tmp_path: Path) -> None:
    prepare(Preparation(path=str(shown(tmp_path / "log.csv"))), tmp_path / "prepared")
    heard: list[DataNote] = []
    fit(new("popularity", str(tmp_path / "prepared")), tmp_path / "run", baselines=(), tell=heard.append)
    assert [one.name for one in heard[0].serious if one.name.startswith("shown")] == ["shown and not taken"]


def test_without_a_time_what_is_held_out_is_drawn_and_the_run_folder_says_so(tmp_path: Path) -> None:
    log = untimed(tmp_path / "log.csv")
    assert new("popularity", str(log)).split == HoldOut()
    report = fit(new("item_knn", str(log)), tmp_path / "run", baselines=())
    assert experiment_of(tmp_path / "run").split == RandomHoldout()
    assert "order drawn at random" in report.protocol.split
    assert "order drawn at random" in (tmp_path / "run" / "comparison.md").read_text()
    assert report.data is not None
    assert any(words.startswith("split=random_holdout") for words in report.data.chosen)
    assert {one.name: one.severity for one in report.data.findings}["no times"] == "look"
    assert "order read" not in {one.name for one in report.data.findings}
    assert read_report(tmp_path / "run") == report


def test_who_asks_for_the_last_row_gets_it_and_hears_of_it(tmp_path: Path) -> None:
    log = untimed(tmp_path / "log.csv")
    report = fit(new("popularity", str(log), {"split": "leave_one_out"}), tmp_path / "run", baselines=())
    assert report.data is not None
    assert "no times" in {one.name for one in report.data.serious}


def test_a_log_in_order_is_cut_as_ever(tmp_path: Path) -> None:
    settled = settle(new("popularity", str(write_log(tmp_path / "walks.csv")), {"split.validation_users": 5}))
    assert settled.experiment.split == LeaveOneOut(validation_users=5)
    assert settled.chosen == ()
    assert settle(Experiment(recipe=find("popularity"), data=TINY)).experiment.split == LeaveOneOut()


@pytest.mark.parametrize(
    ("system", "reads"),
    [("popularity", False), ("item_knn", False), ("ease", False), ("sasrec_small", True), ("tiger_small", True),
     ("bigrec_small", True), ("dfgr_small", True), ("item_rate", False)],
)  # fmt: skip
def test_a_system_knows_whether_it_reads_the_order(system: str, reads: bool) -> None:
    assert find(system).reads_order is reads
    assert find("item_knn").changed({"fading": 0.9}).reads_order


def test_the_facts_of_a_ranker_are_named_and_more_are_offered() -> None:
    asked = Experiment(recipe=find("item_rate"), data=TINY, split=RequestsByTime())
    settled = settle(asked)
    assert isinstance(settled.experiment.split, RequestsByTime)
    assert settled.experiment.split.facts == ("category:categories",)
    assert "there are also" in settled.chosen[0]
    assert "price" in settled.chosen[0]
    assert "place:click" not in settled.chosen[0]  # it would tell the answer
    none = asked.with_settings({"split.facts": []})
    split = settle(none).experiment.split
    assert isinstance(split, RequestsByTime)
    assert split.facts == ()
    assert split.schema_of(dataset_of(none)).fields == ()
