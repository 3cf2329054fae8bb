"""The position-wise network between attentions: plain with ReLU or GELU, or gated (SwiGLU)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import gelu, relu, silu

from segue.core.shapes import Float

Activation = Literal["relu", "gelu", "swiglu"]


class FeedForward(nn.Module):
    """Out of `width` into `inner` and back.

    'gelu' is its tanh form. 'swiglu' multiplies SiLU(x A) with x B (arXiv:2002.05202) and so has three matrices.
    """

    def __init__(self, width: int, inner: int, activation: Activation, *, bias: bool = True) -> None:
        super().__init__()
        self.activation = activation
        self.widen = nn.Linear(width, 2 * inner if activation == "swiglu" else inner, bias=bias)
        self.narrow = nn.Linear(inner, width, bias=bias)

    def forward(self, vectors: Float[Tensor, "*tokens width"]) -> Float[Tensor, "*tokens width"]:
        """Each token's vector on its own."""
        wide = self.widen(vectors)
        if self.activation == "swiglu":
            gate, value = wide.chunk(2, dim=-1)
            wide = silu(gate) * value
        else:
            wide = relu(wide) if self.activation == "relu" else gelu(wide, approximate="tanh")
        narrow: Tensor = self.narrow(wide)
        return narrow
