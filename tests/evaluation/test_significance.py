"""Intervals that cover, p-values that are uniform when nothing is there and small when something is."""

import itertools
import math
import time
import tracemalloc

import numpy as np
import pytest

from segue.evaluation import significance as module
from segue.evaluation.significance import (
    Spread,
    bootstrap,
    holm,
    minimum_detectable,
    paired,
    permutation,
    stars,
)


def leave_one_out(rng, users, rate):
    """Differences of two hit rates: -1, 0 or 1."""
    return (rng.random(users) < rate).astype(float) - (rng.random(users) < rate)


def normal(rng, users):
    return rng.normal(0.0, 1.0, users)


@pytest.mark.parametrize("values", [[0.5, -0.25, 1.0], [0.1, 0.2, 0.3, 0.4, -0.1, 0.0, 0.0], [1.0, 1.0, 1.0, -1.0]])
def test_a_tiny_permutation_is_exact(values):
    moved = [value for value in values if value]
    sums = [
        sum(s * v for s, v in zip(signs, moved, strict=True)) for signs in itertools.product([1, -1], repeat=len(moved))
    ]
    expected = sum(abs(total) >= abs(sum(moved)) - 1e-12 for total in sums) / len(sums)
    assert permutation(np.array(values)) == expected


def test_no_difference_at_all():
    assert permutation(np.zeros(50)) == 1.0
    assert bootstrap(np.zeros(50)) == (0.0, 0.0)


def test_drawing_agrees_with_counting(monkeypatch):
    values = np.random.default_rng(3).normal(0.4, 1, 12)
    exact = permutation(values)
    assert permutation(values, resamples=4000) == pytest.approx(exact, abs=0.03)  # 2**12 > 4000: drawn
    assert permutation(values, resamples=4000) != exact


@pytest.mark.parametrize("draw", [lambda rng: leave_one_out(rng, 200, 0.2), lambda rng: normal(rng, 60)])
def test_p_is_uniform_when_there_is_nothing(draw):
    rng = np.random.default_rng(0)
    values = np.sort([permutation(draw(rng), resamples=400, seed=trial) for trial in range(400)])
    # a sign-flip test may be conservative with ties, never liberal: the empirical distribution stays below the line
    above = np.arange(1, 401) / 400 - values
    assert above.max() < 1.63 / math.sqrt(400)  # Kolmogorov and Smirnov at 1 %
    assert (values < 0.05).mean() > 0.015  # and it does reject


@pytest.mark.parametrize("draw", [lambda rng: leave_one_out(rng, 300, 0.3), lambda rng: normal(rng, 100)])
def test_intervals_cover_the_truth_nineteen_times_in_twenty(draw):
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(400):
        low, high = bootstrap(draw(rng), resamples=500, seed=trial)
        covered += low <= 0 <= high
    assert 0.915 < covered / 400 < 0.98  # 0.95 within three standard errors, a little low as percentiles are


def test_a_difference_of_detectable_size_is_found_four_times_in_five():
    rng = np.random.default_rng(2)
    found = 0
    size = minimum_detectable(normal(rng, 100_000)) * math.sqrt(100_000 / 200)
    for trial in range(200):
        found += permutation(normal(rng, 200) + size, resamples=500, seed=trial) < 0.05
    assert 0.71 < found / 200 < 0.89


def test_minimum_detectable_by_hand():
    values = np.array([1.0, -1.0] * 50)  # deviation sqrt(100/99)
    assert minimum_detectable(values) == pytest.approx((1.959964 + 0.841621) * math.sqrt(100 / 99) / 10, rel=1e-6)
    assert minimum_detectable(np.array([0.3])) == math.inf


def test_few_values_and_many_give_the_same_answer(monkeypatch):
    values = leave_one_out(np.random.default_rng(5), 2000, 0.1) + 0.01
    quick = bootstrap(values, resamples=4000), permutation(values, resamples=4000)
    monkeypatch.setattr(module, "FEW", 0)
    slow = bootstrap(values, resamples=4000), permutation(values, resamples=4000)
    assert quick[0] == pytest.approx(slow[0], abs=0.0015)
    assert quick[1] == pytest.approx(slow[1], abs=0.03)
    assert quick != slow


@pytest.mark.parametrize("values", [np.ones(10_000), 1 + np.linspace(0, 1e-6, 10_000)], ids=["few", "many"])
def test_signs_are_fair(values):
    sums = np.concatenate(list(module._flipped_sums(values, 2000, np.random.default_rng(0))))
    assert len(sums) == 2000
    assert abs(sums.mean()) < 4 * 100 / math.sqrt(2000)  # deviation of one sum: sqrt(10,000)
    assert sums.std() == pytest.approx(100, rel=0.07)


