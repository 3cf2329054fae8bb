"""Self-attention over packed rows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segue.core.batches import Rows
from segue.core.shapes import Float
from segue.kernels.packed_attention import packed_attention
from segue.layers.rotary import Rotary


class SelfAttention(nn.Module):
    """Multi-head softmax attention within each row; `rotary` turns queries and keys by their places first."""

    def __init__(
        self, width: int, heads: int, *, causal: bool, rotary: Rotary | None = None, bias: bool = True
    ) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.out = nn.Linear(width, width, bias=bias)
        self.rotary = rotary

    def forward(self, vectors: Float[Tensor, "tokens width"], rows: Rows) -> Float[Tensor, "tokens width"]:
        """What each token gathers from the tokens of its row that it may see."""
        qkv = self.qkv(vectors).view(len(vectors), 3, self.heads, -1)
        if self.rotary is not None:
            qkv = torch.cat([self.rotary(qkv[:, :2], rows.positions), qkv[:, 2:]], dim=1)
        mixed: Tensor = self.out(packed_attention(qkv, rows, causal=self.causal))
        return mixed
