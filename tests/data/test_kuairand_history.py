"""The earlier events of KuaiRand's users, where they are asked for."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.logs import Event, events_of
from segue.core.errors import DataError
from segue.core.tables import Dataset
from segue.data.preparation import Preparation
from segue.data.prepare import prepare
from segue.data.request_split import RequestsByTime

BEGIN = 1_650_000_000
"""All times here count from this moment."""

LOG = pl.DataFrame(
    {
        "user_id": [1, 1, 2, 2],
        "item_id": [10, 11, 10, 12],
        "time_ms": [1000 * BEGIN + ms for ms in (90_000, 95_999, 91_000, 900_000)],
        "is_click": [1, 0, 0, 1],
        "is_like": [0, 0, 0, 1],
        "long_view": [1, 0, 0, 0],
    }
)
HISTORY = pl.DataFrame(
    {
        "user_id": [2, 1, 3],
        "history_len": [3, 1, 0],
        "last_time_ms": [1000 * BEGIN + ms for ms in (80_500, 89_000, 70_000)],
        "watch_seq": [[20, 11, 20], [12], []],
        "like_seq": [[20, 99], [], []],
        "long_watch_seq": [[11], [12], []],
    },
    schema_overrides={
        "watch_seq": pl.List(pl.Int64),
        "like_seq": pl.List(pl.Int64),
        "long_watch_seq": pl.List(pl.Int64),
    },
)


def folder_of(path: Path, history: pl.DataFrame = HISTORY) -> Path:
    path.mkdir()
    LOG.write_parquet(path / "interactions.parquet")
    history.write_parquet(path / "history.parquet")
    return path


def prepared(tmp_path: Path, **settings: object) -> Dataset:
    path = folder_of(tmp_path / "set")
    return prepare(Preparation.parse({"path": str(path), **settings}), tmp_path / "out")


def told(dataset: Dataset) -> list[Event]:
    return [(user, item, time - BEGIN) for user, item, time in events_of(dataset)]


def test_without_being_asked_for_nothing_changes(tmp_path):
    assert told(prepared(tmp_path)) == [("1", "10", 90), ("1", "11", 95), ("2", "10", 91), ("2", "12", 900)]


@pytest.mark.parametrize("memory", [None, 1e-7])
def test_earlier_events_come_first_with_what_is_known_of_them(tmp_path, memory):
    dataset = prepared(tmp_path, history=True, memory_gb=memory)
    users = {"1": [("1", "12", 89), ("1", "10", 90), ("1", "11", 95)]}
    users["2"] = [("2", "20", 80), ("2", "11", 80), ("2", "20", 80), ("2", "10", 91), ("2", "12", 900)]
    found = told(dataset)
    assert [event for event in found if event[0] == "1"] == users["1"]
    assert [event for event in found if event[0] == "2"] == users["2"]
    columns = {name: values[[event[0] == "2" for event in found]] for name, values in dataset.log.columns.items()}
    assert columns["earlier"].tolist() == [1, 1, 1, 0, 0]
    assert columns["is_like"].tolist() == [1, 0, 1, 0, 1]
    assert columns["long_view"].tolist() == [0, 1, 0, 0, 0]
    assert np.isnan(columns["is_click"]).tolist() == [True, True, True, False, False]
    assert any("4 earlier events" in note for note in dataset.origin["notes"])


def test_rankers_see_them_and_are_not_asked_about_them(tmp_path):
    dataset = prepared(tmp_path, history=True)
    split = RequestsByTime(tasks=("is_click",), at=BEGIN + 900, validation_ratio=0).cut(dataset, 0)
    ids = dataset.catalog.ids.to_list()
    requests = {
        dataset.log.users["user_id"][int(user)]: [ids[item] for item in split.learnt.items[low:high]]
        for user, low, high in zip(
            split.learnt.histories.users, split.learnt.bounds[:-1], split.learnt.bounds[1:], strict=True
        )
    }
    assert requests == {"1": ["10", "11"], "2": ["10"]}  # a second after what was earlier, and a request of its own
    assert sorted(split.learnt.histories.lengths.tolist()) == [1, 3]
    assert [ids[item] for item in split.asked.items] == ["12"]


def test_what_counts_leaves_the_log_as_it_is(tmp_path):
    dataset = prepared(tmp_path, history=True, positive="is_click == 1", keep_shown=True)
    assert told(dataset) == [("1", "10", 90), ("2", "12", 900)]
    assert dataset.exposures is not None
    assert len(dataset.exposures) == 8


def test_a_set_without_such_a_file_says_so(tmp_path):
    path = folder_of(tmp_path / "set", HISTORY.drop("watch_seq"))
    preparation = Preparation(path=str(path), history=True)
    with pytest.raises(DataError, match="expected a column 'watch_seq'"):
        prepare(preparation, tmp_path / "out")
    (path / "history.parquet").unlink()
    with pytest.raises(DataError, match=r"history=true: .* has no history\.parquet"):
        prepare(preparation, tmp_path / "out")
