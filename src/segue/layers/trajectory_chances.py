"""The probability of each code of given items, from the states before the codes: what a policy says of trajectories."""

from __future__ import annotations

import torch
from torch import Tensor

from segue.core.codes import CodeTree
from segue.core.forms import TokenModel
from segue.core.shapes import Float, Int


def log_chances(
    model: TokenModel,
    states: Float[Tensor, "users asked levels width"],
    items: Int[Tensor, "users asked"],
    renormalized: bool = False,
) -> Float[Tensor, "users asked levels"]:
    """log P of each code of the items, in nats, in float32 also under autocast.

    A code competes with all that the model compares its states with; `renormalized`, with the other children of its
    prefix in `model.tree` only, so that the tuples of the whole catalog add up to exactly one. How items that share a
    tuple divide its probability is no part of it. An item that is `NOTHING` gets some finite numbers.
    """
    items = items.clamp_min(0)
    paths = _paths(model.tree, items) if renormalized else []
    found = []
    with torch.autocast(states.device.type, enabled=False):
        for level in range(model.codes.levels):
            table, begin = model.codebook(level)
            logits = states[:, :, level].float() @ table.T.float()
            if renormalized:
                below, missing = model.tree.below(level, paths[level])
                logits = logits.gather(2, begin + model.tree.codes[level][below]) + missing
                wanted = paths[level + 1] - model.tree.children[level][paths[level]]
            else:
                wanted = begin + model.item_codes[items, level]
            found.append(torch.log_softmax(logits, dim=-1).gather(2, wanted[..., None]).squeeze(2))
    return torch.stack(found, dim=-1)


def _paths(tree: CodeTree, items: Int[Tensor, "users asked"]) -> list[Int[Tensor, "users asked"]]:
    """The nodes on the way to each item, from the root (depth 0) to its leaf."""
    nodes = [tree.parents[tree.levels][tree.places[items]]]
    for depth in reversed(range(tree.levels)):
        nodes.append(tree.parents[depth][nodes[-1]])
    return nodes[::-1]
