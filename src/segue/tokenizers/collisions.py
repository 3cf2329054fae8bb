"""What to do when several items come to the same codes: four policies, each of which reports what it cost."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from segue.core.codes import ItemCodes
from segue.core.errors import DataError
from segue.core.part import Part
from segue.core.shapes import Bool, Float, Int
from segue.tokenizers._sinkhorn import balanced_plan

CELLS = 1 << 22
"""Distances (items x codes) that exist at once."""
PLAN_CELLS = 1 << 16
"""The same in Sinkhorn's iteration, which goes over them again and again: half a megabyte stays in a cache."""

Costs = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""`costs(rows, prefixes)`: for these items and these first codes [rows, depth], the squared distance to the item of
what the prefix and each code of the next level say together [rows, sizes[depth]]."""


@dataclass(frozen=True)
class Quantized:
    """Items as a quantiser leaves them, before collisions are resolved; row i is item i."""

    codes: Int[np.ndarray, "items levels"]
    sizes: tuple[int, ...]
    costs: Costs


def residual_costs(vectors: Float[np.ndarray, "items width"], codebooks: Sequence[np.ndarray]) -> Costs:
    """The `costs` of a residual quantiser, whose reconstruction is the sum of one row [width] of each codebook."""

    def costs(rows: np.ndarray, prefixes: np.ndarray) -> np.ndarray:
        rest = vectors[rows]
        for level in range(prefixes.shape[1]):
            rest = rest - codebooks[level][prefixes[:, level]]
        book = codebooks[prefixes.shape[1]]
        squares = (rest**2).sum(1)[:, None] + (book**2).sum(1) - 2 * rest @ book.T
        clipped: np.ndarray = np.maximum(squares, 0)
        return clipped

    return costs


class CollisionPolicy(Part):
    """Makes tuples out of what a quantiser found, so that the items of one tuple can be told apart."""

    abstract: ClassVar[bool] = True

    def resolve(
        self, quantized: Quantized, popularity: Int[np.ndarray, " items"], rng: np.random.Generator
    ) -> tuple[ItemCodes, dict[str, Any]]:
        """The final codes, and what they cost.

        The notes: `collision_rate` is 1 - different tuples / items, before (for each depth of prefix) and after;
        `moved` counts items whose codes are not what the quantiser found, `extra_distance` is by how much their squared
        distance grew, in the mean over the moved, and `levels_added` is 0 or 1.
        """
        codes = self.separate(quantized, popularity, rng)
        levels = len(quantized.sizes)
        moved = np.flatnonzero((codes.codes[:, :levels] != quantized.codes).any(1))
        return codes, {
            "policy": self.kind(),
            "collision_rate_before": collision_rates(quantized.codes, quantized.sizes),
            "collision_rate_after": collision_rates(codes.codes, codes.sizes)[-1],
            "moved": len(moved),
            "extra_distance": _extra_distance(quantized, moved, codes.codes[moved, :levels]),
            "levels_added": codes.levels - levels,
        }

    @abstractmethod
    def separate(
        self, quantized: Quantized, popularity: Int[np.ndarray, " items"], rng: np.random.Generator
    ) -> ItemCodes:
        """The final codes of all items of a catalog.

        Raises:
            DataError: there are fewer tuples than items.
        """

    @abstractmethod
    def admit(self, existing: ItemCodes, new: Quantized) -> Int[np.ndarray, "new levels"]:
        """Tuples for further items beside those that `separate` made; nobody of `existing` moves.

        Raises:
            DataError: there is no room left.
        """


class ExtraCode(CollisionPolicy):
    """One more level that tells colliding items apart: the most popular item of a tuple gets 0.

    Source: TIGER, arXiv:2305.05065, section 3.1. The paper leaves open who gets which; ours goes by popularity, so
    that the extra code means something. An item that finds its tuple full moves to the nearest one that is not.
    """

    room: NonNegativeInt = 8
    """Codes of the extra level kept free, beyond the largest collision, for items that come later."""

    def separate(
        self, quantized: Quantized, popularity: Int[np.ndarray, " items"], rng: np.random.Generator
    ) -> ItemCodes:
        """The quantiser's codes with one more behind them."""
        extra = places(prefix_numbers(quantized.codes, quantized.sizes)[-1], popularity)
        sizes = (*quantized.sizes, int(extra.max()) + 1 + self.room)
        return ItemCodes(np.column_stack([quantized.codes, extra]), sizes)

    def admit(self, existing: ItemCodes, new: Quantized) -> Int[np.ndarray, "new levels"]:
        """The next free extra code of the tuple that the quantiser found."""
        codes = np.concatenate([existing.codes[:, :-1], new.codes])
        capacity, first = existing.sizes[-1], len(existing)
        extra = _in_order(codes, new.sizes)
        full = np.flatnonzero(extra >= capacity)
        if len(full):
            codes = moved_to_free(codes, full, new, capacity)
            extra = _in_order(codes, new.sizes)
        return np.column_stack([codes, extra])[first:]


