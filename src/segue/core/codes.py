"""The code tuple of each item, and the flat trie of all valid tuples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from segue.core.errors import DataError
from segue.core.ranking import NOTHING
from segue.core.shapes import Bool, Float, Int


@dataclass(frozen=True)
class ItemCodes:
    """For each item of the catalog a tuple of codes, one a level: row i belongs to item i.

    Level l counts codes from 0 to `sizes[l] - 1`. With `shared`, all levels speak of one codebook (the words of a
    title); otherwise each has its own. `weights` says how often an item is meant when several items have one tuple:
    their shares of the tuple's probability are in proportion to it. `end` is a code that ends a tuple and fills it up:
    the first one is written like any other code, and those behind it cost nothing.
    """

    codes: Int[np.ndarray, "items levels"]
    sizes: tuple[int, ...]
    shared: bool = False
    weights: Float[np.ndarray, " items"] | None = None
    end: int | None = None

    def __post_init__(self) -> None:
        if self.codes.ndim != 2 or self.codes.shape[1] != len(self.sizes) or not len(self.codes):
            raise DataError(f"codes of shape {self.codes.shape} do not fit the {len(self.sizes)} levels {self.sizes}.")
        if self.codes.min() < 0 or (self.codes >= np.array(self.sizes)).any():
            raise DataError(f"some codes lie outside of their codebooks, whose sizes are {self.sizes}.")
        if self.shared and len(set(self.sizes)) > 1:
            raise DataError(f"levels that share one codebook must have one size, not {self.sizes}.")
        if self.end is not None and ((self.codes[:, :-1] == self.end) & (self.codes[:, 1:] != self.end)).any():
            raise DataError(f"code {self.end} ends a tuple, and in some tuples other codes come after it.")

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def levels(self) -> int:
        """Codes in a tuple."""
        return len(self.sizes)

    @cached_property
    def lengths(self) -> Int[np.ndarray, " items"]:
        """Codes of each tuple that are written: up to the first `end`, which is one of them."""
        if self.end is None:
            return np.full(len(self), self.levels)
        lengths: np.ndarray = np.minimum((self.codes != self.end).sum(1) + 1, self.levels)
        return lengths

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where each level's codes begin in the vocabulary of all levels."""
        return tuple(0 if self.shared else sum(self.sizes[:level]) for level in range(self.levels))

    @property
    def vocabulary(self) -> int:
        """Codes of all levels together."""
        return self.sizes[0] if self.shared else sum(self.sizes)

    @cached_property
    def tree(self) -> CodeTree:
        """The trie of all valid tuples."""
        return CodeTree.of(self)

    def find(self, tuples: Int[np.ndarray, "asked levels"]) -> Int[np.ndarray, " asked"]:
        """The item of each tuple (of several the one with most weight), or `NOTHING` where no item has it."""
        nodes = np.zeros(len(tuples), dtype=np.int64)
        valid = np.ones(len(tuples), dtype=bool)
        for level in range(self.levels):
            bounds, codes = self.tree.children[level].numpy(), self.tree.codes[level].numpy()
            # Children of a node are sorted by code: (node, code) as one number is sorted over the whole level.
            owners = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
            keys, wanted = owners * self.sizes[level] + codes, nodes * self.sizes[level] + tuples[:, level]
            inside = (tuples[:, level] >= 0) & (tuples[:, level] < self.sizes[level])
            places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            valid &= inside & (keys[places] == wanted)
            nodes = np.where(valid, places, 0)
        first = self.tree.items.numpy()[self.tree.children[-1].numpy()[nodes]]
        found: np.ndarray = np.where(valid, first, NOTHING)
        return found

    def extended(self, codes: Int[np.ndarray, "new levels"]) -> ItemCodes:
        """The same items with further ones behind them; nobody's codes move."""
        weights = self.weights
        if weights is not None:
            weights = np.concatenate([weights, np.zeros(len(codes), dtype=weights.dtype)])
        return ItemCodes(np.concatenate([self.codes, codes]), self.sizes, self.shared, weights, self.end)


