"""One step down the trie for all prefixes of all users at once: what each could become, and with what probability."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from segue.core.batches import SequenceBatch
from segue.core.codes import CodeTree
from segue.core.forms import Prefixes, Writer
from segue.core.ranking import Rules
from segue.core.shapes import Bool, Float, Int
from segue.core.tables import Histories


def code_chances(model: Writer, prefixes: Prefixes) -> Float[Tensor, "users prefixes codes"]:
    """log P(code | prefix) of every code of the level, in nats."""
    table, begin = model.codebook(prefixes.level)
    chances = torch.log_softmax((prefixes.states @ table.T.to(prefixes.states.dtype)).float(), dim=-1)
    return chances[..., begin : begin + model.codes.sizes[prefixes.level]]


def step(
    model: Writer,
    prefixes: Prefixes | None,
    tree: CodeTree,
    depth: int,
    nodes: Int[Tensor, "users prefixes"],
    *,
    renormalized: bool,
) -> tuple[Int[Tensor, "users prefixes widest"], Float[Tensor, "users prefixes widest"]]:
    """The children of each prefix's node and log P of each; with `renormalized`, those of a node add up to one."""
    below, missing = tree.below(depth, nodes)
    if prefixes is None:
        return below, missing
    chances = code_chances(model, prefixes).gather(2, tree.codes[depth][below]) + missing
    ended = has_ended(model, tree, depth, nodes)
    if ended is not None:
        chances = torch.where(ended[..., None], missing, chances)
    if renormalized:
        chances = torch.log_softmax(chances, dim=-1).masked_fill_(chances.isneginf(), -torch.inf)
    return below, chances


def longer(
    model: Writer,
    prefixes: Prefixes | None,
    parents: Int[Tensor, "users chosen"],
    tree: CodeTree,
    depth: int,
    nodes: Int[Tensor, "users chosen"],
    scores: Float[Tensor, "users chosen"],
) -> Prefixes | None:
    """The chosen prefixes with the codes that lead to these nodes behind them; None where all have ended (or have no
    chance) and nothing remains to be written."""
    ended = has_ended(model, tree, depth, nodes)
    if prefixes is None or (ended is not None and bool((ended | scores.isneginf()).all())):
        return None
    return prefixes.extended(parents, tree.codes[depth - 1][nodes])


def has_ended(model: Writer, tree: CodeTree, depth: int, nodes: Int[Tensor, "*shape"]) -> Bool[Tensor, "*shape"] | None:
    """Whether the code that leads to each node ends its tuple, so that the only child is certain; None for no node."""
    if depth == 0 or model.codes.end is None:
        return None
    return tree.codes[depth - 1][nodes] == model.codes.end


def leaves(
    tree: CodeTree, nodes: Int[Tensor, "users prefixes"]
) -> tuple[Int[Tensor, "users prefixes widest"], Float[Tensor, "users prefixes widest"]]:
    """The places (in `tree.items`) of the items of each leaf, and log P of each given its leaf."""
    places, missing = tree.below(tree.levels, nodes)
    return places, tree.log_shares[places] + missing


class Forbidden:
    """The nodes that lead to nothing but items which a user must not get, by depth; as few as the histories are long.

    A node is forbidden for a user when all its children are. Nothing of size users x nodes exists.
    """

    def __init__(self, tree: CodeTree, histories: Histories | None) -> None:
        self.tree = tree
        self.levels: dict[int, tuple[Tensor, Tensor]] = {}
        if histories is None:
            return
        items, bounds = histories.packed()
        rows = torch.from_numpy(np.repeat(np.arange(len(histories)), np.diff(bounds))).to(tree.items.device)
        nodes = tree.places[torch.from_numpy(items.astype(np.int64)).to(tree.items.device)]
        keys = torch.unique((rows * len(tree.items) + nodes)[nodes >= 0])
        for depth in range(tree.levels + 1, 0, -1):
            if not len(keys):
                break
            count = tree.nodes(depth)
            rows, nodes = keys // count, keys % count
            self.levels[depth] = rows, nodes
            above, dead = torch.unique(
                rows * tree.nodes(depth - 1) + tree.parents[depth - 1][nodes], return_counts=True
            )
            bounds_above = tree.children[depth - 1]
            parents = above % tree.nodes(depth - 1)
            keys = above[dead == bounds_above[parents + 1] - bounds_above[parents]]

    def strike(
        self,
        depth: int,
        nodes: Int[Tensor, "users prefixes"],
        values: Float[Tensor, "users prefixes widest"],
    ) -> None:
        """Set the values of forbidden children (of nodes at `depth`) to -inf, in place."""
        if depth + 1 not in self.levels:
            return
        rows, dead = self.levels[depth + 1]
        parents = self.tree.parents[depth][dead]
        which, prefix = (nodes[rows] == parents[:, None]).nonzero(as_tuple=True)
        offsets = dead - self.tree.children[depth][parents]
        values[rows[which], prefix, offsets[which]] = -torch.inf


def batches(
    model: Writer, histories: Histories, tree: CodeTree, rules: Rules, *, prefixes: int, tokens: int
) -> Iterator[tuple[np.ndarray, SequenceBatch, Forbidden]]:
    """The histories that have something in them, some at a time and sorted by length: their rows, the batch, and what
    each must not get. At most so many prefixes and so many events of context exist at once."""
    recent = histories.latest(model.history)
    order = np.argsort(recent.lengths, kind="stable")
    order = order[recent.lengths[order] > 0]
    bounds = np.append(0, np.cumsum(recent.lengths[order]))
    begin = 0
    while begin < len(order):
        fitting = int(np.searchsorted(bounds, bounds[begin] + tokens, side="right")) - 1
        end = max(begin + 1, min(begin + max(prefixes, 1), fitting))
        some = order[begin:end]
        batch = SequenceBatch.of(recent.take(some)).to(tree.items.device)
        rows = some[batch.order.cpu().numpy()]
        yield rows, batch, Forbidden(tree, None if rules.seen else histories.take(rows))
        begin = end


def tree_of(model: Writer, rules: Rules) -> CodeTree:
    """The trie of what may be recommended to anybody."""
    if rules.allow is None and rules.deny is None:
        return model.tree
    items = model.tree.catalog
    return model.tree.pruned(rules.allows(np.arange(items), items))
