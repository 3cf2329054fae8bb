"""How signals become one reward: their sum, a sum with learnt weights, or a sum that a small network bends."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from segue.core.shapes import Float

WIDTH = 16
"""Of the layers of `Deep`."""
BEND = 2.0
"""`Deep` multiplies and divides by this at most."""


class Fusion(nn.Module):
    """log of the sum, at least `floor`; what is learnt elsewhere starts exactly here."""

    def __init__(self, floor: float) -> None:
        super().__init__()
        self.floor = floor

    def forward(self, signals: Float[Tensor, "*asked signals"]) -> Float[Tensor, "*asked"]:
        """log R."""
        return self.together(signals.float()).clamp_min(self.floor).log()

    def together(self, signals: Float[Tensor, "*asked signals"]) -> Float[Tensor, "*asked"]:
        """R, which may still be 0."""
        return signals.sum(-1)

    def prior(self) -> Float[Tensor, ""]:
        """What it costs to be far from the plain sum; to be added to the loss that the fusion learns from."""
        return torch.zeros(())


class Weighted(Fusion):
    """Weights that add up to the number of signals, so that not all can shrink; the prior is KL(weights || even)."""

    def __init__(self, signals: int, floor: float, pull: float) -> None:
        super().__init__(floor)
        self.pull = pull
        self.logits = nn.Parameter(torch.zeros(signals))

    def together(self, signals: Float[Tensor, "*asked signals"]) -> Float[Tensor, "*asked"]:
        """The weighted sum."""
        return (signals * (len(self.logits) * torch.softmax(self.logits, 0))).sum(-1)

    def prior(self) -> Float[Tensor, ""]:
        """In nats, times `pull`."""
        shares = torch.log_softmax(self.logits, 0)
        return self.pull * (shares.exp() * (shares + math.log(len(self.logits)))).sum()


class Deep(Fusion):
    """The sum times a factor between 1 / `BEND` and `BEND`: by the signals, a network chooses softly among learnt ones.

    The prior is the sum of squares of their logarithms. Because a choice is never beyond what is chosen from, no large
    weight elsewhere gets round it.
    """

    def __init__(self, signals: int, floor: float, pull: float) -> None:
        super().__init__(floor)
        self.pull = pull
        self.choice = nn.Sequential(nn.Linear(signals, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.Softmax(-1))
        self.factors = nn.Parameter(torch.zeros(WIDTH))

    def together(self, signals: Float[Tensor, "*asked signals"]) -> Float[Tensor, "*asked"]:
        """The bent sum."""
        bend = torch.tanh(self.choice(signals) @ self.factors)
        return signals.sum(-1) * (math.log(BEND) * bend).exp()

    def prior(self) -> Float[Tensor, ""]:
        """Times `pull`; 0 where all factors are 1."""
        return self.pull * self.factors.square().sum()