@dataclass(frozen=True)
class CodeTree:
    """All valid tuples as a trie in flat arrays, as compressed sparse rows.

    Nodes of one depth are numbered in the order of their prefixes, the root is node 0 of depth 0. The children of node
    n at depth d are the nodes `children[d][n] : children[d][n + 1]` of depth d + 1, and `codes[d]` holds the codes that
    lead to the nodes of depth d + 1. The children of a leaf are places in `items`: usually one, more where items
    share a tuple, and then the one with most weight first.
    """

    children: tuple[Int[Tensor, "_"], ...]
    codes: tuple[Int[Tensor, "_"], ...]
    items: Int[Tensor, " items"]
    log_shares: Float[Tensor, " items"]
    """Log probability of each entry of `items`, given its leaf."""
    widest: tuple[int, ...]
    """The most children of any node, by depth."""
    catalog: int
    """Items of the catalog, of which a pruned tree holds fewer."""

    @classmethod
    def of(cls, item_codes: ItemCodes) -> CodeTree:
        """The trie of these tuples."""
        codes = item_codes.codes
        weights = np.ones(len(codes)) if item_codes.weights is None else item_codes.weights.astype(np.float64)
        order = np.lexsort((np.arange(len(codes)), -weights, *codes.T[::-1]))
        sorted_codes = codes[order]
        new = np.zeros(len(codes), dtype=bool)  # begins another prefix than the tuple before it
        new[0] = True
        firsts = [np.zeros(1, dtype=np.int64)]  # by depth: the first place of each node
        for level in range(item_codes.levels):
            new[1:] |= sorted_codes[1:, level] != sorted_codes[:-1, level]
            firsts.append(np.flatnonzero(new))
        firsts.append(np.arange(len(codes)))
        leaves = firsts[-2]
        counts = np.diff(leaves, append=len(codes))
        smoothed = weights[order] + 1.0
        totals = np.repeat(np.add.reduceat(smoothed, leaves), counts)
        return cls._assembled(
            firsts,
            [sorted_codes[first, level] for level, first in enumerate(firsts[1:-1])],
            torch.from_numpy(order.astype(np.int64)),
            torch.from_numpy(np.log(smoothed / totals).astype(np.float32)),
            len(codes),
        )

    @classmethod
    def _assembled(
        cls, firsts: Sequence[np.ndarray], codes: Sequence[np.ndarray], items: Tensor, log_shares: Tensor, catalog: int
    ) -> CodeTree:
        bounds = [np.append(np.searchsorted(below, above), len(below)) for above, below in pairwise(firsts)]
        return cls(
            children=tuple(torch.from_numpy(bound.astype(np.int64)) for bound in bounds),
            codes=tuple(torch.from_numpy(code.astype(np.int64)) for code in codes),
            items=items,
            log_shares=log_shares,
            widest=tuple(int(np.diff(bound).max(initial=0)) for bound in bounds),
            catalog=catalog,
        )

    def __len__(self) -> int:
        return len(self.items)

    @property
    def levels(self) -> int:
        """Codes in a tuple."""
        return len(self.codes)

    def nodes(self, depth: int) -> int:
        """Prefixes of so many codes; at depth `levels + 1` items."""
        return 1 if depth == 0 else len(self.codes[depth - 1]) if depth <= self.levels else len(self.items)

    def below(
        self, depth: int, nodes: Int[Tensor, "users prefixes"]
    ) -> tuple[Int[Tensor, "users prefixes widest"], Float[Tensor, "users prefixes widest"]]:
        """The children of each node, in a rectangle, and 0 where there is one and -inf where the rectangle is wider."""
        bounds = self.children[depth]
        below = bounds[nodes][..., None] + torch.arange(self.widest[depth], device=nodes.device)
        missing = torch.zeros(below.shape, device=nodes.device).masked_fill_(
            below >= bounds[nodes + 1][..., None], -torch.inf
        )
        return below.clamp_max_(self.nodes(depth + 1) - 1), missing

    @cached_property
    def firsts(self) -> tuple[Int[Tensor, "_"], ...]:
        """By depth: the place in `items` where each node's own begin; its last is before the next node's first."""
        firsts = [torch.arange(len(self.items), device=self.items.device)]
        for bounds in reversed(self.children):
            firsts.append(firsts[-1][bounds[:-1]])
        return tuple(reversed(firsts))

    @cached_property
    def parents(self) -> tuple[Int[Tensor, "_"], ...]:
        """By depth d: the node of depth d above each node of depth d + 1."""
        return tuple(
            torch.repeat_interleave(torch.arange(len(bounds) - 1, device=bounds.device), bounds.diff())
            for bounds in self.children
        )

    @cached_property
    def places(self) -> Int[Tensor, " catalog"]:
        """Where each item of the catalog stands in `items`, or -1 for one that this tree does not hold."""
        places = torch.full((self.catalog,), -1, dtype=torch.int64, device=self.items.device)
        places[self.items] = torch.arange(len(self.items), device=self.items.device)
        return places

    def pruned(self, allowed: Bool[np.ndarray, " catalog"]) -> CodeTree:
        """The same tree with the allowed items only; prefixes that lead to none of them are gone.

        The shares of a tuple's items stay what they are: forbidding one does not make the others more probable.
        """
        keep = allowed[self.items.cpu().numpy()]
        after = np.append(0, np.cumsum(keep))  # how many places are kept before each old one
        firsts, codes = [np.zeros(1, dtype=np.int64)], []
        for depth in range(1, self.levels + 2):
            old = self.firsts[depth].cpu().numpy()
            alive = after[np.append(old[1:], len(keep))] > after[old]
            firsts.append(after[old][alive])
            if depth <= self.levels:
                codes.append(self.codes[depth - 1].cpu().numpy()[alive])
        chosen = torch.from_numpy(np.flatnonzero(keep)).to(self.items.device)
        items, shares = self.items[chosen].cpu(), self.log_shares[chosen].cpu()
        return CodeTree._assembled(firsts, codes, items, shares, self.catalog).to(self.items.device)

    def to(self, device: torch.device) -> CodeTree:
        """The same tree on another device."""
        if self.items.device == device:
            return self
        return CodeTree(
            children=tuple(bounds.to(device) for bounds in self.children),
            codes=tuple(codes.to(device) for codes in self.codes),
            items=self.items.to(device),
            log_shares=self.log_shares.to(device),
            widest=self.widest,
            catalog=self.catalog,
        )
