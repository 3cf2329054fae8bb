"""Cross entropy against all items of the catalog, without all logits existing at once.

A block of states is multiplied with the item table, turned into probabilities in place, and multiplied back into both
gradients before the next block begins; the block is sized to stay in the cache. The backward pass only scales. On two
Zen 4 cores this is 1.5 to 2.5 times faster than logits + cross_entropy, and needs 4 MB where that needs the logits
and their gradient (190 MB for 6,400 states and 3,700 items). Under autocast the three products run in its dtype, and
the losses and the table's gradient are summed in float32. A frozen table gets no gradient, and none is computed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from segue.core.shapes import Float, Int

BLOCK_BYTES = {"cpu": 4 << 20, "cuda": 256 << 20}
"""Logits alive at once: a good part of a last-level cache, or enough work to fill a GPU."""


def linear_cross_entropy(
    states: Float[Tensor, "tokens width"],
    table: Float[Tensor, "items width"],
    targets: Int[Tensor, " tokens"],
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """The sum over tokens of -log softmax(states @ table.T)[target], in nats.

    With `smoothing` e, the true item has weight 1 - e and e is spread evenly over the catalog.
    """
    loss: Tensor = _LinearCrossEntropy.apply(states, table, targets, smoothing)
    return loss


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, table: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        device = states.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else states.dtype
        of_both = ctx.needs_input_grad[:2]
        left, right = states.to(dtype), table.to(dtype)
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        tokens, items = len(left), len(right)
        block = min(max(16, BLOCK_BYTES.get(device, 4 << 20) // (items * right.element_size()) // 16 * 16), tokens)
        buffer = torch.empty(block, items, dtype=dtype, device=states.device)
        of_states = torch.empty_like(left) if of_both[0] else None
        of_table = torch.zeros(table.shape, dtype=wide, device=table.device) if of_both[1] else None
        total = torch.zeros((), dtype=torch.float64 if device == "cpu" else torch.float32, device=states.device)
        for begin in range(0, tokens, max(block, 1)):
            some = left[begin : begin + block]
            wanted = targets[begin : begin + block, None]
            chances = buffer[: len(some)]
            torch.mm(some, right.T, out=chances)
            if smoothing:
                # mean over items of log p = mean logit - logsumexp, and logsumexp = logit of the target - log p of it
                spread = chances.gather(1, wanted).to(wide) - chances.mean(1, keepdim=True, dtype=wide)
            torch.softmax(chances, 1, out=chances)
            chance = chances.gather(1, wanted).to(wide)
            losses = -chance.clamp_min(1e-30).log()
            if smoothing:
                losses = losses + smoothing * spread
            total += losses.sum(dtype=total.dtype)
            if any(of_both):  # from here on `chances` is the gradient of the logits
                if smoothing:
                    chances.sub_(smoothing / items)
                chances.scatter_add_(1, wanted, torch.full_like(chance, smoothing - 1.0).to(dtype))
            if of_states is not None:
                torch.mm(chances, right, out=of_states[begin : begin + block])
            if of_table is not None and dtype == wide:
                of_table.addmm_(chances.T, some)
            elif of_table is not None:
                of_table += chances.T @ some
        ctx.save_for_backward(of_states, of_table)
        ctx.dtypes = states.dtype, table.dtype
        return total.to(torch.float32 if states.dtype != torch.float64 else torch.float64)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        of_states, of_table = ctx.saved_tensors
        scale = upstream[0]
        states_dtype, table_dtype = ctx.dtypes
        return (
            None if of_states is None else (of_states * scale).to(states_dtype),
            None if of_table is None else (of_table * scale).to(table_dtype),
            None,
            None,
        )
