"""Logged items were shown together with the positive, and nothing that was held out is among them."""

import pytest

from segue.core.errors import DataError
from segue.core.ranking import NOTHING
from segue.trajectories.logged_items import LoggedItems
from trajectories.situations import generator, rng, shown_world, situation, walks_of

MODEL = generator(20)
ROWS = [
    # the history in one request; the positive 3 among 4, 5, 6 and what was had before; the held-out 7 and 8 later
    (0, 1, 0, 1), (0, 2, 0, 0),
    (0, 4, 5000, 0), (0, 3, 5001, 1), (0, 5, 5002, 0), (0, 6, 5003, 0), (0, 1, 5004, 0), (0, 5, 5005, 0),
    (0, 7, 9000, 1), (0, 9, 9001, 0), (0, 8, 9002, 1),
    (1, 10, 0, 1), (1, 11, 4000, 1), (1, 12, 4001, 0), (1, 13, 9000, 1), (1, 14, 9001, 1),
]  # fmt: skip


def test_what_was_shown_beside_the_positive() -> None:
    asked = situation(shown_world(ROWS), model=MODEL)
    assert asked.positives.tolist() == [3, 11]
    found = LoggedItems(filled=False)(asked, 4, rng())
    assert sorted(found[0].tolist()) == [NOTHING, 4, 5, 6]
    assert found[1].tolist() == [12, NOTHING, NOTHING, NOTHING]


def test_which_of_them_is_left_to_chance() -> None:
    asked = situation(shown_world(ROWS), model=MODEL)
    first = {int(LoggedItems(filled=False)(asked, 1, rng(seed))[0, 0]) for seed in range(40)}
    assert first == {4, 5, 6}


def test_random_unseen_items_fill_a_row() -> None:
    found = LoggedItems()(situation(shown_world(ROWS), model=MODEL), 5, rng())
    assert set(found[0, :3].tolist()) == {4, 5, 6}
    assert found[1, 0] == 12
    for row, had in zip(found.tolist(), ({1, 3}, {10, 11}), strict=True):
        assert len(set(row)) == 5
        assert not {*had, NOTHING} & set(row)


def test_what_was_shown_with_a_held_out_event_or_later_is_not_looked_at() -> None:
    rows = [(0, 1, 0, 1), (0, 2, 5000, 1), (0, 3, 5001, 0), (0, 4, 5002, 1), (0, 5, 5002, 0), (0, 6, 5003, 1)]
    asked = situation(shown_world(rows), model=MODEL)
    assert asked.positives.tolist() == [2]
    assert LoggedItems(filled=False)(asked, 3, rng()).tolist() == [[3, NOTHING, NOTHING]]


def test_a_log_without_exposures_says_so() -> None:
    with pytest.raises(DataError, match="does not say what users were shown"):
        LoggedItems()(situation(walks_of([[0, 1, 2, 3]], 20), model=MODEL), 2, rng())
