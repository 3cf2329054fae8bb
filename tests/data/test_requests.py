"""Exposures fall into requests, and each event of the log finds its own."""

import gc
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from segue.core.errors import DataError
from segue.core.tables import Catalog, Dataset, InteractionLog
from segue.data import requests
from segue.data.requests import Requests, request_spans

Shown = tuple[int, int, int, int]


def shown_to(users: int, rows: list[Shown], *, request: bool = False) -> Dataset:
    """From rows of user, item, time (or request) and taken, users together: the taken ones are the log."""
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    people = pl.DataFrame({"user_id": [str(user) for user in range(users)]})

    def log_of(part: np.ndarray) -> InteractionLog:
        return InteractionLog(
            items=part[:, 1].astype(np.int32),
            offsets=np.searchsorted(part[:, 0], np.arange(users + 1)),
            users=people,
            timestamps=None if request else part[:, 2],
            columns={"request": part[:, 2].astype(np.int16)} if request else {},
        )

    catalog = Catalog(pl.DataFrame({"item_id": [str(item) for item in range(10)]}))
    return Dataset("small", log_of(table[table[:, 3] == 1]), catalog, "none", exposures=log_of(table))


def spans_of(dataset: Dataset, **settings: int) -> list[list[int]]:
    return request_spans(dataset, np.arange(len(dataset.log)), **settings).tolist()


GAPS = [
    # user 0: 0, 10 | 31, 31, 41 and, ten seconds on, user 2
    (0, 1, 0, 0),
    (0, 2, 10, 1),
    (0, 3, 31, 0),
    (0, 4, 31, 1),
    (0, 5, 41, 1),
    (2, 1, 51, 1),
    (2, 2, 60, 0),
]


def test_a_pause_longer_than_the_gap_ends_a_request():
    assert spans_of(shown_to(3, GAPS), gap=10) == [[0, 2], [2, 5], [2, 5], [5, 7]]
    assert spans_of(shown_to(3, GAPS), gap=21) == [[0, 5], [0, 5], [0, 5], [5, 7]]


def test_equal_times_stay_together_even_without_a_gap():
    assert spans_of(shown_to(3, GAPS), gap=0) == [[1, 2], [2, 4], [4, 5], [5, 6]]


def test_a_named_request_is_believed_and_may_begin_anew_for_each_user():
    rows = [(0, 1, 7, 0), (0, 2, 7, 1), (0, 3, 9, 1), (1, 4, 9, 1), (1, 5, 9, 0), (1, 6, 11, 1)]
    assert spans_of(shown_to(2, rows, request=True)) == [[0, 2], [2, 3], [3, 5], [5, 6]]


def test_exact_repeats_fall_into_one_request():
    rows = [(0, 1, 5, 1), (0, 1, 5, 1), (0, 1, 5, 0), (0, 2, 5, 0), (0, 1, 90, 1)]
    assert spans_of(shown_to(1, rows), gap=10) == [[0, 4], [0, 4], [4, 5]]


def test_times_may_go_back_where_users_have_an_order_of_their_own():
    rows = [(0, 1, 50, 1), (0, 2, 52, 0), (0, 3, 20, 1), (0, 4, 21, 0), (1, 5, 20, 1)]
    assert spans_of(shown_to(2, rows), gap=10) == [[0, 2], [2, 4], [4, 5]]


def test_every_request_holds_the_event_it_is_asked_for():
    rng = np.random.default_rng(0)
    table = np.stack(
        [rng.integers(0, 40, 3000), rng.integers(0, 10, 3000), rng.integers(0, 9000, 3000), rng.integers(0, 2, 3000)]
    )
    table = table[:, np.lexsort((table[2], table[0]))]
    dataset = shown_to(40, table.T.tolist())
    found = Requests(dataset, gap=60)
    events = rng.permutation(len(dataset.log))
    places = np.flatnonzero(table[3])[events]
    spans = found.spans(events)
    assert ((spans[:, 0] <= places) & (places < spans[:, 1])).all()
    # Cut again by hand, one exposure after another.
    user, time = table[0].tolist(), table[2].tolist()
    starts = [row for row in range(1, 3000) if user[row] != user[row - 1] or time[row] - time[row - 1] > 60]
    assert found.bounds.tolist() == [0, *starts, 3000]


def test_a_dataset_is_cut_once_and_forgotten_with_it(monkeypatch):
    made = []
    cut = Requests.__init__

    def counted(self: Requests, dataset: Dataset, gap: int = 600) -> None:
        made.append(gap)
        cut(self, dataset, gap)

    monkeypatch.setattr(Requests, "__init__", counted)
    gc.collect()
    before = len(requests._KNOWN)
    dataset = shown_to(3, GAPS)
    first = request_spans(dataset, np.array([3, 0]), 10)
    assert first.tolist() == [[5, 7], [0, 2]]
    assert request_spans(dataset, np.array([0]), 10).tolist() == [[0, 2]]
    assert made == [10]
    assert request_spans(replace(dataset), np.array([0]), 21).tolist() == [[0, 5]]
    del dataset
    gc.collect()
    assert len(requests._KNOWN) == before


def test_what_cannot_be_cut_says_what_to_do():
    dataset = shown_to(3, GAPS)
    with pytest.raises(DataError, match=r"small does not say what users were shown.*positive=.*simulated world"):
        request_spans(replace(dataset, exposures=None), np.array([0]))
    bare = replace(dataset, exposures=replace(dataset.exposures, timestamps=None))
    with pytest.raises(DataError, match="neither a column 'request' nor times"):
        request_spans(bare, np.array([0]))


@pytest.mark.parametrize("time", [11, 70])
def test_an_event_that_was_never_shown_is_named(time):
    dataset = shown_to(3, GAPS)
    times = dataset.log.timestamps.copy()
    times[3] = time
    strange = replace(dataset, log=replace(dataset.log, timestamps=times))
    with pytest.raises(DataError, match=r"1 of 4 events of the log are not among its exposures \(first: event 3\)"):
        request_spans(strange, np.array([0]))
