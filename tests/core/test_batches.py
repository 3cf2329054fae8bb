"""Batches: packed, sorted by length, each event before the one it predicts."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from segue.core.batches import Block, Rows, SequenceBatch
from segue.core.tables import Histories

LISTS = [[1, 2, 3], [4, 5], [6, 7, 8, 9]]


def timed(lists: list[list[int]], asked_at: list[int] | None = None) -> Histories:
    """The histories with event number n at second 10 n."""
    histories = Histories.from_lists(lists)
    times = 10 * np.arange(len(histories.items))
    asked = None if asked_at is None else np.array(asked_at)
    return Histories(histories.items, histories.starts, histories.ends, histories.users, times, asked)


def test_rows_are_sorted_by_length_and_order_leads_back() -> None:
    batch = SequenceBatch.of(Histories.from_lists(LISTS))
    assert batch.rows.lengths.tolist() == [2, 3, 4]
    assert batch.order.tolist() == [1, 0, 2]
    assert batch.items.tolist() == [4, 5, 1, 2, 3, 6, 7, 8, 9]


def test_each_event_but_the_last_predicts_the_one_after_it() -> None:
    batch = SequenceBatch.of(Histories.from_lists(LISTS), targets=True)
    assert batch.items.tolist() == [4, 1, 2, 6, 7, 8]
    assert batch.targets.tolist() == [5, 2, 3, 7, 8, 9]
    assert batch.rows.offsets.tolist() == [0, 1, 3, 6]


def test_where_the_tokens_lie() -> None:
    rows = Rows(torch.tensor([0, 1, 3, 6]))
    assert rows.lengths.tolist() == [1, 2, 3]
    assert rows.owners.tolist() == [0, 1, 1, 2, 2, 2]
    assert rows.positions.tolist() == [0, 0, 1, 0, 1, 2]
    assert rows.last.tolist() == [0, 2, 5]
    assert rows.extended().offsets.tolist() == [0, 2, 5, 9]


def test_blocks_are_runs_of_equal_length_and_skip_empty_rows() -> None:
    rows = Rows(torch.tensor([0, 0, 2, 4, 7]))
    assert rows.blocks == [Block(start=0, rows=2, length=2), Block(start=4, rows=1, length=3)]
    assert [block.stop for block in rows.blocks] == [4, 7]


@given(st.lists(st.integers(0, 5), max_size=8))
def test_blocks_cover_every_token_once(lengths: list[int]) -> None:
    rows = Rows(torch.tensor([0, *np.cumsum(lengths).tolist()]))
    covered = [token for block in rows.blocks for token in range(block.start, block.stop)]
    assert covered == list(range(sum(lengths)))


def test_the_last_state_is_that_of_the_newest_event() -> None:
    batch = SequenceBatch.of(Histories.from_lists(LISTS))
    assert batch.last(batch.items[:, None].float()).ravel().tolist() == [5.0, 3.0, 9.0]


def test_hidden_target_times_are_absent() -> None:
    batch = SequenceBatch.of(timed([[1, 2, 3]]), targets=True)
    assert batch.timestamps.tolist() == [0, 10]
    assert batch.next_timestamps is None


def test_target_times_in_training_come_from_the_log() -> None:
    batch = SequenceBatch.of(timed([[1, 2, 3]]), targets=True, target_time=True)
    assert batch.next_timestamps.tolist() == [10, 20]


def test_target_times_of_a_request_are_when_it_asks() -> None:
    batch = SequenceBatch.of(timed([[1, 2, 3], [4, 5]], asked_at=[25, 99]), target_time=True)
    assert batch.items.tolist() == [4, 5, 1, 2, 3]
    assert batch.next_timestamps.tolist() == [40, 99, 10, 20, 25]


def test_a_request_that_does_not_say_when_it_asks_asks_at_its_newest_event() -> None:
    histories = timed([[1, 2, 3]]).take(slice(0, 1))
    shorter = Histories(histories.items, histories.starts, histories.ends - 1, histories.users, histories.timestamps)
    assert SequenceBatch.of(shorter, target_time=True).next_timestamps.tolist() == [10, 10]


def test_an_empty_batch_is_a_batch() -> None:
    batch = SequenceBatch.of(Histories.from_lists([]))
    assert (len(batch), len(batch.items), batch.rows.blocks) == (0, 0, [])


def test_a_row_without_events_has_no_token() -> None:
    batch = SequenceBatch.of(timed([[1], []], asked_at=[5, 5]), target_time=True)
    assert batch.rows.lengths.tolist() == [0, 1]
    assert batch.next_timestamps.tolist() == [5]
