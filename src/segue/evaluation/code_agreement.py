"""Do items whose codes begin alike resemble each other: by their vectors, and by who takes one after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from segue.core.codes import ItemCodes
from segue.core.shapes import Float, Int
from segue.core.tables import Histories

ASKED = 1_000
"""Items whose nearest are looked for, at most."""
NEAREST = 10
PAIRS = 20_000
"""Pairs drawn for each depth to see how alike they are."""
TILE = 16_000_000
"""Similarities held at once: 64 MB."""


@dataclass(frozen=True)
class Agreement:
    """How many of some related pairs share their first codes, by depth, and how many of unrelated ones do."""

    shared: Float[np.ndarray, " depths"]
    chance: Float[np.ndarray, " depths"]


def prefixes(codes: ItemCodes) -> Int[np.ndarray, "depths items"]:
    """Which prefix each item has: row d tells prefixes of d + 1 codes apart, numbered in their own order."""
    tree = codes.tree
    rows = np.empty((codes.levels, len(codes)), dtype=np.int64)
    for depth in range(codes.levels):
        sizes = np.diff(tree.firsts[depth + 1].numpy(), append=len(codes))
        rows[depth, tree.items.numpy()] = np.repeat(np.arange(len(sizes)), sizes)
    return rows


def of_neighbours(
    prefixes: Int[np.ndarray, "depths items"], vectors: Float[np.ndarray, "items width"], rng: np.random.Generator
) -> Agreement | None:
    """Of the ten nearest items by cosine, those that share the first codes; chance is any other item.

    A thousand items are asked, each against all others, some at a time. None for fewer than three items.
    """
    items = vectors.shape[0]
    if items < 3:
        return None
    asked = np.sort(rng.choice(items, min(ASKED, items), replace=False))
    units = torch.from_numpy(_units(vectors))
    nearest = min(NEAREST, items - 1)
    shared = np.zeros(len(prefixes))
    block = max(TILE // items, 1)
    for begin in range(0, len(asked), block):
        some = asked[begin : begin + block]
        likeness = units[some] @ units.T
        likeness[torch.arange(len(some)), torch.from_numpy(some)] = -torch.inf
        found = likeness.topk(nearest, dim=1).indices.numpy()
        shared += (prefixes[:, found] == prefixes[:, some, None]).sum((1, 2))
    together = [float((counts * (counts - 1.0)).sum()) for counts in map(np.bincount, prefixes)]
    return Agreement(shared / (len(asked) * nearest), np.array(together) / (items * (items - 1.0)))


def likeness_by_depth(
    codes: ItemCodes, vectors: Float[np.ndarray, "items width"], rng: np.random.Generator
) -> list[float | None]:
    """Mean cosine of random pairs of items that share their first 0, 1, 2, ... codes; None where no two do."""
    tree, units = codes.tree, _units(vectors)
    items = tree.items.numpy()
    likeness: list[float | None] = []
    for depth in range(codes.levels + 1):
        firsts = tree.firsts[depth].numpy()
        sizes = np.diff(firsts, append=len(items))
        able = np.flatnonzero(np.repeat(sizes > 1, sizes))
        if not len(able):
            likeness.append(None)
            continue
        one = rng.choice(able, PAIRS)
        nodes = np.searchsorted(firsts, one, side="right") - 1
        step = rng.integers(1, sizes[nodes])  # to another place under the same prefix, round the end
        other = firsts[nodes] + (one - firsts[nodes] + step) % sizes[nodes]
        likeness.append(float(np.einsum("pw,pw->p", units[items[one]], units[items[other]]).mean()))
    return likeness


def of_successors(prefixes: Int[np.ndarray, "depths items"], histories: Histories) -> Agreement | None:
    """Of items taken one after the other, those that share the first codes; chance keeps the popularity of both.

    An item taken twice in a row says nothing and is left out. None without such a pair.
    """
    events, bounds = histories.packed()
    follows = np.ones(len(events), dtype=bool)
    follows[bounds[:-1][histories.lengths > 0]] = False
    later = np.flatnonzero(follows)
    later = later[events[later] != events[later - 1]]
    if not len(later):
        return None
    before, after = events[later - 1], events[later]
    items = prefixes.shape[1]
    firsts, seconds = (np.bincount(side, minlength=items) / len(later) for side in (before, after))
    same = float(firsts @ seconds)  # by chance both would be one item, and such pairs are left out
    if same >= 1.0:
        return None
    shared, chance = [], []
    for row in prefixes:
        shared.append(float((row[before] == row[after]).mean()))
        both = float(np.bincount(row, firsts) @ np.bincount(row, seconds))
        chance.append(max(both - same, 0.0) / (1.0 - same))
    return Agreement(np.array(shared), np.array(chance))


def _units(vectors: Float[np.ndarray, "items width"]) -> Float[np.ndarray, "items width"]:
    """The same directions with length one; a vector of zeros stays one."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: np.ndarray = (vectors / np.where(norms > 0, norms, 1)).astype(np.float32)
    return units
