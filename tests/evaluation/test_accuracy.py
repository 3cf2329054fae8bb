"""The accuracy metrics against values by hand and against a slow, obvious loop."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.core.ranking import NOTHING, Ranking
from segue.evaluation.accuracy import ACCURACY, AveragePrecision, HitRate, Ndcg, Precision, Recall, ReciprocalRank
from segue.evaluation.metric import Targets


def one_user(ranked, wanted):
    items = np.array([ranked])
    return Ranking(items, np.zeros(items.shape)), Targets(np.array(wanted, dtype=np.int64), np.array([0, len(wanted)]))


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        (HitRate(k=4), 1.0),
        (Recall(k=4), 2 / 3),
        (Precision(k=4), 2 / 4),
        (Ndcg(k=4), (1 / math.log2(3) + 1 / math.log2(5)) / (1 + 1 / math.log2(3) + 1 / math.log2(4))),
        (ReciprocalRank(k=4), 1 / 2),
        (AveragePrecision(k=4), (1 / 2 + 2 / 4) / 3),
        (HitRate(k=1), 0.0),
        (Ndcg(k=2), (1 / math.log2(3)) / (1 + 1 / math.log2(3))),
        (AveragePrecision(k=2), (1 / 2) / 2),
    ],
    ids=lambda part: part.name if hasattr(part, "name") else "",
)
def test_value_by_hand(metric, value):
    assert metric(*one_user([8, 1, 9, 2], [1, 2, 3])) == pytest.approx([value])


def test_a_perfect_list_is_exactly_one():
    for k in range(1, 21):
        ranked, wanted = one_user(list(range(20)), list(range(k)))
        assert Ndcg(k=k)(ranked, wanted).tolist() == [1.0]
        assert AveragePrecision(k=k)(ranked, wanted) == pytest.approx([1.0])


def slowly(name, ranked, wanted, k):
    wanted = set(wanted)
    gains, seen = [], set()
    for item in ranked[:k]:
        gains.append(item in wanted and item not in seen)
        seen.add(item)
    places = [place for place, gain in enumerate(gains, start=1) if gain]
    if not wanted:
        return 0.0
    best = sum(1 / math.log2(place + 1) for place in range(1, min(k, len(wanted)) + 1))
    return {
        "HR": float(bool(places)),
        "Recall": len(places) / len(wanted),
        "Precision": len(places) / k,
        "NDCG": sum(1 / math.log2(place + 1) for place in places) / best,
        "MRR": 1 / places[0] if places else 0.0,
        "MAP": sum((n + 1) / place for n, place in enumerate(places)) / min(k, len(wanted)),
    }[name]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_equals_the_obvious_loop(data):
    length = data.draw(st.integers(1, 8))
    k = data.draw(st.integers(1, length))
    item = st.integers(0, 12)
    rows = data.draw(
        st.lists(
            st.tuples(
                st.lists(st.one_of(item, st.just(NOTHING)), min_size=length, max_size=length),
                st.lists(item, max_size=6),
            ),
            min_size=1,
            max_size=6,
        )
    )
    items = np.array([ranked for ranked, _ in rows], dtype=np.int64)
    flat = np.array([one for _, wanted in rows for one in wanted], dtype=np.int64)
    bounds = np.concatenate([[0], np.cumsum([len(wanted) for _, wanted in rows])]).astype(np.int64)
    for metric in ACCURACY:
        values = metric(k=k)(Ranking(items, np.zeros(items.shape)), Targets(flat, bounds))
        expected = [slowly(metric.short, list(ranked), wanted, k) for ranked, wanted in rows]
        assert values == pytest.approx(expected), metric.short
        assert ((values >= 0) & (values <= 1 + 1e-12)).all()


def test_hits_of_one_target_grow_with_k_to_certainty_and_at_one_are_the_gain() -> None:
    rng = np.random.default_rng(0)
    users, items = 50, 12
    ranking = Ranking(rng.permuted(np.tile(np.arange(items), (users, 1)), axis=1), np.zeros((users, items)))
    targets = Targets(rng.integers(0, items, users), np.arange(users + 1))
    hits = np.array([HitRate(k=k)(ranking, targets) for k in range(1, items + 1)])
    assert (np.diff(hits, axis=0) >= 0).all()
    assert (hits[-1] == 1).all()
    assert np.array_equal(hits[0], Ndcg(k=1)(ranking, targets))
