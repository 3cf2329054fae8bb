"""Cross entropy against items drawn for each row, without the logits of all tokens existing at once.

A piece of tokens is turned into probabilities in place and multiplied back into both gradients before the next begins;
the backward pass only scales. Where fewer items exist than twice the draws, all of them are scored and weighed by how
often each was drawn, which is the same number for less: the vectors of the drawn are not gathered row by row.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from segue.core.batches import Rows
from segue.core.shapes import Float, Int

CELLS = {"cpu": 1 << 21, "cuda": 1 << 26}
"""Logits, or numbers of gathered vectors, alive at once."""


def sampled_cross_entropy(
    states: Float[Tensor, "tokens width"],
    table: Float[Tensor, "items width"],
    targets: Int[Tensor, " tokens"],
    rows: Rows,
    drawn: Int[Tensor, "rows draws"],
    weights: Float[Tensor, " tokens"],
) -> Float[Tensor, ""]:
    """The weighted sum over tokens of -log softmax over [the target, what was drawn for the row], in nats.

    An item drawn twice counts twice; a draw that is the token's own target counts for nothing.
    """
    loss: Tensor = _SampledCrossEntropy.apply(states, table, targets, rows, drawn, weights)
    return loss


class _SampledCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, states: Tensor, table: Tensor, targets: Tensor, rows: Rows, drawn: Tensor, weights: Tensor
    ) -> Tensor:
        pieces = _over_all if len(table) <= 2 * drawn.shape[1] else _over_drawn
        of_states, of_table = torch.zeros_like(states), torch.zeros_like(table)
        with torch.autocast(states.device.type, enabled=False):
            total = pieces(states, table, targets, rows, drawn, weights, of_states, of_table)
        ctx.save_for_backward(of_states, of_table)
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        of_states, of_table = ctx.saved_tensors
        return of_states * upstream[0], of_table * upstream[0], None, None, None, None


def _over_all(
    states: Tensor,
    table: Tensor,
    targets: Tensor,
    rows: Rows,
    drawn: Tensor,
    weights: Tensor,
    of_states: Tensor,
    of_table: Tensor,
) -> Tensor:
    """Every item is scored; log of its number of draws is added."""
    total, block = states.new_zeros(()), max(1, _cells(states) // len(table))
    for begin in range(0, len(states), block):
        cut = slice(begin, begin + block)
        some, wanted, owners = states[cut], targets[cut, None], rows.owners[cut]
        first, last = int(owners[0]), int(owners[-1])
        counts = states.new_zeros(last - first + 1, len(table))
        here = drawn[first : last + 1]
        counts.scatter_add_(1, here, counts.new_ones(here.shape))
        logits = some @ table.T
        positive = logits.gather(1, wanted)
        logits += counts.log_()[owners - first]
        logits.scatter_(1, wanted, positive)
        normaliser = logits.logsumexp(1, keepdim=True)
        total = total + ((normaliser - positive)[:, 0] * weights[cut]).sum()
        chances = logits.sub_(normaliser).exp_()
        chances.scatter_add_(1, wanted, -torch.ones_like(positive))
        chances *= weights[cut, None]
        of_states[cut] = chances @ table
        of_table.addmm_(chances.T, some)
    return total


def _over_drawn(
    states: Tensor,
    table: Tensor,
    targets: Tensor,
    rows: Rows,
    drawn: Tensor,
    weights: Tensor,
    of_states: Tensor,
    of_table: Tensor,
) -> Tensor:
    """The vectors of what was drawn are gathered for some rows of one length at a time."""
    total, draws, width = states.new_zeros(()), drawn.shape[1], states.shape[1]
    filled = drawn[rows.lengths > 0]
    row = 0
    for block in rows.blocks:
        at_once = max(1, _cells(states) // (draws * max(block.length, width)))
        for first in range(0, block.rows, at_once):
            count = min(at_once, block.rows - first)
            begin = block.start + first * block.length
            cut, here = slice(begin, begin + count * block.length), filled[row : row + count]
            row += count
            some, wanted = states[cut].view(count, block.length, width), targets[cut]
            vectors, right = table[here], table[wanted]
            logits = some @ vectors.transpose(1, 2)  # rows length draws
            logits.masked_fill_(here[:, None, :] == wanted.view(count, block.length, 1), -torch.inf)
            positive = (states[cut] * right).sum(1)
            normaliser = torch.logaddexp(positive, logits.logsumexp(-1).flatten())
            total = total + ((normaliser - positive) * weights[cut]).sum()
            chances = logits.sub_(normaliser.view(count, block.length, 1)).exp_()
            chances *= weights[cut].view(count, block.length, 1)
            missing = (((positive - normaliser).exp() - 1) * weights[cut])[:, None]
            of_states[cut] = (chances @ vectors).flatten(0, 1) + missing * right
            of_table.index_add_(0, here.flatten(), (chances.transpose(1, 2) @ some).flatten(0, 1))
            of_table.index_add_(0, wanted, missing * states[cut])
    return total


def _cells(states: Tensor) -> int:
    return CELLS.get(states.device.type, CELLS["cpu"])
