"""The data are looked over before anything is learnt; who is strict is stopped."""

import logging
from pathlib import Path

import pytest

from cli.shell import write_log
from segue.core.errors import DataError
from segue.evaluation.data_note import DataNote, FindingNote
from segue.workflows.evaluate import evaluate_run
from segue.workflows.experiment import new
from segue.workflows.fit import fit
from segue.workflows.looked_over import looked_over, refuse_serious, write_to_log
from segue.workflows.settled import settle


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_CACHE", str(tmp_path / "cache"))


def test_what_is_serious_stops_who_is_strict_and_leaves_nothing(tmp_path: Path) -> None:
    log = write_log(tmp_path / "walks.csv", users=3)
    with pytest.raises(DataError, match=r"strict: .*3 test users are no measurement") as caught:
        fit(new("popularity", str(log)), tmp_path / "run", strict=True, baselines=())
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
    report = fit(new("popularity", str(log)), tmp_path / "run", baselines=())
    assert report.data is not None
    assert report.data.serious
    page = (tmp_path / "run" / "report.html").read_text()
    assert page.index("3 test users are no measurement") < page.index("Accuracy")
    with pytest.raises(DataError, match="strict: "):
        evaluate_run(tmp_path / "run", strict=True, baselines=())


def test_evaluate_says_it_again(tmp_path: Path) -> None:
    log = write_log(tmp_path / "walks.csv", users=3)
    fit(new("popularity", str(log)), tmp_path / "run", baselines=())
    heard: list[DataNote] = []
    report, _ = evaluate_run(tmp_path / "run", baselines=(), tell=heard.append)
    assert report.data == heard[0]


def test_rows_that_were_dropped_are_counted_and_a_sequence_system_owns_up(tmp_path: Path) -> None:
    rows = [f"u{row // 6},i{row * 5 % 11}" for row in range(240)] + [",i3", "u5,"]
    (tmp_path / "log.csv").write_text("user_id,item_id\n" + "\n".join(rows) + "\n")
    settled = settle(new("sasrec_small", str(tmp_path / "log.csv")))
    split = settled.experiment.split.cut(settled.dataset, 0)
    note = looked_over(settled.experiment, settled.dataset, split, settled.chosen)
    assert sum(note.dropped.values()) == 2
    assert note.rows == 242
    lines = dict(note.lines())
    assert "2 of 242 rows" in lines["dropped"]
    assert "learns an order that was drawn at random" in lines["look"]


def test_the_world_is_called_one() -> None:
    settled = settle(new("popularity", None, {"data.users": 60, "data.items": 40}))
    split = settled.experiment.split.cut(settled.dataset, 0)
    label, words = looked_over(settled.experiment, settled.dataset, split).lines()[0]
    assert label == "data"
    assert words.startswith("the simulated world, a made-up shop, for no --data was given")


def test_the_log_hears_what_nobody_else_does(caplog: pytest.LogCaptureFixture) -> None:
    note = DataNote(source="shop", findings=[FindingNote(name="x", severity="serious", fact="Bad.", advice="Mend.")])
    with caplog.at_level(logging.INFO):
        write_to_log(note)
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("INFO", "data: shop"),
        ("WARNING", "serious: Bad. Mend."),
    ]
    refuse_serious(DataNote(source="shop"))
    with pytest.raises(DataError, match=r"^strict: a serious finding, so nothing was learnt: \(1\) Bad\. Mend\.$"):
        refuse_serious(note)
