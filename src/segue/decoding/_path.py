"""One item's way down the trie: the probability of each of its codes after each history."""

from __future__ import annotations

import numpy as np
import torch

from segue.core.codes import CodeTree
from segue.core.forms import Prefixes, Writer
from segue.core.ranking import Rules
from segue.core.shapes import Float
from segue.core.tables import Histories
from segue.decoding._walk import batches, longer, step, tree_of

AT_ONCE, TOKENS = 1024, 8192
"""Histories and events that are read at once; bounds memory."""


def path_chances(
    model: Writer, histories: Histories, item: int, rules: Rules, *, renormalized: bool
) -> Float[np.ndarray, "rows steps"]:
    """log P (nats) of each code of an item given those before it, and last, of the item among those of its tuple.

    Their sum is the score that a beam search gives the item. With `renormalized`, a code competes with those that the
    rules leave beside it; of an item that they forbid, with all. A row without history has no probabilities: NaN.
    """
    tree = tree_of(model, rules)
    tree = tree if int(tree.places[item]) >= 0 else model.tree
    found = np.full((len(histories), tree.levels + 1), np.nan, dtype=np.float32)
    nodes = nodes_of(tree, item)
    with torch.inference_mode():
        for rows, batch, _ in batches(model, histories, tree, Rules(seen=True), prefixes=AT_ONCE, tokens=TOKENS):
            prefixes: Prefixes | None = model.begin(batch)
            alone = torch.zeros(len(batch), 1, dtype=torch.int64, device=tree.items.device)
            total = torch.zeros(len(batch), 1, device=tree.items.device)
            for depth in range(tree.levels):
                _, chances = step(model, prefixes, tree, depth, alone + nodes[depth], renormalized=renormalized)
                chance = chances[:, :, nodes[depth + 1] - int(tree.children[depth][nodes[depth]])]
                found[rows, depth] = chance[:, 0].cpu().numpy()
                total += chance
                if prefixes is not None and depth + 1 < tree.levels:
                    prefixes = longer(model, prefixes, alone, tree, depth + 1, alone + nodes[depth + 1], total)
            found[rows, tree.levels] = float(tree.log_shares[nodes[-1]])
    return found


def nodes_of(tree: CodeTree, item: int) -> list[int]:
    """The nodes from the root to an item of the tree, by depth; the last is its place in `items`."""
    nodes = [int(tree.places[item])]
    assert nodes[0] >= 0, "the tree does not hold this item"
    for parents in reversed(tree.parents):
        nodes.append(int(parents[nodes[-1]]))
    return nodes[::-1]
