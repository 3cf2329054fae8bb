"""Attention of many queries a user to one context a user: the context is read where it lies and never repeated."""

from __future__ import annotations

from torch import Tensor

from segue.core.batches import Rows
from segue.core.shapes import Float
from segue.kernels import dispatch
from segue.kernels.shared_context_attention import blocks, reference


def shared_context_attention(
    queries: Float[Tensor, "users queries heads size"],
    keys: Float[Tensor, "tokens heads size"],
    values: Float[Tensor, "tokens heads size"],
    rows: Rows,
    scale: float,
    own_logits: Float[Tensor, "users queries heads own"] | None = None,
) -> tuple[Float[Tensor, "users queries heads size"], Float[Tensor, "users queries heads own"] | None]:
    """softmax(scale q k') v over the packed context of each query's user; no row of the context may be empty.

    With `own_logits`, the softmax also runs over these, and their weights come back as the second result: what a query
    takes from its own prefix is added by the caller, because each prefix has its own.
    """
    chosen = dispatch.choose(queries.device)
    implementation = blocks if chosen == "cpu" else reference
    return implementation.attention(queries, keys, values, rows, scale, own_logits)
