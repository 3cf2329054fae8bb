"""What was shown is kept beside what was taken, and the log is the same as if nothing else had been there."""

import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.logs import events_of
from segue.core.errors import DataError
from segue.core.tables import Dataset
from segue.data.preparation import Preparation
from segue.data.prepare import prepare

Row = tuple[str, str, int, int, str]
"""User, item, time, click, place."""

IDS = st.integers(0, 5).map(str) | st.sampled_from(["007", "x y"])
ROWS = st.lists(
    st.tuples(IDS, IDS, st.integers(100, 104), st.integers(0, 1), st.sampled_from(["home", "feed"])),
    min_size=1,
    max_size=40,
)


def write(path: Path, rows: list[Row]) -> Path:
    lines = ["user_id,item_id,timestamp,click,place", *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def clicks_of(folder: Path, rows: list[Row], **settings: object) -> Dataset:
    path = write(folder / "log.csv", rows)
    preparation = Preparation.parse({"path": str(path), "positive": "click == 1", **settings})
    return prepare(preparation, folder / "out", replace=True)


def shown_in(dataset: Dataset) -> list[Row]:
    """The exposures with the user's own ids, in stored order."""
    log = dataset.exposures
    assert log is not None
    assert log.timestamps is not None
    users = log.users["user_id"].gather(np.repeat(np.arange(len(log.offsets) - 1), np.diff(log.offsets))).to_list()
    items = dataset.catalog.ids.gather(log.items).to_list()
    places = [dataset.origin["words"]["place"][code] for code in log.columns["place"]]
    return list(zip(users, items, log.timestamps.tolist(), log.columns["click"].tolist(), places, strict=True))


@settings(max_examples=25)
@given(ROWS, st.integers(0, 2), st.sampled_from(["keep", "exact", "first", "last"]), st.sampled_from([None, 1e-7]))
def test_the_log_is_what_it_would_be_without_the_rest(rows, core, duplicates, memory):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        taken = [row for row in rows if row[3] == 1]
        alone = Preparation(path=str(write(folder / "taken.csv", taken)), core=core, duplicates=duplicates)
        try:
            expected = prepare(alone, folder / "alone")
        except DataError:
            with pytest.raises(DataError):
                clicks_of(folder, rows, core=core, duplicates=duplicates, memory_gb=memory)
            return
        found = clicks_of(folder, rows, core=core, duplicates=duplicates, memory_gb=memory)
        assert found.digest == expected.digest


@settings(max_examples=25)
@given(ROWS, st.integers(0, 2), st.booleans(), st.sampled_from([None, 1e-7]))
def test_exposures_are_all_rows_of_the_users_and_items_left(rows, core, keep_shown, memory):
    with tempfile.TemporaryDirectory() as name:
        try:
            dataset = clicks_of(Path(name), rows, core=core, keep_shown=keep_shown, memory_gb=memory)
        except DataError:
            return
        users, items = dataset.log.users["user_id"].to_list(), dataset.catalog.ids.to_list()
        shown = [row for row in rows if row[0] in users and (keep_shown or row[1] in items)]
        # Users as in the log, each one's rows by time, ties as they came.
        assert shown_in(dataset) == sorted(shown, key=lambda row: (users.index(row[0]), row[2]))
        assert set(items) == {row[1] for row in shown}
        assert dataset.log.items.max() + 1 == len(set(dataset.log.items.tolist()))  # items of the log come first
        assert dataset.origin["exposures"] == {"events": len(shown), "left out": len(rows) - len(shown)}
        assert not Counter(events_of(dataset)) - Counter((row[0], row[1], row[2]) for row in shown if row[3])


ROWS_BY_HAND: list[Row] = [
    ("1", "c", 100, 0, "feed"),
    ("1", "a", 101, 1, "home"),
    ("1", "a", 103, 1, "home"),
    ("1", "a", 103, 1, "home"),
    ("1", "b", 103, 0, "home"),
    ("1", "b", 103, 0, "home"),
    ("2", "b", 100, 1, "feed"),
    ("3", "a", 100, 0, "feed"),
]


def test_what_was_never_taken_is_a_candidate_only_when_asked(tmp_path):
    without = clicks_of(tmp_path, ROWS_BY_HAND)
    assert without.catalog.ids.to_list() == ["a", "b"]
    assert [row[1] for row in shown_in(without)] == ["a", "a", "a", "b", "b", "b"]
    kept = clicks_of(tmp_path, ROWS_BY_HAND, keep_shown=True)
    assert kept.catalog.ids.to_list() == ["a", "b", "c"]
    assert [row[1] for row in shown_in(kept)] == ["c", "a", "a", "a", "b", "b", "b"]
    assert kept.log.items.tolist() == without.log.items.tolist()


def test_who_falls_below_the_core_takes_along_what_they_were_shown(tmp_path):
    rows = [(user, item, 100, 1, "home") for user in "12" for item in "ab"]
    rows += [("1", "c", 101, 0, "home"), ("3", "a", 100, 1, "home"), ("3", "b", 101, 0, "home")]
    rows += [("2", "d", 101, 1, "home"), ("3", "e", 101, 0, "home")]
    assert shown_in(clicks_of(tmp_path, rows, core=2)) == rows[:4]
    kept = clicks_of(tmp_path, rows, core=2, keep_shown=True)
    assert shown_in(kept) == [*rows[:2], rows[4], *rows[2:4], rows[7]]
    assert kept.catalog.ids.to_list() == ["a", "b", "d", "c"]  # not e, which only user 3 was shown
    assert len(kept.log) == 4


def test_unseen_items_of_the_item_file_keep_their_exposures(tmp_path):
    (tmp_path / "items.csv").write_text("item_id,title\nz,Zoe\nc,Carl\na,Anna\nb,Bert\n")
    dataset = clicks_of(tmp_path, ROWS_BY_HAND, keep_unseen=True)
    assert dataset.catalog.ids.to_list() == ["a", "b", "z", "c"]  # as before there were exposures
    assert shown_in(dataset)[0] == ("1", "c", 100, 0, "feed")
    both = clicks_of(tmp_path, ROWS_BY_HAND, keep_unseen=True, keep_shown=True)
    assert both.catalog.ids.to_list() == ["a", "b", "c", "z"]
    assert both.catalog.table["title"].to_list() == ["Anna", "Bert", "Carl", "Zoe"]


@pytest.mark.parametrize(
    ("policy", "taken", "shown"),
    [
        ("keep", [101, 103, 103], [101, 103, 103, 103, 103]),
        ("exact", [101, 103], [101, 103, 103]),
        ("first", [101], [101, 103, 103, 103, 103]),
        ("last", [103], [101, 103, 103, 103, 103]),
    ],
)
def test_only_full_repeats_were_not_really_shown(tmp_path, policy, taken, shown):
    dataset = clicks_of(tmp_path, ROWS_BY_HAND, duplicates=policy)
    assert [time for user, _, time in events_of(dataset) if user == "1"] == taken
    assert [row[2] for row in shown_in(dataset) if row[0] == "1"] == shown


def test_each_part_has_the_narrowest_type_for_what_it_holds(tmp_path):
    (tmp_path / "log.csv").write_text("user,item,time,click,seconds\n1,a,1,1,5\n1,b,2,0,70000\n1,b,3,1,6\n")
    dataset = prepare(Preparation(path=str(tmp_path / "log.csv"), positive="click == 1"), tmp_path / "out")
    assert dataset.log.columns["seconds"].dtype == np.int8
    assert dataset.exposures.columns["seconds"].tolist() == [5, 70000, 6]
    assert isinstance(dataset.exposures.columns["seconds"], np.memmap)


def test_milliseconds_are_stored_as_seconds_there_too(tmp_path):
    rows = [("1", "a", 1_600_000_000_900, 1, "home"), ("1", "b", 1_600_000_000_100, 0, "home")]
    dataset = clicks_of(tmp_path, rows, keep_shown=True)
    assert shown_in(dataset) == [("1", "b", 1_600_000_000, 0, "home"), ("1", "a", 1_600_000_000, 1, "home")]


def test_without_a_condition_nothing_is_known_of_what_was_shown(tmp_path):
    path = write(tmp_path / "log.csv", ROWS_BY_HAND)
    dataset = prepare(Preparation(path=str(path)), tmp_path / "out")
    assert dataset.exposures is None
    assert "exposures" not in dataset.origin
    assert not (tmp_path / "out" / "exposures").exists()


def test_a_log_in_which_nothing_counts_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"none of its 1 rows is a whole event with click == 1"):
        clicks_of(tmp_path, [("1", "a", 1, 0, "home")])
