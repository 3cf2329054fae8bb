"""Histories are windows of one log, and packed they are what a loop would collect."""

import itertools
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.core.errors import DataError
from segue.core.tables import Cases, Catalog, Histories, InteractionLog
from segue.testing import ring

LISTS = st.lists(st.lists(st.integers(0, 50), max_size=6), max_size=6)


@given(LISTS)
def test_packed_equals_a_loop(lists: list[list[int]]) -> None:
    items, bounds = Histories.from_lists(lists).packed()
    assert items.tolist() == [item for one in lists for item in one]
    assert bounds.tolist() == np.concatenate([[0], np.cumsum([len(one) for one in lists])]).astype(int).tolist()


@given(LISTS.filter(bool), st.integers(0, 7), st.data())
def test_taking_rows_and_their_newest_events_equals_a_loop(lists: list[list[int]], length: int, data) -> None:
    rows = data.draw(st.lists(st.integers(0, len(lists) - 1), max_size=8))
    items, bounds = Histories.from_lists(lists).take(np.array(rows, dtype=np.int64)).latest(length).packed()
    wanted = [lists[row][max(len(lists[row]) - length, 0) :] for row in rows]
    assert [items[a:b].tolist() for a, b in itertools.pairwise(bounds)] == wanted


def test_taking_rows_takes_when_they_ask() -> None:
    histories = Histories.from_lists([[1], [2], [3]])
    asked = Histories(histories.items, histories.starts, histories.ends, histories.users, asked_at=np.array([7, 8, 9]))
    assert asked.take(slice(1, 3)).asked_at.tolist() == [8, 9]


def test_ids_become_rows_in_the_order_asked() -> None:
    catalog = Catalog(pl.DataFrame({"item_id": ["a", "b", "c"]}))
    assert catalog.rows(["c", "a", "c"]).tolist() == [2, 0, 2]
    assert catalog.rows([]).tolist() == []


def test_unknown_item_ids_are_counted_and_the_first_is_named() -> None:
    catalog = Catalog(pl.DataFrame({"item_id": ["a", "b", "c"]}))
    with pytest.raises(DataError, match=r"2 item id\(s\) are not in this dataset \(first: 'x'; it knows 3 items"):
        catalog.rows(["a", "x", "y"])


def test_unknown_user_ids_are_named() -> None:
    log = InteractionLog(np.array([0]), np.array([0, 1]), pl.DataFrame({"user_id": ["anna"]}))
    assert log.user_rows(["anna"]).tolist() == [0]
    with pytest.raises(DataError, match=r"1 user id\(s\).*'bert'.*such as 'anna'"):
        log.user_rows(["bert"])


def test_ids_of_an_empty_catalog() -> None:
    with pytest.raises(DataError, match="without items"):
        Catalog(pl.DataFrame({"item_id": []}, schema={"item_id": pl.String})).rows(["a"])


def test_an_item_without_a_title_is_called_by_its_id() -> None:
    catalog = Catalog(pl.DataFrame({"item_id": ["a", "b"], "title": ["Apple", None]}))
    assert catalog.titles(np.array([1, 0])) == ["b", "Apple"]
    assert Catalog(catalog.table.drop("title")).titles(np.array([0])) == ["a"]


def test_targets_are_the_held_out_events_and_their_time() -> None:
    histories = Histories(
        items=np.array([5, 6, 7]), starts=np.array([0]), ends=np.array([1]), users=np.array([0]),
        timestamps=np.array([10, 20, 30]),
    )  # fmt: skip
    cases = Cases(histories, stops=np.array([3]))
    assert cases.targets.packed()[0].tolist() == [6, 7]
    assert cases.timed().histories.asked_at.tolist() == [20]
    assert cases.timed().targets.asked_at is None


def test_without_timestamps_the_time_of_the_target_cannot_be_told() -> None:
    with pytest.raises(DataError, match="no timestamps"):
        Cases(Histories.from_lists([[1]]), stops=np.array([1])).timed()


def test_item_counts_are_of_training_alone() -> None:
    split = ring(users=3, items=4)
    items = split.train.packed()[0]
    assert split.item_counts().tolist() == [int((items == item).sum()) for item in range(4)]
    assert split.item_counts().sum() == len(split.dataset.log) - 2 * 3


def test_a_log_of_one_user_has_their_events_with_all_that_is_told_of_them() -> None:
    log = InteractionLog(
        items=np.array([3, 1, 2, 0]),
        offsets=np.array([0, 1, 3, 3, 4]),
        users=pl.DataFrame({"user_id": ["a", "b", "c", "d"]}),
        timestamps=np.array([10, 20, 30, 40]),
        columns={"click": np.array([0, 1, 0, 1])},
    )
    own = log.of_user(1)
    assert (own.items.tolist(), own.offsets.tolist()) == ([1, 2], [0, 2])
    assert own.timestamps is not None
    assert (own.timestamps.tolist(), own.columns["click"].tolist()) == ([20, 30], [1, 0])
    assert len(log.of_user(2)) == 0
    assert replace(log, timestamps=None).of_user(3).timestamps is None
