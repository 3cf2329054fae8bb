"""Dropout whose random numbers come from a generator that the run hands in, at a quarter of the usual cost on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from segue.core.shapes import Float


class Dropout(nn.Module):
    """Sets a share `rate` of the values to zero in training and scales the rest.

    One 64-bit draw serves four values, so the rate is rounded to a multiple of 2^-16 and the scale is exact for it.
    `rng` is set by the training loop; without it the draws come from torch's global generator.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.rng: torch.Generator | None = None

    def forward(self, values: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The values, some of them zeroed while training."""
        if not self.training or self.rate == 0.0:
            return values
        kept: Tensor = _Dropout.apply(values, round(self.rate * 65536), self.rng)
        return kept


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, threshold: int, rng: torch.Generator | None) -> Tensor:
        count = values.numel()
        draws = torch.empty((count + 3) // 4, dtype=torch.int64, device=values.device)
        draws.random_(-(2**63), None, generator=rng)
        kept = draws.view(torch.int16)[:count].view(values.shape) >= threshold - 32768
        ctx.scale = 65536.0 / (65536 - threshold)
        ctx.save_for_backward(kept)
        return torch.mul(values, kept).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        (kept,) = ctx.saved_tensors
        return torch.mul(upstream[0], kept).mul_(ctx.scale), None, None