class PopularityOrder(CollisionPolicy):
    """Items may share a tuple; they share its probability too, in proportion to their training counts."""

    def separate(
        self, quantized: Quantized, popularity: Int[np.ndarray, " items"], rng: np.random.Generator
    ) -> ItemCodes:
        """The quantiser's codes with the training counts as weights."""
        return ItemCodes(quantized.codes, quantized.sizes, weights=popularity.astype(np.float64))

    def admit(self, existing: ItemCodes, new: Quantized) -> Int[np.ndarray, "new levels"]:
        """What the quantiser found."""
        return new.codes


class NearestFreeCode(CollisionPolicy):
    """The most popular item of a tuple stays, the others keep their prefix and take the nearest free last code.

    Where all last codes of a prefix are taken, the item moves to the nearest prefix beside it that has room, and to the
    nearest free code there; more popular items choose first.
    """

    def separate(
        self, quantized: Quantized, popularity: Int[np.ndarray, " items"], rng: np.random.Generator
    ) -> ItemCodes:
        """A tuple for each item alone."""
        numbers = prefix_numbers(quantized.codes, quantized.sizes)[-1]
        moving = np.flatnonzero(places(numbers, popularity) > 0)
        moving = moving[np.argsort(-popularity[moving], kind="stable")]
        return ItemCodes(moved_to_free(quantized.codes, moving, quantized), quantized.sizes)

    def admit(self, existing: ItemCodes, new: Quantized) -> Int[np.ndarray, "new levels"]:
        """Free tuples near what the quantiser found."""
        codes = np.concatenate([existing.codes, new.codes])
        return moved_to_free(codes, np.flatnonzero(_in_order(codes, new.sizes) > 0), new)[len(existing) :]


