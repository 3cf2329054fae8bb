"""Softmax attention over packed rows: no token attends to another row, and there is no padding to skip."""

from __future__ import annotations

from torch import Tensor

from segue.core.batches import Rows
from segue.core.shapes import Float
from segue.kernels import dispatch
from segue.kernels.packed_attention import cpu, reference


def packed_attention(
    qkv: Float[Tensor, "tokens 3 heads size"],
    rows: Rows,
    *,
    causal: bool,
    scale: float | None = None,
    bias: Float[Tensor, "heads longest longest"] | None = None,
) -> Float[Tensor, "tokens heads*size"]:
    """softmax(scale q k' + bias) v within each row; with `causal`, a token sees itself and what came before.

    `scale` is 1 / sqrt(size) unless given. `bias` is added to the logits by place of query and key.
    """
    chosen = dispatch.choose(qkv.device)
    implementation = cpu if chosen == "cpu" else reference
    return implementation.attention(qkv, rows, causal, qkv.shape[-1] ** -0.5 if scale is None else scale, bias)
