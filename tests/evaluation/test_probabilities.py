"""Measures of probabilities: by hand, against slow and obvious loops, and their spread against drawing users anew."""

import math
from dataclasses import replace

import numpy as np
import pytest

from segue.core.impressions import UNKNOWN
from segue.evaluation.probabilities import (
    Judged,
    area_under_curve,
    auc,
    calibration_error,
    grouped_auc,
    log_loss,
    ndcg,
    normalised_entropy,
    ranking_metrics,
)
from segue.evaluation.significance import Spread, paired
from segue.testing.requests import parity_requests

MEASURES = {
    "auc": auc,
    "gauc": grouped_auc,
    "loss": log_loss,
    "entropy": normalised_entropy,
    "ndcg": ndcg,
    "ndcg@2": lambda judged: ndcg(judged, 2),
}


def judged(probabilities, labels, users=None, requests=None, count=None):
    users = np.zeros(len(labels), dtype=np.int64) if users is None else np.array(users)
    return Judged(
        np.array(probabilities, dtype=np.float64),
        np.array(labels) == 1,
        users if requests is None else np.array(requests),
        users,
        int(users.max()) + 1 if count is None else count,
    )


def drawn(seed, users=80, requests=3, shown=6, taste=1.5):
    """Users who differ in how likely they click and in how well they are known, with few different scores."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, shown + 1, users * requests)
    owner = np.repeat(np.arange(users * requests), sizes)
    user = owner // requests
    logit = rng.normal(size=users)[user] + taste * rng.normal(size=len(user))
    labels = rng.random(len(user)) < 1 / (1 + np.exp(-logit))
    noise = rng.normal(size=len(user)) * rng.gamma(2.0, 0.5, users)[user]
    scores = np.round(1 / (1 + np.exp(-(logit + noise))), 2).clip(0.01, 0.99)
    return judged(scores, labels, user, owner, users)


def some_users(one, rows):
    """The impressions of these users, one of whom may come twice and is then two."""
    places = [np.flatnonzero(one.users == row) for row in rows]
    users = np.repeat(np.arange(len(rows)), [len(part) for part in places])
    flat = np.concatenate(places)
    requests = one.requests[flat] + users * (one.requests.max() + 1)
    return Judged(one.probabilities[flat], one.positive[flat], requests, users, len(rows))


def pairs(scores, positive):
    """The share of pairs in the right order, one pair after another."""
    points = [
        1.0 if good > bad else 0.5 if good == bad else 0.0 for good in scores[positive] for bad in scores[~positive]
    ]
    return sum(points) / len(points)


def slowly(name, one):
    scores, positive = one.probabilities, one.positive
    loss = -np.mean(np.where(positive, np.log(scores), np.log(1 - scores)))
    if name == "auc":
        return pairs(scores, positive)
    if name == "loss":
        return loss
    if name == "entropy":
        rate = positive.mean()
        return loss / -(rate * math.log(rate) + (1 - rate) * math.log(1 - rate))
    owners = one.users if name == "gauc" else one.requests
    values, weights = [], []
    for owner in np.unique(owners):
        here = owners == owner
        mine, hits = scores[here], positive[here]
        if hits.all() or not hits.any():
            continue
        if name == "gauc":
            values.append(pairs(mine, hits))
            weights.append(len(mine))
        else:
            k = 2 if name.endswith("2") else len(mine)
            orders = [np.lexsort((np.random.default_rng(draw).random(len(mine)), -mine)) for draw in range(150)]
            places = [np.flatnonzero(hits[order]) for order in orders]
            gained = np.mean([(1 / np.log2(place[place < k] + 2)).sum() for place in places])
            values.append(gained / (1 / np.log2(np.arange(min(k, hits.sum())) + 2)).sum())
            weights.append(1)
    return np.average(values, weights=weights)


def test_area_by_hand():
    # pairs: 0.9 beats both, 0.3 beats 0.1 and ties with 0.3
    assert area_under_curve(np.array([0.9, 0.3, 0.3, 0.1]), np.array([1, 1, 0, 0])) == pytest.approx(3.5 / 4)


def test_a_constant_is_worth_a_half_and_the_label_itself_one():
    labels = np.array([1, 0, 0, 1, 0])
    assert area_under_curve(np.full(5, 0.3), labels) == 0.5
    assert area_under_curve(labels.astype(np.float32), labels) == 1.0
    assert area_under_curve(-labels, labels) == 0.0


def test_what_nobody_knows_is_left_out_of_the_area():
    labels = np.array([1, UNKNOWN, 0, UNKNOWN])
    assert area_under_curve(np.array([0.6, 0.9, 0.5, 0.1]), labels) == 1.0


@pytest.mark.parametrize("labels", [[1, 1, UNKNOWN], [0, 0, 0], [UNKNOWN] * 3])
def test_one_class_has_no_area(labels):
    assert math.isnan(area_under_curve(np.arange(3.0), np.array(labels)))


@pytest.mark.parametrize("name", MEASURES)
def test_the_mean_over_users_is_the_measure(name):
    one = drawn(3)
    tolerance = 0.015 if name.startswith("ndcg") else 1e-9  # there the slow one draws the order of equal scores
    assert MEASURES[name](one).mean() == pytest.approx(slowly(name, one), rel=tolerance)


@pytest.mark.parametrize("name", [*MEASURES, "ece"])
def test_the_order_of_impressions_does_not_matter(name):
    one = drawn(4)
    shuffle = np.random.default_rng(0).permutation(len(one.users))
    other = replace(
        one,
        probabilities=one.probabilities[shuffle],
        positive=one.positive[shuffle],
        requests=one.requests[shuffle],
        users=one.users[shuffle],
    )
    measure = {**MEASURES, "ece": calibration_error}[name]
    assert np.allclose(measure(one), measure(other))


@pytest.mark.parametrize("name", MEASURES)
def test_the_standard_error_is_that_of_drawing_users_anew(name):
    one, rng = drawn(5, users=150), np.random.default_rng(0)
    again = [MEASURES[name](some_users(one, rng.integers(0, one.count, one.count))).mean() for _ in range(250)]
    assert Spread.of(MEASURES[name](one)).standard_error == pytest.approx(np.std(again), rel=0.15)


def test_one_impression_a_user_has_the_variance_of_delong():
    rng = np.random.default_rng(1)
    labels = rng.random(60) < 0.4
    scores = np.round(labels + rng.normal(size=60), 1)
    beats = (scores[labels][:, None] > scores[~labels]) + 0.5 * (scores[labels][:, None] == scores[~labels])
    # without the small-sample factors n / (n - 1) of each class, which ours has for the users together
    variance = beats.mean(axis=1).var() / labels.sum() + beats.mean(axis=0).var() / (~labels).sum()
    error = Spread.of(auc(judged(scores, labels, np.arange(60)))).standard_error
    assert error == pytest.approx(math.sqrt(variance * 60 / 59))


def test_two_equally_good_rankers_differ_by_chance_one_time_in_twenty():
    """They err differently on the same users, whose impressions are alike: the test must know both."""
    found = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        users = np.repeat(np.arange(50), 8)
        logit = 1.5 * rng.normal(size=50)[users] + rng.normal(size=400)
        labels = rng.random(400) < 1 / (1 + np.exp(-logit))
        one, other = (
            auc(judged(logit + 2 * rng.normal(size=50)[users] + rng.normal(size=400), labels, users)) for _ in range(2)
        )
        found.append(paired(one, other, resamples=400, seed=seed).p)
    assert 0.02 <= np.mean(np.array(found) < 0.05) <= 0.1  # 0.17 if impressions were independent


def test_users_weigh_by_their_impressions_in_gauc():
    # user 0: 2 impressions in the wrong order; user 1: 4 impressions, all pairs right; user 2 has no negative
    one = judged([0.1, 0.9, 0.8, 0.3, 0.2, 0.1, 0.5], [1, 0, 1, 0, 0, 0, 1], [0, 0, 1, 1, 1, 1, 2])
    assert grouped_auc(one).mean() == pytest.approx(4 / 6)


def test_log_loss_of_certainty_stays_finite():
    assert log_loss(judged([0.0, 1.0], [1, 1])).mean() == pytest.approx(-math.log(1e-7) / 2, abs=1e-6)


def test_telling_everybody_the_base_rate_has_entropy_one():
    assert normalised_entropy(judged([0.25] * 4, [1, 0, 0, 0])).mean() == pytest.approx(1.0)


def test_calibration_by_hand():
    # 20 impressions, each probability its own bin: every gap counts; shared by two users
    probabilities = np.arange(1, 21) / 40
    labels = np.arange(20) % 2
    expected = np.abs(probabilities - labels).mean()
    assert calibration_error(judged(probabilities, labels, np.arange(20) // 10)).mean() == pytest.approx(expected)
    # one probability, one bin
    assert calibration_error(judged([0.5] * 4, [1, 0, 0, 0])).mean() == pytest.approx(0.25)


def test_ndcg_by_hand():
    one = judged([0.9, 0.8, 0.1, 0.7, 0.6], [0, 1, 1, 1, 1], requests=[0, 0, 0, 1, 1])  # request 1 has no negative
    best = 1 + 1 / math.log2(3)
    assert ndcg(one).mean() == pytest.approx((1 / math.log2(3) + 1 / 2) / best)
    assert ndcg(one, 2).mean() == pytest.approx((1 / math.log2(3)) / best)
    assert ndcg(one, 1).mean() == 0.0


def test_equal_scores_stand_in_random_order():
    assert ndcg(judged([0.5, 0.5], [0, 1])).mean() == pytest.approx((1 + 1 / math.log2(3)) / 2)


def test_every_task_has_its_measures_and_every_user_a_value():
    split = parity_requests()
    asked = split.asked
    chances = np.where(asked.labels == 1, 0.9, 0.1)
    values = ranking_metrics(asked, chances, split.schema.tasks, (2, 10))
    assert [name for name in values if name.endswith("click")] == [
        f"{name} click" for name in ("AUC", "GAUC", "LogLoss", "NE", "ECE", "NDCG@2", "NDCG")
    ]
    assert {len(one) for one in values.values()} == {60}
    assert values["AUC like"].mean() == pytest.approx(1.0)
    assert values["LogLoss click"].mean() == pytest.approx(-math.log(0.9))
    assert values["ECE like"].mean() == pytest.approx(0.1)


def test_a_task_of_one_outcome_has_no_measures():
    asked = parity_requests().asked
    labels = asked.labels.copy()
    labels[:, 1] = np.where(labels[:, 1] == 1, UNKNOWN, 0)
    found = ranking_metrics(replace(asked, labels=labels), np.full(labels.shape, 0.5), ("click", "like"), ks=(5,))
    assert "AUC click" in found
    assert not [name for name in found if "like" in name]
