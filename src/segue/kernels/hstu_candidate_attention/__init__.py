"""HSTU's attention of any number of queries to a beginning of one row's keys: candidates beside a history read once."""

from __future__ import annotations

from torch import Tensor

from segue.core.batches import Rows
from segue.core.shapes import Float, Int
from segue.kernels import dispatch
from segue.kernels.hstu_candidate_attention import cpu, reference


def hstu_candidate_attention(
    q: Float[Tensor, "shown heads size"],
    k: Float[Tensor, "tokens heads size"],
    v: Float[Tensor, "tokens heads value_size"],
    rows: Rows,
    owners: Int[Tensor, " shown"],
    at: Int[Tensor, " shown"],
    *,
    position_bias: Float[Tensor, " distances"],
    time_bias: Float[Tensor, " buckets"] | None,
    query_times: Int[Tensor, " shown"] | None,
    key_times: Int[Tensor, " tokens"] | None,
    constant: float,
    places: Int[Tensor, " shown"] | None = None,
) -> Float[Tensor, "shown heads*value_size"]:
    """SiLU(q k' + bias) v / constant over the first `at` keys of each query's row; with `at` 0 exactly zero.

    `owners` are the rows of the queries, ascending; rows may be empty. A query stands at `places`, which is `at` unless
    given, and a key where it lies in its row: `position_bias[d]` belongs to a key d places before its query, so there
    are at least `at` + 1 of them. Time buckets as in `hstu_attention`, whose rows are the case `at` = place + 1.

    Source: HSTU, arXiv:2402.17152; which keys a candidate sees from DFGR, arXiv:2505.16752.
    """
    implementation = cpu if dispatch.choose(q.device) == "cpu" else reference
    timed = time_bias is not None and query_times is not None and key_times is not None
    mixed: Tensor = implementation.attention(
        q, k, v, rows, owners, at, at if places is None else places, position_bias,
        time_bias if timed else None, query_times, key_times, constant,
    )  # fmt: skip
    return mixed
