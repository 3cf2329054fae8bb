"""Is one system better than another, or was it luck? Paired bootstrap and permutation tests over users.

Both resample the per-user differences. Under leave-one-out these take few different values (NDCG@10 of one target has
eleven), and then a resample is a multinomial draw over the values: exact, and thousands of times cheaper than drawing
users. Otherwise users are drawn in chunks, and memory stays below 100 MB.

Where a user is asked several times, all of their answers are drawn, or change sign, together: they are one observation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from segue.core.seeding import numpy_generator
from segue.core.shapes import Float

RESAMPLES = 10_000
CHUNK = 4_000_000
"""Numbers drawn at once."""
FEW = 4_000
"""With up to this many different values (and a quarter as many as users), draw values and not users."""


@dataclass(frozen=True)
class Difference:
    """How much better one system is than another on the same users, with what is needed to believe it."""

    mean: float
    low: float
    high: float
    p: float
    """Two-sided, of the permutation test."""
    detectable: float
    """The smallest true difference that this many users would show four times out of five."""
    users: int

    @property
    def mark(self) -> str:
        """Stars as papers print them: three below 0.001, two below 0.01, one below 0.05."""
        return stars(self.p)


def stars(p: float) -> str:
    """`***` below 0.001, `**` below 0.01, `*` below 0.05, otherwise nothing."""
    return "***" if p < 0.001 else "**" if p < 0.01 else "*" if p < 0.05 else ""


def paired(
    one: Float[np.ndarray, ...],
    other: Float[np.ndarray, ...],
    *,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
    users: np.ndarray | None = None,
) -> Difference:
    """`one` minus `other`, both tests at once. Each is one row of users, or a row for each of its seeds; then each user
    is first averaged over seeds. `users` says whose each value is, where somebody has several.

    The p-value says whether these two systems differ on users like these; how much a system differs from itself when
    trained again is `Spread`.
    """
    differences = _together(_differences(one, other), users)
    low, high = bootstrap(differences, resamples=resamples, confidence=confidence, seed=seed)
    return Difference(
        mean=float(differences.mean()),
        low=low,
        high=high,
        p=permutation(differences, resamples=resamples, seed=seed),
        detectable=minimum_detectable(differences),
        users=len(differences),
    )


def bootstrap(
    differences: Float[np.ndarray, " users"],
    *,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """The interval of the mean over users: percentiles of means of users drawn with replacement."""
    rng = numpy_generator(seed, "bootstrap")
    means = np.concatenate(list(_bootstrap_means(differences, resamples, rng)))
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def permutation(differences: Float[np.ndarray, " users"], *, resamples: int = RESAMPLES, seed: int = 0) -> float:
    """The two-sided p-value of the mean difference: how often random signs give one as far from 0.

    Users who do not differ are left out, since their sign does not matter. With few users every assignment of signs is
    counted and the value is exact; otherwise it is (1 + as far) / (1 + resamples), which is never 0.
    """
    moved = differences[differences != 0]
    if not len(moved):
        return 1.0
    # sums that are equal on paper may differ in the last digits
    reached = abs(moved.sum()) - 1e-9 * np.abs(moved).sum()
    if len(moved) < 63 and 2 ** len(moved) <= max(resamples, 2):
        signs = 1 - 2 * ((np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved))) & 1)
        return float((np.abs(signs @ moved) >= reached).mean())
    rng = numpy_generator(seed, "permutation")
    as_far = sum(int((np.abs(sums) >= reached).sum()) for sums in _flipped_sums(moved, resamples, rng))
    return (1 + as_far) / (1 + resamples)


def minimum_detectable(
    differences: Float[np.ndarray, " users"], *, power: float = 0.8, significance: float = 0.05
) -> float:
    """The smallest true mean difference that a two-sided test at `significance` finds with probability `power`, given
    how much users differ among themselves (normal approximation)."""
    if len(differences) < 2:
        return float("inf")
    normal = NormalDist()
    reach = normal.inv_cdf(1 - significance / 2) + normal.inv_cdf(power)
    return float(reach * differences.std(ddof=1) / np.sqrt(len(differences)))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for asking several questions at once (Holm 1979), in the order given."""
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    raised = np.maximum.accumulate(np.minimum(np.asarray(p_values, dtype=np.float64)[order] * factors, 1.0))
    corrected = np.empty(len(p_values))
    corrected[order] = raised
    return [float(value) for value in corrected]


