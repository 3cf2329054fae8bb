"""The network at the top of a click model, and the activations that such networks use."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from segue.core.shapes import Float
from segue.layers.dropout import Dropout

TowerActivation = Literal["relu", "prelu", "dice"]


class Dice(nn.Module):
    """s p + alpha s (1 - p), where p is the sigmoid of s standardised over the batch, and alpha is learnt.

    In use the mean and deviation are those remembered from training, so an answer depends on no other. They are
    remembered with a tenth of each batch.

    Source: DIN, arXiv:1706.06978, section 5.2; alpha begins at 0, as the authors' code has it.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def forward(self, values: Float[Tensor, "some width"]) -> Float[Tensor, "some width"]:
        """Each coordinate on its own."""
        several = self.training and len(values) > 1  # one value has no deviation
        standard = batch_norm(values.float(), self.mean, self.variance, training=several, momentum=0.1, eps=1e-8)
        return values * torch.addcmul(self.alpha, 1 - self.alpha, torch.sigmoid(standard))


class Tower(nn.Module):
    """Layers of the `hidden` widths, each with its activation and dropout, and a linear one to the outputs.

    Without hidden widths it is the linear layer alone.
    """

    def __init__(
        self,
        width: int,
        hidden: Sequence[int],
        outputs: int,
        activation: TowerActivation = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        widths = [width, *hidden]
        self.layers = nn.Sequential()
        for before, after in pairwise(widths):
            self.layers.extend([nn.Linear(before, after), unit(activation, after), Dropout(dropout)])
        self.out = nn.Linear(widths[-1], outputs)

    def forward(self, vectors: Float[Tensor, "some width"]) -> Float[Tensor, "some outputs"]:
        """Each vector on its own, but for what `Dice` learns of all."""
        outputs: Tensor = self.out(self.layers(vectors))
        return outputs


def unit(name: TowerActivation, width: int) -> nn.Module:
    """The activation called so, for vectors of this width."""
    if name == "dice":
        return Dice(width)
    return nn.PReLU(width) if name == "prelu" else nn.ReLU()
