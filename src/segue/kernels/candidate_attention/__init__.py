"""Softmax attention of candidates: each to the beginning of its row that it may see, and to itself."""

from __future__ import annotations

from torch import Tensor

from segue.core.batches import Rows
from segue.core.impressions import Candidates
from segue.core.shapes import Float
from segue.kernels import dispatch
from segue.kernels.candidate_attention import cpu, reference


def candidate_attention(
    queries: Float[Tensor, "shown heads size"],
    keys: Float[Tensor, "tokens heads size"],
    values: Float[Tensor, "tokens heads size"],
    rows: Rows,
    candidates: Candidates,
    own_keys: Float[Tensor, "shown heads size"],
    own_values: Float[Tensor, "shown heads size"],
) -> Float[Tensor, "shown heads*size"]:
    """softmax(q k' / sqrt(size)) v over the first `at` tokens of the candidate's row and the candidate itself.

    Rows may be empty, and `at` may be 0: then the candidate sees itself alone.
    """
    chosen = dispatch.choose(queries.device)
    implementation = cpu if chosen == "cpu" else reference
    return implementation.attention(queries, keys, values, rows, candidates, own_keys, own_values)
