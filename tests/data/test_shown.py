"""What was shown beside an event, up to what was held out."""

from dataclasses import replace

import numpy as np
import pytest

from segue.core.errors import DataError
from segue.core.tables import Split
from segue.data.shown import shown_beside
from trajectories.situations import shown_world, walks_of

ROWS = [
    # user, item, time, taken: a request of user 0, then one in which its held-out events lie among other things
    (0, 1, 0, 1), (0, 2, 5, 0),
    (0, 3, 5000, 1), (0, 4, 5001, 0), (0, 5, 5002, 1), (0, 6, 5002, 0), (0, 7, 5003, 1),
    (1, 8, 0, 1), (1, 9, 9, 1), (1, 10, 9000, 1), (1, 11, 9001, 1),
]  # fmt: skip


def beside(split: Split, user: int, event: int) -> list[int]:
    rows = shown_beside(split, np.array([user]), np.array([event]))[0]
    return rows[rows >= 0].tolist()


def test_a_request_up_to_the_first_held_out_event() -> None:
    # The log has events 0, 2, 4 and 6 of user 0, of which the last two are held out: the first of them at 5002.
    split = shown_world(ROWS)
    assert beside(split, 0, 0) == [0, 1]
    assert beside(split, 0, 1) == [2, 3]
    assert beside(split, 1, 5) == [7, 8]


def test_rows_of_different_lengths_are_filled_up() -> None:
    split = shown_world([*ROWS[:2], (0, 12, 6, 0), *ROWS[2:]])
    rows = shown_beside(split, np.array([1, 0]), np.array([5, 0]))
    assert [[row for row in some if row >= 0] for some in rows.tolist()] == [[8, 9], [0, 1, 2]]


def test_who_has_nothing_held_out_sees_the_whole_request() -> None:
    split = shown_world(ROWS)
    everything = replace(split.train, ends=split.dataset.log.offsets[1:])
    assert beside(replace(split, train=everything), 0, 1) == [2, 3, 4, 5, 6]


def test_without_times_the_whole_request_of_a_held_out_event_is_left_out() -> None:
    split = shown_world(ROWS, request=[1, 1, 2, 2, 2, 2, 2, 1, 1, 2, 2])
    dataset = split.dataset
    assert dataset.exposures is not None
    bare = replace(dataset, log=replace(dataset.log, timestamps=None))
    split = replace(split, dataset=bare)
    assert beside(split, 0, 0) == [0, 1]
    assert beside(split, 0, 1) == []


def test_without_exposures_it_says_so() -> None:
    with pytest.raises(DataError, match="does not say what users were shown"):
        beside(walks_of([[0, 1, 2, 3]], 4), 0, 0)
