"""HSTU's attention over packed rows: SiLU in the place of softmax, so that weights need not sum to one."""

from __future__ import annotations

from torch import Tensor

from segue.core.batches import Rows
from segue.core.shapes import Float, Int
from segue.kernels import dispatch
from segue.kernels.hstu_attention import cpu, reference


def hstu_attention(
    q: Float[Tensor, "tokens heads size"],
    k: Float[Tensor, "tokens heads size"],
    v: Float[Tensor, "tokens heads value_size"],
    rows: Rows,
    *,
    position_bias: Float[Tensor, " distances"],
    time_bias: Float[Tensor, " buckets"] | None,
    query_times: Int[Tensor, " tokens"] | None,
    key_times: Int[Tensor, " tokens"] | None,
    constant: float,
    candidates: int = 0,
) -> Float[Tensor, "tokens heads*value_size"]:
    """SiLU(q k' + bias) v / constant within each row, each token seeing itself and what came before.

    `position_bias[d]` belongs to a key d places before its query; `time_bias[b]` to the bucket of the seconds between
    them, floor(ln(max(|s|, 1)) / 0.301) at most the last. The newest `candidates` tokens of each row see the history
    and themselves but not each other: the target-aware mask.

    Source: HSTU, arXiv:2402.17152; bucket and constant as in the released code.
    """
    implementation = cpu if dispatch.choose(q.device) == "cpu" else reference
    mixed: Tensor = implementation.attention(
        q, k, v, rows, position_bias, time_bias, query_times, key_times, constant, candidates
    )
    return mixed
