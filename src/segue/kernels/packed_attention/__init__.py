"""Softmax attention over packed rows: no token attends to another row, and there is no padding to skip."""

from __future__ import annotations

from torch import Tensor

from segue.core.batches import Rows
from segue.core.shapes import Float
from segue.kernels import dispatch
from segue.kernels.packed_attention import cpu, reference


def packed_attention(
    qkv: Float[Tensor, "tokens 3 heads size"], rows: Rows, *, causal: bool
) -> Float[Tensor, "tokens heads*size"]:
    """softmax(q k' / sqrt(size)) v within each row; with `causal`, a token sees itself and what came before."""
    chosen = dispatch.choose(qkv.device)
    return cpu.attention(qkv, rows, causal) if chosen == "cpu" else reference.attention(qkv, rows, causal)
