"""The optimiser and the course of its learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import nn

from segue.core.part import Part


class AdamW(Part):
    """Adam with decoupled weight decay, on matrices only: norms, biases and other vectors do not decay."""

    rate: PositiveFloat = 1e-3
    """Learning rate at its height."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Memory of the mean gradient."""
    beta2: float = Field(default=0.98, ge=0, lt=1)
    """Memory of the squared gradient."""
    decay: NonNegativeFloat = 0.0
    """Weight decay."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """How the rate falls after the warm-up: not at all, or to `floor` at the last step."""
    warmup: float = Field(default=0.0, ge=0, lt=1)
    """Share of all steps over which the rate rises from zero."""
    warmup_steps: PositiveInt | None = None
    """So many steps instead of a share, at most all but the last."""
    floor: float = Field(default=0.0, ge=0, le=1)
    """The last rate as a share of the highest."""
    reached: bool = False
    """Whether the last step has the last rate exactly; otherwise the step after it would."""
    quicker: Mapping[str, PositiveFloat] = Field(default_factory=dict)
    """Parameters whose name begins so learn this many times faster and do not decay."""

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        """The living optimiser over the parameters that learn."""
        learning = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [p for name, p in learning if name.startswith(prefix)], "weight_decay": 0.0, "quicker": times}
            for prefix, times in self.quicker.items()
        ]
        others = [p for name, p in learning if not name.startswith(tuple(self.quicker))]
        groups = [
            {"params": [p for p in others if p.ndim >= 2], "weight_decay": self.decay},
            {"params": [p for p in others if p.ndim < 2], "weight_decay": 0.0},
            *groups,
        ]
        return torch.optim.AdamW(
            [group for group in groups if group["params"]], lr=self.rate, betas=(self.beta1, self.beta2), fused=True
        )

    def rate_at(self, step: int, steps: int) -> float:
        """The learning rate of step `step` (from 0) out of `steps`."""
        rising = self.warmup * steps if self.warmup_steps is None else min(self.warmup_steps, steps - 1)
        if step < rising:
            return self.rate * (step + 1) / (rising + 1)
        done = (step - rising) / max(steps - self.reached - rising, 1)
        if self.schedule == "constant":
            share = 1.0
        elif self.schedule == "linear":
            share = 1.0 - done
        else:
            share = 0.5 * (1.0 + math.cos(math.pi * done))
        return self.rate * (self.floor + (1.0 - self.floor) * share)
