"""Accuracy by slice, by hand."""

import numpy as np
import pytest

from segue.core.ranking import Ranking
from segue.evaluation.accuracy import HitRate, Recall
from segue.evaluation.metric import Targets
from segue.evaluation.slices import by_slice, length_slices, popularity_slices

COUNTS = np.array([9, 1, 5, 0, 1, 1])  # head of 0.2 of five trained items: item 0


def test_targets_fall_into_head_tail_and_cold():
    targets = Targets(np.array([0, 1, 3, 3, 0]), np.array([0, 3, 4, 5]))
    head, tail, cold = popularity_slices(targets, COUNTS)
    assert [part.rows.tolist() for part in (head, tail, cold)] == [[0, 2], [0], [0, 1]]
    assert [part.targets.items.tolist() for part in (head, tail, cold)] == [[0, 0], [1], [3, 3]]
    assert [part.name for part in (head, tail, cold)] == ["head (top 20% of items)", "tail", "cold (never trained on)"]


def test_accuracy_counts_only_the_targets_of_the_slice():
    targets = Targets(np.array([0, 1, 3]), np.array([0, 2, 3]))
    lists = Ranking(np.array([[1, 5], [0, 3]]), np.zeros((2, 2)))
    table = by_slice([HitRate(k=2), Recall(k=2)], lists, popularity_slices(targets, COUNTS))
    assert table == {
        "head (top 20% of items)": {"users": 1, "HR@2": 0, "Recall@2": 0},
        "tail": {"users": 1, "HR@2": 1, "Recall@2": 1},
        "cold (never trained on)": {"users": 1, "HR@2": 1, "Recall@2": 1},
    }


def test_a_slice_without_users_says_only_that():
    targets = Targets(np.array([0]), np.array([0, 1]))
    lists = Ranking(np.array([[0]]), np.zeros((1, 1)))
    table = by_slice([HitRate(k=1)], lists, popularity_slices(targets, COUNTS))
    assert table["tail"] == {"users": 0}
    assert table["head (top 20% of items)"]["HR@1"] == 1


@pytest.mark.parametrize("lengths", [[1, 2, 3, 4, 5, 6, 7, 8], [5, 5, 5, 5], [1, 9], [3]])
def test_every_user_is_in_one_length_slice_and_equal_lengths_stay_together(lengths):
    targets = Targets(np.arange(len(lengths)), np.arange(len(lengths) + 1))
    slices = length_slices(targets, np.array(lengths))
    assert sorted(row for part in slices for row in part.rows.tolist()) == list(range(len(lengths)))
    where = {lengths[row]: set() for row in range(len(lengths))}
    for part in slices:
        assert part.targets.items.tolist() == part.rows.tolist()
        for row in part.rows:
            where[lengths[row]].add(part.name)
    assert all(len(names) == 1 for names in where.values())


def test_quarters_by_hand():
    short, middle, long = length_slices(Targets(np.arange(8), np.arange(9)), np.arange(1, 9))
    assert [part.rows.tolist() for part in (short, middle, long)] == [[0, 1], [2, 3, 4, 5], [6, 7]]
    assert (short.name, long.name) == ("short history (up to 2)", "long history (over 6)")
