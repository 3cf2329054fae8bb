"""Targets, hits, and what every metric promises."""

import numpy as np
import pytest

from segue.core.ranking import NOTHING, Ranking
from segue.core.tables import Cases, Histories
from segue.evaluation.accuracy import ACCURACY, HitRate, Ndcg, Recall
from segue.evaluation.evaluate import accuracy_metrics
from segue.evaluation.metric import Hits, Metric, Targets, measure


def ranking(*rows):
    items = np.array(rows, dtype=np.int64)
    return Ranking(items, np.zeros(items.shape))


def targets(*rows):
    lengths = [len(row) for row in rows]
    flat = [item for row in rows for item in row]
    return Targets(np.array(flat, dtype=np.int64), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


def test_hits_by_hand():
    hits = Hits.find(ranking([3, 1, 2], [0, 3, 1]), targets([2, 3], [9]))
    assert hits.places.tolist() == [[True, False, True], [False, False, False]]
    assert hits.targets.tolist() == [2, 1]


def test_a_target_named_twice_counts_once():
    assert Recall(k=2)(ranking([5, 1]), targets([5, 5, 7])).tolist() == [0.5]


def test_an_item_ranked_twice_counts_at_its_first_place_only():
    hits = Hits.find(ranking([5, 5, 6], [6, 5, 5]), targets([5], [5]))
    assert hits.places.tolist() == [[True, False, False], [False, True, False]]


def test_an_empty_place_is_a_miss_even_where_a_target_list_ends():
    hits = Hits.find(ranking([NOTHING, 0], [NOTHING, NOTHING]), targets([0], [1]))
    assert hits.places.tolist() == [[False, True], [False, False]]


def test_targets_of_cases():
    histories = Histories(
        np.array([4, 5, 6, 7, 8]), starts=np.array([0, 3]), ends=np.array([1, 4]), users=np.array([0, 1])
    )
    found = Targets.of(Cases(histories, stops=np.array([3, 5])))
    assert found.items.tolist() == [5, 6, 8]
    assert found.bounds.tolist() == [0, 2, 3]
    assert found.take(np.array([1, 0])).items.tolist() == [8, 5, 6]
    assert found.where(found.items > 5).bounds.tolist() == [0, 1, 2]


def test_users_without_targets_get_zero():
    values = measure(accuracy_metrics([2]), ranking([0, 1], [0, 1]), targets([], [0]))
    assert [value[0] for value in values.values()] == [0.0] * 6
    assert values["HR@2"][1] == 1.0
    assert HitRate(k=1)(ranking([0]), targets([])).tolist() == [0.0]


def test_names_as_papers_print_them():
    assert [metric.name for metric in accuracy_metrics([10])] == [
        "HR@10",
        "Recall@10",
        "Precision@10",
        "NDCG@10",
        "MRR@10",
        "MAP@10",
    ]
    assert Metric.parse("ndcg") == Ndcg(k=10)
    assert Metric.parse({"kind": "recall", "k": 3}) == Recall(k=3)


def test_too_short_a_ranking_says_what_to_do():
    with pytest.raises(ValueError, match=r"HR@10 needs 10 places and the ranking has 2; recommend with k=10"):
        HitRate(k=10)(ranking([0, 1]), targets([0]))


def test_other_rows_are_refused():
    with pytest.raises(ValueError, match="the ranking has 1 rows and the targets have 2"):
        HitRate(k=1)(ranking([0]), targets([0], [1]))


def test_measuring_together_equals_measuring_alone():
    rng = np.random.default_rng(0)
    lists = ranking(*[rng.permutation(30)[:10] for _ in range(50)])
    wanted = targets(*[rng.integers(0, 30, rng.integers(1, 6)).tolist() for _ in range(50)])
    together = measure([metric(k=7) for metric in ACCURACY], lists, wanted)
    for metric in ACCURACY:
        assert np.array_equal(together[metric(k=7).name], metric(k=7)(lists, wanted))
