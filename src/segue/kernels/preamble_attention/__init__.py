"""Causal attention over packed rows that all stand behind one text: its keys and values are made once for all of them.

The instruction of a language model's prompt is the same for every user. Packed once, ahead of the rows, it costs one
pass; put before each row, it costs one pass a row.
"""

from __future__ import annotations

import torch
from torch import Tensor

from segue.core.batches import Rows
from segue.core.shapes import Float
from segue.kernels import dispatch
from segue.kernels.packed_attention import packed_attention
from segue.kernels.preamble_attention import cpu, reference


def preamble_attention(
    queries: Float[Tensor, "tokens heads size"],
    keys: Float[Tensor, "tokens groups size"],
    values: Float[Tensor, "tokens groups size"],
    rows: Rows,
    ahead: int,
    scale: float,
) -> Float[Tensor, "tokens heads size"]:
    """softmax(scale q k') v, where row i is `ahead + offsets[i] : ahead + offsets[i + 1]` of the tokens.

    A token of a row sees the first `ahead` tokens, which are the preamble, itself, and what came before it in its row;
    a token of the preamble sees itself and the preamble before it. Neighbouring heads share the keys and values of
    their group (grouped-query attention), so there are a whole number of heads to a group.
    """
    tokens, heads, size = queries.shape
    if keys.shape[1] != heads:
        keys, values = (part.repeat_interleave(heads // part.shape[1], dim=1) for part in (keys, values))
    if not ahead:
        together = torch.stack([queries, keys, values], dim=1)
        return packed_attention(together, rows, causal=True, scale=scale).view(tokens, heads, size)
    implementation = cpu if dispatch.choose(queries.device) == "cpu" else reference
    return implementation.attention(queries, keys, values, rows, ahead, scale)
