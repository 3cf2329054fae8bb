"""Estimates from what others showed are right where the truth is known."""

import numpy as np
import pytest

from segue.evaluation.off_policy import Shown, Sums, effective, estimate_lists


def test_values_by_hand() -> None:
    """Two users, three decisions; the system would show two of the items that were shown, and one that nobody could."""
    shown = Shown(
        decisions=np.array([0, 0, 1, 2]),
        taken=np.array([True, False, True, True]),
        chances=np.array([0.5, 1.0, 0.25, 0.5]),
        places=np.array([1, 0, 0, -1]),
    )
    found = estimate_lists(shown, np.array([0, 0, 1]), np.array([2, 2, 1]), unsupported=1)
    second = 1 / np.log2(3)
    assert found.ips.hits.value == pytest.approx((2 + 4) / 3)
    assert found.ips.discounted.value == pytest.approx((2 * second + 4) / 3)
    assert found.snips.hits.value == pytest.approx((2 + 4) / (2 + 1 + 4) * 5 / 3)
    weights, sizes = 2 * second + 1 + 4, 2 * (1 + second) + 1
    assert found.snips.discounted.value == pytest.approx((2 * second + 4) / weights * sizes / 3)
    assert (found.shown, found.largest) == (3, 4.0)
    assert found.effective == pytest.approx(49 / 21)
    assert found.unsupported == pytest.approx(1 / 5)


def test_effective_observations() -> None:
    assert effective(np.ones(7)) == pytest.approx(7)
    assert effective(np.array([1.0, 0.0, 0.0])) == pytest.approx(1)
    assert effective(np.zeros(0)) == 0


def test_nothing_known_is_not_a_number() -> None:
    nothing = np.zeros(0)
    found = Sums(nothing, nothing, nothing).estimate(np.zeros(0, dtype=np.int64))
    assert np.isnan([found.value, found.low, found.high]).all()
    unseen = Sums(np.zeros(3), np.zeros(3), np.ones(3)).estimate(np.arange(3))
    assert np.isnan(unseen.value)


def test_the_interval_is_over_users_and_not_over_decisions() -> None:
    """Ten users who decide a hundred times alike are ten observations: the interval is about ten times as wide."""
    rng = np.random.default_rng(0)
    tastes = rng.random(10)
    users = np.repeat(np.arange(10), 100)
    sums = Sums(tastes[users], np.ones(1000), np.ones(1000))
    together, apart = sums.estimate(users), sums.estimate(np.arange(1000))
    assert together.value == pytest.approx(tastes.mean()) == apart.value
    assert together.high - together.low > 5 * (apart.high - apart.low)


def simulated(seed: int):
    """Traffic whose shares turn round half way, when users also begin to take seven times as much.

    System A shows items 0 to 3, B shows 2 to 5, and the one in question 0, 1, 2 and 9, which nobody could show.
    """
    rng = np.random.default_rng(seed)
    decisions, users = 1500, rng.integers(0, 300, 1500)
    late = np.arange(decisions) >= decisions // 2
    share = np.where(late, 0.1, 0.9)
    lists = {"a": [0, 1, 2, 3], "b": [2, 3, 4, 5]}
    liking = np.linspace(0.15, 0.05, 10) * rng.gamma(4.0, 0.25, size=(300, 1))  # users differ
    rates = np.minimum(liking[users] * np.where(late, 2.0, 0.3)[:, None], 1.0)
    by_a = rng.random(decisions) < share
    rows, items, chances = [], [], []
    for number in range(decisions):
        for item in lists["a" if by_a[number] else "b"]:
            rows.append(number)
            items.append(item)
            chances.append((share[number] if item < 4 else 0.0) + (1 - share[number] if item > 1 else 0.0))
    owners, shown = np.array(rows), np.array(items)
    places = np.select([shown == 2, shown == 1, shown == 0], [0, 1, 2], -1)
    taken = rng.random(len(shown)) < rates[owners, shown]
    truth = rates[:, [0, 1, 2]].sum(axis=1).mean()
    return Shown(owners, taken, np.array(chances), places), users, truth


def test_intervals_cover_the_truth_as_often_as_they_say_and_the_naive_mean_does_not() -> None:
    covered, naive = 0, 0
    for seed in range(30):
        shown, users, truth = simulated(seed)
        sizes = np.full(len(users), 4)
        found = estimate_lists(shown, users, sizes, unsupported=len(users), resamples=400)
        covered += found.ips.hits.low <= truth <= found.ips.hits.high
        plain = Shown(shown.decisions, shown.taken, np.ones(len(shown.chances)), shown.places)
        unweighted = estimate_lists(plain, users, sizes - 1, unsupported=0, resamples=400).snips.hits
        naive += unweighted.low <= truth <= unweighted.high
        assert found.unsupported == pytest.approx(0.25)
    assert covered >= 25, "95% of 30 are 28.5; three standard deviations below are 25"
    assert naive == 0
