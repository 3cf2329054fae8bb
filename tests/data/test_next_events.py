"""Histories whose every event asks for the next: what is asked, behind what, and what was done with it."""

from dataclasses import replace

import numpy as np
import pytest

from segue.core.errors import SettingsError
from segue.data.next_events import NextEvents
from segue.testing.requests import parity_requests

SPLIT = parity_requests(users=8)


def test_labels_are_the_inputs_shifted_by_one_event() -> None:
    events = NextEvents(history=100, users=3)
    windows, chunks = events.epoch(events.of(SPLIT), np.random.default_rng(0))
    assert sorted(np.concatenate(chunks)) == list(range(8))
    batch = events.batch(windows, chunks[0])
    rows, histories = batch.events.rows, SPLIT.train
    assert batch.events.users is not None
    for row, user in enumerate(batch.events.users.tolist()):
        tokens = slice(int(rows.offsets[row]), int(rows.offsets[row + 1]))
        mine = slice(int(histories.starts[user]), int(histories.ends[user]))
        items, actions = histories.items[mine], SPLIT.learnt.actions[mine]
        assert batch.events.items[tokens].tolist() == items[:-1].tolist()
        assert batch.items[tokens].tolist() == items[1:].tolist()
        assert batch.actions[tokens].tolist() == actions[:-1].tolist()
        assert batch.labels is not None
        assert batch.labels[tokens].tolist() == actions[1:].tolist()
        assert batch.candidates.at[tokens].tolist() == list(range(1, len(items)))
    assert batch.candidates.owners.tolist() == rows.owners.tolist()


def test_nothing_that_is_asked_is_ever_an_event_or_a_label() -> None:
    """The last label of a user is the newest event that may be learnt from; the requests asked come after it."""
    events = NextEvents(history=100)
    learnt = events.of(SPLIT)
    windows, _ = events.epoch(learnt, np.random.default_rng(0))
    used = set(windows.histories.positions()[0].tolist())
    assert used == set(SPLIT.train.positions()[0].tolist())
    assert used.isdisjoint(SPLIT.asked.events)
    assert used.isdisjoint(SPLIT.validated.events)
    assert used == set(SPLIT.learnt.events)


def test_a_long_history_gives_its_newest_window_or_all_of_them() -> None:
    learnt = NextEvents().of(SPLIT)
    newest, _ = NextEvents(history=5).epoch(learnt, np.random.default_rng(0))
    assert newest.histories.lengths.tolist() == [6] * 8
    assert newest.histories.ends.tolist() == SPLIT.train.ends.tolist()
    every, _ = NextEvents(history=5, windows="all").epoch(learnt, np.random.default_rng(0))
    asked = every.histories.lengths.sum() - len(every.histories)
    assert asked == (SPLIT.train.lengths - 1).sum()  # each event but a user's first is predicted once


def test_one_event_alone_predicts_nothing() -> None:
    short = replace(SPLIT, train=replace(SPLIT.train, ends=SPLIT.train.starts + 1))
    windows, chunks = NextEvents().epoch(NextEvents().of(short), np.random.default_rng(0))
    assert len(windows.histories) == 0
    assert chunks == []


def test_it_answers_no_requests() -> None:
    with pytest.raises(SettingsError, match="shared_history"):
        NextEvents().in_order(SPLIT.asked)