class SinkhornReassignment(CollisionPolicy):
    """Rounds in which the items of a tuple are dealt out over all last codes evenly, until no two items meet.

    Source: LETTER, arXiv:2405.07314, the released index generation (20 rounds, epsilon 0.003, 50 iterations). Theirs
    takes one group of items after the other and the code with the largest share of the plan; a plan for two items and
    256 codes gives each about half of all codes in full, so ours takes the nearest code of these. Equal vectors would
    stay together for ever, so noise of size epsilon is added to the costs.
    """

    rounds: PositiveInt = 20
    """How often what still collides is dealt out again."""
    epsilon: PositiveFloat = 0.003
    """Blur of the plan, in units of half the spread of a group's squared distances."""
    iterations: PositiveInt = 50
    """Steps of Sinkhorn's iteration."""
    then: CollisionPolicy = NearestFreeCode()
    """What becomes of the items that still collide after the last round."""

    def separate(
        self, quantized: Quantized, popularity: Int[np.ndarray, " items"], rng: np.random.Generator
    ) -> ItemCodes:
        """The rounds, and then the other policy."""
        codes = quantized.codes.copy()
        for _ in range(self.rounds):
            groups = prefix_numbers(codes, quantized.sizes)[-1]
            rows = np.flatnonzero(np.bincount(groups)[groups] > 1)
            if not len(rows):
                break
            rows = rows[np.argsort(groups[rows], kind="stable")]
            for some in _together(groups[rows], PLAN_CELLS // quantized.sizes[-1]):
                codes[rows[some], -1] = self._dealt_out(
                    quantized.costs(rows[some], codes[rows[some], :-1]), groups[rows[some]], rng
                )
        return self.then.separate(replace(quantized, codes=codes), popularity, rng)

    def _dealt_out(self, costs: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        numbers = torch.from_numpy(np.unique(groups, return_inverse=True)[1])
        spread = (costs.max(1, keepdims=True) - costs.min(1, keepdims=True)) / 2
        noisy = torch.from_numpy(costs + self.epsilon * spread * rng.gumbel(size=costs.shape))
        plan = balanced_plan(noisy, self.epsilon, self.iterations, numbers)
        own = plan >= plan.amax(1, keepdim=True) / 2
        nearest: np.ndarray = noisy.masked_fill(~own, torch.inf).argmin(1).numpy()
        return nearest

    def admit(self, existing: ItemCodes, new: Quantized) -> Int[np.ndarray, "new levels"]:
        """As the other policy does it: a few further items cannot be balanced."""
        return self.then.admit(existing, new)


def prefix_numbers(codes: Int[np.ndarray, "items levels"], sizes: Sequence[int]) -> list[np.ndarray]:
    """For each depth from 1, a number for each item: the same for items with the same first codes, without gaps."""
    numbers, found = np.zeros(len(codes), dtype=np.int64), []
    for level, size in enumerate(sizes):
        numbers = np.unique(numbers * size + codes[:, level], return_inverse=True)[1]
        found.append(numbers)
    return found


def collision_rates(codes: Int[np.ndarray, "items levels"], sizes: Sequence[int]) -> list[float]:
    """For each depth, 1 - different prefixes / items; the last one is the share of tuples that are missing."""
    return [1.0 - (int(numbers.max()) + 1) / len(codes) for numbers in prefix_numbers(codes, sizes)]


def moved_to_free(
    codes: Int[np.ndarray, "items levels"],
    moving: Int[np.ndarray, " moving"],
    quantized: Quantized,
    capacity: int = 1,
) -> Int[np.ndarray, "items levels"]:
    """The codes with the rows `moving` (the first chooses first) at the nearest tuples that have room.

    A tuple has room for `capacity` items. `quantized` speaks of the last rows of `codes`, perhaps of all of them.

    Raises:
        DataError: no tuple has room.
    """
    codes, first, levels = codes.copy(), len(codes) - len(quantized.codes), len(quantized.sizes)
    there = np.ones(len(codes), dtype=bool)
    there[moving] = False
    for kept in range(levels - 1, -1, -1):
        rows = moving
        for level in range(kept, levels):
            if not len(rows):
                break
            room = min(capacity * math.prod(quantized.sizes[level + 1 :]), len(codes))
            placed = _choose(codes, there, rows, level, room, quantized, first)
            if level == kept:  # further down there is room for everybody who was let in here
                moving, rows = rows[~placed], rows[placed]
        there[rows] = True
    if len(moving):
        tuples = capacity * math.prod(quantized.sizes)
        raise DataError(
            f"{len(codes):,} items do not fit into {tuples:,} tuples of codes (sizes {quantized.sizes}); "
            "set a larger size or more levels, and fit again."
        )
    return codes


def _choose(
    codes: np.ndarray, there: np.ndarray, rows: np.ndarray, level: int, room: int, quantized: Quantized, first: int
) -> Bool[np.ndarray, " rows"]:
    """Write the nearest code of this level below which there is room into `codes`; which rows found one."""
    size = quantized.sizes[level]
    parents = prefix_numbers(codes[:, :level], quantized.sizes[:level])[-1] if level else np.zeros(len(codes), int)
    order = np.argsort(parents[rows], kind="stable")
    placed = np.zeros(len(rows), dtype=bool)
    for some in _together(parents[rows[order]], CELLS // size):
        asking = order[some]
        known, own = np.unique(parents[rows[asking]], return_inverse=True)
        near = np.searchsorted(known, parents)
        beside = np.flatnonzero(there & (known[np.minimum(near, len(known) - 1)] == parents))
        left = room - np.bincount(near[beside] * size + codes[beside, level], minlength=len(known) * size)
        costs = quantized.costs(rows[asking] - first, codes[rows[asking], :level])
        waiting = np.arange(len(asking))
        while len(waiting):  # everybody asks for the nearest code with room; who comes too late asks again
            open_costs = np.where(left.reshape(len(known), size)[own[waiting]] > 0, costs[waiting], np.inf)
            best = open_costs.argmin(1)
            possible = np.isfinite(open_costs[np.arange(len(waiting)), best])
            waiting, best = waiting[possible], best[possible]
            cells = own[waiting] * size + best
            gets = places(cells) < left[cells]
            codes[rows[asking[waiting[gets]]], level] = best[gets]
            placed[asking[waiting[gets]]] = True
            np.subtract.at(left, cells[gets], 1)
            waiting = waiting[~gets]
    return placed


def places(
    numbers: Int[np.ndarray, " items"], popularity: Int[np.ndarray, " items"] | None = None
) -> Int[np.ndarray, " items"]:
    """The place of each item among those with its number, from 0: the most popular first, then the lower row."""
    order = np.argsort(numbers, kind="stable") if popularity is None else np.lexsort((-popularity, numbers))
    starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
    found = np.empty(len(numbers), dtype=np.int64)
    found[order] = np.arange(len(numbers)) - np.repeat(starts, np.diff(starts, append=len(numbers)))
    return found


def _in_order(codes: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """How many rows before each one have the same codes."""
    return places(prefix_numbers(codes, sizes)[-1])


def _together(groups: np.ndarray, rows: int) -> Iterator[slice]:
    """Slices of about so many rows of a sorted array that never cut a group."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    begin = 0
    while begin < len(groups):
        following = starts[starts > max(begin, begin + rows - 1)]
        end = int(following[0]) if len(following) else len(groups)
        yield slice(begin, end)
        begin = end


def _extra_distance(quantized: Quantized, rows: np.ndarray, codes: np.ndarray) -> float:
    total, step = 0.0, max(1, CELLS // quantized.sizes[-1])
    for begin in range(0, len(rows), step):
        some = slice(begin, begin + step)
        places = np.arange(len(rows[some]))
        for sign, tuples in ((1, codes[some]), (-1, quantized.codes[rows[some]])):
            total += sign * float(quantized.costs(rows[some], tuples[:, :-1])[places, tuples[:, -1]].sum())
    return total / len(rows) if len(rows) else 0.0
