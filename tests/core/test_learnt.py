"""What a run says of the log it was fitted on: the same, a longer one, another one; and which events were learnt."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.logs import dataset_of
from segue.core import checkpoint, learnt
from segue.core.errors import DataError, RunError
from segue.core.learnt import Learnt, asked_of, other_catalog
from segue.core.tables import Catalog, Dataset
from segue.data.request_split import LastEvent, RequestsByTime
from segue.data.rolling_split import RollingTime
from segue.data.split import ByRatio, ByUser, GlobalTime, LeaveOneOut, LeaveTwoOut, SplitRule
from segue.simulation.world import TINY
from segue.testing.requests import parity_requests

ONE = LeaveOneOut(validation_users=0)
HISTORIES = [[0, 1, 2, 3], [3, 2, 1], [0, 2, 1, 3, 0]]
TIMES = [[10, 20, 30, 40], [15, 25, 35], [5, 25, 30, 45, 50]]


def log(histories: list[list[int]] = HISTORIES, times: list[list[int]] | None = TIMES) -> Dataset:
    return dataset_of(histories, times)


def first_seen() -> Learnt:
    return Learnt.of(ONE.cut(log(), 0))


def differs(dataset: Dataset) -> str | None:
    return first_seen().differs_from(dataset.log, dataset.catalog)


def changed(row: int, place: int, value: int, table: list[list[int]]) -> list[list[int]]:
    copied = [list(one) for one in table]
    copied[row][place] = value
    return copied


def test_the_same_log_and_a_longer_one_are_known_again() -> None:
    assert differs(log()) is None
    longer = log([[0, 1, 2, 3, 1], *HISTORIES[1:], [1, 0]], [[10, 20, 30, 40, 99], *TIMES[1:], [7, 8]])
    assert differs(longer) is None
    assert first_seen().grown_by(longer.log) == 3


def test_users_are_known_by_their_ids_and_not_by_their_rows() -> None:
    other = log(HISTORIES[::-1], TIMES[::-1])
    assert differs(other) is not None, "here the first user has what the last one had"
    users = pl.DataFrame({"user_id": ["u2", "u1", "u0"]})
    assert differs(replace(other, log=replace(other.log, users=users))) is None


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        (log([HISTORIES[0], [3, 2], HISTORIES[2]], [TIMES[0], [15, 25], TIMES[2]]), "1 of the 3 users .* fewer events"),
        (log(HISTORIES[:2], TIMES[:2]), "1 of the 3 users it was fitted on are not there"),
        (log(changed(1, 0, 0, HISTORIES)), r"1 of the 3 users .* other items, times or another order .*'u1'"),
        (log(HISTORIES, changed(2, 4, 51, TIMES)), r"1 of the 3 users .*'u2'"),
        (log(HISTORIES, None), r"3 of the 3 users"),
        (log([[1, 0, 2, 3], *HISTORIES[1:]]), r"1 of the 3 users .*'u0'"),
    ],
    ids=["shorter", "a user less", "another item", "another time", "no times", "another order"],
)
def test_another_log_is_not(dataset: Dataset, words: str) -> None:
    with pytest.raises(DataError, match=rf"^the run was fitted on other data: .*{words}"):
        first_seen().refuse_met(LeaveOneOut().cut(dataset, 0), "the run")


RULES = [
    LeaveOneOut(validation_users=2), LeaveTwoOut(), GlobalTime(), ByUser(test=0.3, validation=0.3), ByRatio(),
    RollingTime(), LastEvent(events=None), LastEvent(),
    RequestsByTime(tasks=("click",)),
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind())
def test_no_split_teaches_what_it_asks_and_all_that_it_teaches_is_noted(rule: SplitRule) -> None:
    dataset = TINY.simulate().dataset("world")
    split = rule.cut(dataset, 0)
    found = Learnt.of(split)
    assert found.known_again(split) is None
    assert found.among(split, split.train.positions()[0]).all()
    for asked in asked_of(split):
        assert not found.among(split, asked).any()
    assert found.order == ("shown" if isinstance(rule, RequestsByTime) else "taken")
    found.refuse_met(split, "the run")


def test_requests_that_are_learnt_count_beside_the_training_histories() -> None:
    split = parity_requests()
    asked = split.learnt.events[split.learnt.events >= 0]
    assert Learnt.of(replace(split, train=split.train.take(np.arange(0)))).among(split, asked).all()


def test_who_has_learnt_what_is_asked_is_refused_with_the_numbers() -> None:
    split = LeaveTwoOut().cut(log(), 0)
    with pytest.raises(DataError, match=r"^runs/a has learnt 3 of the 3 events of the validation, so .*'leave-one-out"):
        first_seen().refuse_met(split, "runs/a")
    with pytest.raises(DataError, match=r"has learnt 1 of the 4 events of the test, so"):
        first_seen().refuse_met(GlobalTime(at=40, validation_ratio=0).cut(longer_log(), 0), "runs/a")
    Learnt.of(split).refuse_met(LeaveOneOut().cut(log(), 0), "who learnt less")


def longer_log() -> Dataset:
    """Users have other rows, so what was learnt lies elsewhere; of those from 40 on one was learnt."""
    histories = [[1, 1], HISTORIES[0], [*HISTORIES[2], 2], HISTORIES[1]]
    made = log(histories, [[38, 39], [10, 20, 30, 40], [5, 25, 30, 45, 50, 60], [15, 25, 35]])
    return replace(made, log=replace(made.log, users=pl.DataFrame({"user_id": ["new", "u0", "u2", "u1"]})))


def test_in_a_longer_log_what_was_learnt_is_found_where_it_lies_now() -> None:
    dataset = longer_log()
    split = LeaveOneOut().cut(dataset, 0)
    every = np.arange(len(dataset.log))
    # new: nothing; u0: all but the last of four; u2: the first four of what were five; u1: the first two
    assert np.flatnonzero(first_seen().among(split, every)).tolist() == [2, 3, 4, 6, 7, 8, 9, 12, 13]


def test_what_was_learnt_before_is_added() -> None:
    split = GlobalTime(at=30, validation_ratio=0).cut(longer_log(), 0)
    own, every = Learnt.of(split), np.arange(len(longer_log().log))
    both = own.joined(first_seen(), split)
    assert (both.among(split, every) == own.among(split, every) | first_seen().among(split, every)).all()
    assert both.among(split, every).sum() > own.among(split, every).sum()


def test_however_many_events_are_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = first_seen()
    for events in (1, 4, 5):
        monkeypatch.setattr(learnt, "AT_ONCE", events)
        assert np.array_equal(first_seen().events, whole.events)


def test_the_numbers_are_the_same_on_any_machine() -> None:
    """Else a run would not know its data on another one, or with the next version: here they are from plain Python."""
    found = first_seen()
    assert found.users.tolist() == [id_number(f"u{row}") for row in range(3)]
    for row in range(3):
        events = enumerate(zip(HISTORIES[row], TIMES[row], strict=True))
        total = sum(
            stirred(stirred(id_number(f"i{item}") % 2**64 ^ stirred(time)) + stirred(at)) for at, (item, time) in events
        )
        assert int(found.events[row]) % 2**64 == total % 2**64
    assert found.windows.tolist() == [[0, 3], [4, 6], [7, 11]]


def id_number(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little", signed=True)


def stirred(number: int) -> int:
    number = (number + 0x9E3779B97F4A7C15) % 2**64
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    number = (number ^ number >> 27) * 0x94D049BB133111EB % 2**64
    return number ^ number >> 31


def test_an_order_that_was_drawn_is_not_the_one_that_was_taken() -> None:
    drawn = replace(log(), origin={"ordered": "drawn"})
    found = Learnt.of(ONE.cut(drawn, 0))
    found.refuse_met(ONE.cut(drawn, 0), "the run")
    with pytest.raises(DataError, match=r"the order of its events is the one taken, and the run .* the one drawn"):
        found.refuse_met(ONE.cut(log(), 0), "the run")
    other = replace(log(changed(1, 0, 0, HISTORIES)), origin={"ordered": "drawn"})
    with pytest.raises(DataError, match="nobody knows their order, and another is drawn when the log changes"):
        found.refuse_met(ONE.cut(other, 0), "the run")


def test_users_without_events_and_logs_without_users() -> None:
    found = Learnt.of(LeaveTwoOut().cut(log([[], *HISTORIES, []], [[], *TIMES, []]), 0))
    assert found.counts.tolist() == [0, 4, 3, 5, 0]
    assert found.differs_from(log([], []).log, log().catalog) == "5 of the 5 users it was fitted on are not there"


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    first_seen().write(tmp_path / "learnt")
    again, found = Learnt.read(tmp_path / "learnt"), first_seen()
    assert (again.data, again.digest, again.rule, again.order) == (found.data, found.digest, found.rule, found.order)
    for name in ("users", "counts", "events", "windows"):
        assert np.array_equal(getattr(again, name), getattr(found, name))
    checkpoint.write(tmp_path / "other", {}, {"data": "x"})
    with pytest.raises(RunError, match="has no 'digest'"):
        Learnt.read(tmp_path / "other")


def test_catalogs_that_differ_say_how() -> None:
    def items(*ids: str) -> Catalog:
        return Catalog(pl.DataFrame({"item_id": list(ids)}))

    assert other_catalog(items("a", "b"), items("a", "b")) is None
    assert other_catalog(items("a", "b"), items("b", "a")) == "the same 2 items are in another order"
    assert other_catalog(items("a", "b"), items("a", "c", "d")) == (
        "there are 3 items where it has 2, 1 are gone (first: 'b') and 2 are new (first: 'c')"
    )
