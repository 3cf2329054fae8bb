"""What a system would have been worth, from what others showed: inverse propensity estimates over logged lists.

A list is a set of bets: each shown item is worth something if the user took it, whatever stood beside it and wherever
it stood. Under that assumption an item that a system would show tells of that system whenever anybody showed it,
weighted by one over the probability that it was shown at all (Horvitz and Thompson 1952; for lists the item model of
Li et al., KDD 2018, arXiv:1804.10488; self-normalised: Swaminathan and Joachims, NIPS 2015). Intervals are percentiles
over users drawn with replacement, since one user's answers depend on each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from segue.core.seeding import numpy_generator
from segue.core.shapes import Bool, Float, Int

RESAMPLES = 2_000
CHUNK = 4_000_000
"""Numbers drawn at once."""


@dataclass(frozen=True)
class Estimate:
    """A value with its interval of 95 percent; all NaN where nothing could be learnt."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Sums:
    """What to add up for an estimate, decision by decision.

    The value is (sum of gained / sum of weight) x (sum of size / decisions). With `weight` and `size` 1 it is the plain
    inverse propensity estimate of a value per decision.
    """

    gained: Float[np.ndarray, " decisions"]
    weight: Float[np.ndarray, " decisions"]
    size: Float[np.ndarray, " decisions"]

    def estimate(self, users: Int[np.ndarray, " decisions"], *, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
        """The value and its interval over users.

        Args:
            users: who asked, as a number from 0 on.
        """
        if not len(users):
            return Estimate(np.nan, np.nan, np.nan)
        ones = np.ones(len(users))
        sums = np.stack([np.bincount(users, values) for values in (self.gained, self.weight, self.size, ones)], axis=1)
        sums = sums[sums[:, 3] > 0]
        drawn = np.concatenate(
            [_value(counts @ sums) for counts in _counts(len(sums), resamples, numpy_generator(seed, "off policy"))]
        )
        drawn = drawn[np.isfinite(drawn)]
        value = float(_value(sums.sum(axis=0)[None])[0])
        if not np.isfinite(value) or not len(drawn):
            return Estimate(np.nan, np.nan, np.nan)
        low, high = np.quantile(drawn, [0.025, 0.975])
        return Estimate(value, float(low), float(high))


def effective(weights: Float[np.ndarray, " shown"]) -> float:
    """How many equally weighted observations would say as much: (sum of w)^2 / sum of w^2 (Kish 1965)."""
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


@dataclass(frozen=True)
class Shown:
    """The items of logged lists, list after list: item i was shown in decision `decisions[i]`."""

    decisions: Int[np.ndarray, " shown"]
    taken: Bool[np.ndarray, " shown"]
    """Whether the user took it afterwards."""
    chances: Float[np.ndarray, " shown"]
    """The probability that it was shown: the shares of all systems whose list has it, added up."""
    places: Int[np.ndarray, " shown"]
    """Where it stands in the list of the system in question, from 0; -1 where it is not in it."""


@dataclass(frozen=True)
class Value:
    """What a system is worth per decision."""

    hits: Estimate
    """Items of its list that the user takes."""
    discounted: Estimate
    """The same with each hit divided by log2 of its place (from 1) plus 1, as in DCG."""


@dataclass(frozen=True)
class Estimated:
    """What a system would be worth, and how far that can be believed."""

    ips: Value
    """Unbiased where everything that it shows could have been shown; what nobody could show counts as not taken."""
    snips: Value
    """Self-normalised: less noisy, slightly biased; what nobody could show is taken as often as the rest."""
    effective: float
    """How many equally weighted shown items would say as much."""
    shown: int
    """Shown items that its lists have too."""
    largest: float
    """The largest weight."""
    unsupported: float
    """Share of the items of its lists that nobody could have shown."""


def discount(places: Int[np.ndarray, " items"]) -> Float[np.ndarray, " items"]:
    """What a hit at this place (from 0) is worth in DCG."""
    return 1 / np.log2(places + 2)


def estimate_lists(
    shown: Shown,
    users: Int[np.ndarray, " decisions"],
    sizes: Int[np.ndarray, " decisions"],
    unsupported: int,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimated:
    """What a system would have been worth on these decisions.

    Args:
        users: who asked in each decision, as a number from 0 on.
        sizes: how many items the system's list has in each decision.
        unsupported: how many of all these items were in no list that could have been shown.
    """
    inside = shown.places >= 0
    weights = 1 / shown.chances[inside]
    at, taken, gains = shown.decisions[inside], shown.taken[inside], discount(shown.places[inside])
    decisions = len(users)

    def summed(values: Float[np.ndarray, " inside"]) -> Float[np.ndarray, " decisions"]:
        return np.bincount(at, values, minlength=decisions).astype(np.float64)  # of nothing it makes whole numbers

    ones = np.ones(decisions)
    most = int(sizes.max(initial=0))
    ideal = np.concatenate([[0.0], np.cumsum(discount(np.arange(most)))])[sizes]
    hits, discounted = summed(weights * taken), summed(weights * taken * gains)
    asked = {
        "ips_hits": Sums(hits, ones, ones),
        "ips_discounted": Sums(discounted, ones, ones),
        "snips_hits": Sums(hits, summed(weights), sizes.astype(np.float64)),
        "snips_discounted": Sums(discounted, summed(weights * gains), ideal),
    }
    found = {name: sums.estimate(users, resamples=resamples, seed=seed) for name, sums in asked.items()}
    return Estimated(
        ips=Value(found["ips_hits"], found["ips_discounted"]),
        snips=Value(found["snips_hits"], found["snips_discounted"]),
        effective=effective(weights),
        shown=len(weights),
        largest=float(weights.max(initial=0.0)),
        unsupported=unsupported / max(int(sizes.sum()), 1),
    )


def _value(sums: Float[np.ndarray, "rows 4"]) -> Float[np.ndarray, " rows"]:
    gained, weight, size, decisions = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        value: np.ndarray = gained / weight * (size / decisions)
    return value


def _counts(users: int, resamples: int, rng: np.random.Generator) -> Iterator[Int[np.ndarray, "rows users"]]:
    """How often each user is drawn in each resample."""
    step = max(CHUNK // users, 1)
    chances = np.full(users, 1 / users)
    for at in range(0, resamples, step):
        yield rng.multinomial(users, chances, size=min(step, resamples - at))
