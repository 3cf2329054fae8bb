"""What is said of the data in front of every number."""

import pytest
from pydantic import ValidationError

from evaluation.test_page import read, report
from segue.evaluation.data_note import ColumnNote, DataNote, FindingNote
from segue.evaluation.page import page
from segue.evaluation.report import Report

NOTE = DataNote(
    source="shop, read as files: 90 events of 9 users with 5 items",
    columns=[
        ColumnNote(column="note", role="left out", why="free text"),
        ColumnNote(column="price", role="number"),
        ColumnNote(column="when", role="time", why="the only column of dates"),
        ColumnNote(column="who", role="user", why="guessed"),
    ],
    rows=100,
    dropped={"incomplete": 10, "repeated": 0},
    chosen=["split=random_holdout: <drawn>."],
    findings=[
        FindingNote(
            name="test users", severity="serious", fact="3 test users are no measurement.", advice="Bring more."
        ),
        FindingNote(name="ties", severity="look", fact="2 events are tied."),
        FindingNote(name="own cut", severity="look", fact="There is a cut.", advice="Follow it."),
    ],
)


def test_columns_are_said_by_what_they_were_taken_for_and_why() -> None:
    assert NOTE.lines() == [
        ("data", "shop, read as files: 90 events of 9 users with 5 items"),
        (
            "columns",
            "user = who (guessed); time = when (the only column of dates); numbers: price; left out: note (free text)",
        ),
        ("dropped", "10 of 100 rows: 10 incomplete"),
        ("chosen", "split=random_holdout: <drawn>."),
        ("look", "There is a cut. Follow it."),
        ("serious", "3 test users are no measurement. Bring more."),
    ]
    assert DataNote().lines() == []


def test_the_page_has_it_on_top_and_what_is_serious_first() -> None:
    _, text = read(page(report(data=NOTE)))
    places = [
        text.index(words) for words in ("Before you believe a number", "no measurement", "who (guessed)", "Accuracy")
    ]
    assert places == sorted(places)
    assert "<drawn>" in text
    assert "2 events are tied." in text
    assert "Before you believe" not in read(page(report()))[1]


def test_a_report_carries_it_and_reports_of_before_are_read() -> None:
    whole = report(data=NOTE)
    assert Report.model_validate_json(whole.model_dump_json()) == whole
    before = report().model_dump(mode="json")
    del before["data"]
    assert Report.model_validate(before).data is None
    with pytest.raises(ValidationError):
        FindingNote(name="x", severity="info", fact="")  # type: ignore[arg-type]