def test_the_same_seed_the_same_answer_and_chunks_do_not_change_its_kind():
    values = np.random.default_rng(6).normal(0.05, 1, 500)
    assert bootstrap(values, seed=4) == bootstrap(values, seed=4)
    assert bootstrap(values, seed=4) != bootstrap(values, seed=5)
    assert permutation(values, seed=4) == permutation(values, seed=4)


def test_memory_stays_small():
    values = np.random.default_rng(7).normal(0, 1, 100_000)
    tracemalloc.start()
    bootstrap(values, resamples=200)
    permutation(values, resamples=200)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


def test_leave_one_out_at_full_size_is_quick():
    values = leave_one_out(np.random.default_rng(8), 100_000, 0.1)
    start = time.process_time()
    bootstrap(values, resamples=10_000)
    permutation(values, resamples=10_000)
    assert time.process_time() - start < 3  # drawing users would take more than this


def test_a_user_who_is_asked_four_times_is_one_observation():
    """Everybody's four values are equal: then the answer is that of one value each."""
    rng = np.random.default_rng(9)
    once = rng.normal(0.1, 1.0, 300)
    users, order = np.repeat(np.arange(300), 4), rng.permutation(1200)
    four, names = np.repeat(once, 4)[order], users[order].astype(str)
    alone = paired(once, np.zeros(300))
    found = paired(four, np.zeros(1200), users=names)
    assert (found.users, found.mean) == (300, pytest.approx(alone.mean))
    assert found.detectable == pytest.approx(alone.detectable)
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high), abs=0.02)
    assert found.p == pytest.approx(alone.p, abs=0.03)
    one, other = Spread.of(four, names), Spread.of(once)
    assert (one.mean, one.standard_error) == (pytest.approx(other.mean), pytest.approx(other.standard_error))
    assert Spread.of(four).standard_error == pytest.approx(one.standard_error / 2, rel=0.01), "as if they were 1200"


def test_users_with_few_and_with_many_cases_by_hand():
    """Mean 1/2; sums of what is above it: 1/2, 1/2, -1 of two users with one case and one with two, times 3/4."""
    spread = Spread.of(np.array([1.0, 1.0, 0.0, 0.0]), np.array(["a", "b", "c", "c"]))
    assert spread.mean == 0.5
    assert spread.standard_error == pytest.approx(0.75 * np.std([0.5, 0.5, -1.0], ddof=1) / math.sqrt(3))


def test_intervals_of_clustered_cases_cover_the_truth():
    rng = np.random.default_rng(10)
    covered = alone = 0
    for trial in range(300):
        sizes = rng.integers(1, 8, 150)
        users = np.repeat(np.arange(150), sizes)
        values = rng.normal(0, 1, 150)[users] + rng.normal(0, 0.5, len(users))
        found, blind = (paired(values, 0 * values, resamples=300, seed=trial, users=who) for who in (users, None))
        covered += found.low <= 0 <= found.high
        alone += blind.low <= 0 <= blind.high
    assert 0.90 < covered / 300 < 0.98
    assert alone / 300 < 0.8


def test_seeds_are_averaged_within_a_user_first():
    one = np.array([[1.0, 0.0, 0.5], [0.0, 0.0, 1.5]])
    other = np.array([[0.0, 0.5, 0.0]])
    found = paired(one, other)
    assert found.mean == pytest.approx((0.5 - 0.5 + 1.0) / 3)
    assert found.users == 3
    assert found.p == permutation(np.array([0.5, -0.5, 1.0]))


def test_other_users_are_refused():
    with pytest.raises(ValueError, match="the same users on both sides; there are 3 and 2"):
        paired(np.zeros(3), np.zeros(2))
    with pytest.raises(ValueError, match="at least one user"):
        paired(np.zeros(0), np.zeros(0))


def test_spread_by_hand():
    spread = Spread.of(np.array([[0.0, 1.0], [1.0, 1.0]]))
    assert spread.mean == 0.75
    assert spread.deviation == pytest.approx(math.sqrt(0.125))
    assert spread.standard_error == pytest.approx(0.25)  # users 0.5 and 1.0
    assert Spread.of(np.array([0.0, 1.0])).deviation is None


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_stars():
    assert [stars(p) for p in (0.0005, 0.005, 0.03, 0.05)] == ["***", "**", "*", ""]