@dataclass(frozen=True)
class Spread:
    """The mean of a metric and how far it moves, over users and over seeds."""

    mean: float
    standard_error: float
    """Over users, each averaged over seeds first; a user with several cases counts once, by the sum of them."""
    seeds: int
    deviation: float | None
    """Standard deviation between seeds; None with one seed, which says nothing about it."""

    @classmethod
    def of(cls, values: Float[np.ndarray, ...], users: np.ndarray | None = None) -> Spread:
        """The spread of per-user values, one row a seed; `users` says whose each is, where somebody has several."""
        rows = np.atleast_2d(values)
        cases = rows.mean(axis=0)
        mean = float(cases.mean())
        each = cases if users is None else _together(cases - mean, users)
        error = float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) > 1 else float("inf")
        deviation = float(rows.mean(axis=1).std(ddof=1)) if len(rows) > 1 else None
        return cls(mean, error, len(rows), deviation)


def _differences(one: Float[np.ndarray, ...], other: Float[np.ndarray, "*seeds users"]) -> Float[np.ndarray, " users"]:
    """Per-user differences, each side averaged over its own seeds."""
    left, right = np.atleast_2d(one).mean(axis=0), np.atleast_2d(other).mean(axis=0)
    if left.shape != right.shape:
        raise ValueError(
            f"a paired test needs the same users on both sides; there are {len(left)} and {len(right)}. "
            "Evaluate both systems on the same cases."
        )
    if not len(left):
        raise ValueError("a paired test needs at least one user; there are none.")
    return left - right


def _together(values: Float[np.ndarray, " cases"], users: np.ndarray | None) -> Float[np.ndarray, " users"]:
    """One value for each user whose mean is that of all cases: the sum of theirs, times users per case."""
    if users is None:
        return values
    different, owners = np.unique(users, return_inverse=True)
    if len(different) == len(values):
        return values
    return np.bincount(owners, weights=values) * (len(different) / len(values))


def _few_values(
    values: Float[np.ndarray, " users"],
) -> tuple[Float[np.ndarray, " values"], np.ndarray] | None:
    """The different values and how often each occurs, where there are few enough to draw them."""
    different, counts = np.unique(values, return_counts=True)
    return (different, counts) if len(different) <= min(FEW, len(values) // 4) else None


def _bootstrap_means(
    values: Float[np.ndarray, " users"], resamples: int, rng: np.random.Generator
) -> Iterator[Float[np.ndarray, " chunk"]]:
    users = len(values)
    few = _few_values(values)
    if few is not None:
        different, counts = few
        for size in _chunks(resamples, len(different)):
            yield rng.multinomial(users, counts / users, size=size) @ different / users
        return
    for size in _chunks(resamples, users):
        yield values[rng.integers(0, users, size=(size, users), dtype=np.uint32)].mean(axis=1)


def _flipped_sums(
    values: Float[np.ndarray, " users"], resamples: int, rng: np.random.Generator
) -> Iterator[Float[np.ndarray, " chunk"]]:
    total = values.sum()
    few = _few_values(values)
    if few is not None:
        different, counts = few
        for size in _chunks(resamples, len(different)):
            yield total - 2 * rng.binomial(counts, 0.5, size=(size, len(counts))) @ different
        return
    for size in _chunks(resamples, users := len(values)):
        bits = np.unpackbits(
            np.frombuffer(rng.bytes(size * (-(-users // 8))), dtype=np.uint8).reshape(size, -1), axis=1
        )
        yield total - 2 * (bits[:, :users].astype(np.float64) @ values)


def _chunks(resamples: int, numbers: int) -> Iterator[int]:
    """Sizes that sum to `resamples`, each of about `CHUNK` numbers where one resample needs `numbers`."""
    step = max(CHUNK // max(numbers, 1), 1)
    for start in range(0, resamples, step):
        yield min(step, resamples - start)
