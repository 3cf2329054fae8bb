"""A few rows at a time as rectangles of keys and queries, the queries in strips that compute no key beyond their last.

Queries come oldest first within a row, so the strips of a whole history do half the work of its square. Weights of a
strip stay in the cache and are computed again in the backward pass. Padding is read from and written to one spare row
at the end of every packed tensor. Measured in `benchmarks/ours/dual_flow.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from segue.core.batches import Rows
from segue.kernels.hstu_attention.reference import BUCKET

CHUNK_BYTES = 2 << 20
"""Attention weights alive at once."""
STRIP = 64
"""Queries of a row that are computed at once."""


def attention(
    q: Tensor, k: Tensor, v: Tensor, rows: Rows, owners: Tensor, at: Tensor, places: Tensor, position_bias: Tensor,
    time_bias: Tensor | None, query_times: Tensor | None, key_times: Tensor | None, constant: float,
) -> Tensor:  # fmt: skip
    """See `hstu_candidate_attention`."""
    asked = _Asked(rows, owners, at, places, query_times, key_times, constant)
    mixed: Tensor = _HstuCandidateAttention.apply(q, k, v, position_bias, time_bias, asked)
    return mixed


class _Asked:
    """What does not learn: which query sees which keys, from how far."""

    def __init__(
        self, rows: Rows, owners: Tensor, at: Tensor, places: Tensor, query_times: Tensor | None,
        key_times: Tensor | None, constant: float,
    ) -> None:  # fmt: skip
        self.rows, self.owners, self.constant = rows, owners, constant
        self.at, self.places = _spare(at), _spare(places)
        self.query_times = None if query_times is None else _spare(query_times).double()
        self.key_times = None if key_times is None else _spare(key_times).double()

    def chunks(self, heads: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Queries `[rows, most]` and keys `[rows, longest]` of some rows, as places in the packed tensors.

        Rows with about as many queries go together, in the order of their keys.
        """
        at, spare_query, spare_key = self.at[:-1], len(self.at) - 1, int(self.rows.offsets[-1])
        counts = torch.bincount(self.owners, minlength=len(self.rows))
        extents = counts.new_zeros(len(self.rows)).scatter_reduce(0, self.owners, at, "amax")
        firsts, longest = counts.cumsum(0) - counts, extents.max() + 1 if len(extents) else 1
        sizes = (counts - 1).clamp_min(0).double().add(1).log2().ceil().long()
        order = (sizes * longest + extents).argsort()
        order = order[extents[order] > 0]
        costs = (counts.clamp_max(STRIP) * extents * heads * 4)[order].cumsum(0) // CHUNK_BYTES
        _, together = torch.unique_consecutive(
            sizes[order] * (costs.max() + 1 if len(costs) else 1) + costs, return_counts=True
        )
        for some in order.split(together.tolist()):
            queries = _laid(firsts[some], counts[some], spare_query)
            yield queries, _laid(self.rows.offsets[some], extents[some], spare_key)

    def strips(
        self, queries: Tensor, keys: Tensor, position_bias: Tensor, time_bias: Tensor | None
    ) -> Iterator[_Strip]:
        """The queries of a chunk a few columns at a time."""
        for first in range(0, queries.shape[1], STRIP):
            strip = queries[:, first : first + STRIP]
            last = int(self.at[strip].max())
            if last:
                yield _Strip(self, slice(first, first + STRIP), strip, keys[:, :last], position_bias, time_bias)


class _Strip:
    """Some queries of each row of a chunk and the keys that any of them sees."""

    def __init__(
        self, asked: _Asked, columns: slice, queries: Tensor, keys: Tensor, position_bias: Tensor,
        time_bias: Tensor | None,
    ) -> None:  # fmt: skip
        self.columns, self.last = columns, keys.shape[1]
        steps = torch.arange(self.last)
        # The bias of a query at place p is the table read backwards from p: one stretch of the turned table.
        self.starts = len(position_bias) - 1 - asked.places[queries]
        self.bias = _turned(position_bias, self.last).unfold(0, self.last, 1)[self.starts]  # rows queries keys
        self.buckets = None
        if time_bias is not None and asked.query_times is not None and asked.key_times is not None:
            apart = asked.query_times[queries][:, :, None] - asked.key_times[keys][:, None, :]
            apart.abs_().clamp_min_(1).log_().div_(BUCKET).clamp_max_(len(time_bias) - 1)
            self.buckets = apart.long()  # rounds towards zero, which is down
            self.bias = self.bias + time_bias[self.buckets]
        self.sees = (steps < asked.at[queries][:, :, None]).to(position_bias.dtype).div_(asked.constant)

    def logits(self, q: Tensor, k: Tensor) -> Tensor:
        """q k' + bias, `[heads, rows, queries, keys]`."""
        heads = len(q) // len(self.bias)
        return torch.bmm(q, k.transpose(1, 2)).view(heads, *self.bias.shape).add_(self.bias)

    def positions(self) -> Tensor:
        """The place in the turned table of each bias."""
        return self.starts[:, :, None] + torch.arange(self.last)


class _HstuCandidateAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, position_bias: Tensor, time_bias: Tensor | None, asked: _Asked
    ) -> Tensor:
        ctx.save_for_backward(q, k, v, position_bias, time_bias)
        ctx.asked = asked
        queries, keys, values = _by_head(q), _by_head(k), _by_head(v)
        mixed = values.new_zeros(len(values), len(q) + 1, values.shape[-1])
        biases = position_bias.to(q.dtype), None if time_bias is None else time_bias.to(q.dtype)
        for shown, seen in asked.chunks(len(queries)):
            q_some, k_some, v_some = _cut(queries, shown), _cut(keys, seen), _cut(values, seen)
            out = v_some.new_zeros(len(v_some), shown.shape[1], v_some.shape[-1])
            for strip in asked.strips(shown, seen, *biases):
                logits = strip.logits(q_some[:, strip.columns], k_some[:, : strip.last])
                weights = torch.nn.functional.silu(logits, inplace=True).mul_(strip.sees).flatten(0, 1)
                out[:, strip.columns] = torch.bmm(weights, v_some[:, : strip.last])
            mixed[:, shown] = out.view(len(values), *shown.shape, -1)
        return mixed[:, :-1].transpose(0, 1).flatten(1)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, position_bias, time_bias = ctx.saved_tensors
        asked: _Asked = ctx.asked
        queries, keys, values = _by_head(q), _by_head(k), _by_head(v)
        above = _by_head(upstream[0].view(len(q), *v.shape[1:]))
        of_q, of_k, of_v = torch.zeros_like(queries), torch.zeros_like(keys), torch.zeros_like(values)
        wide = torch.float64 if q.dtype == torch.float64 else torch.float32
        turned = torch.zeros_like(_turned(position_bias, int(asked.at.max())), dtype=wide)
        of_time = None if time_bias is None else torch.zeros_like(time_bias, dtype=wide)
        biases = position_bias.to(q.dtype), None if time_bias is None else time_bias.to(q.dtype)
        heads = len(queries)
        for shown, seen in asked.chunks(heads):
            q_some, k_some, v_some = _cut(queries, shown), _cut(keys, seen), _cut(values, seen)
            out_some, of_q_some = _cut(above, shown), torch.zeros_like(q_some)
            of_k_some, of_v_some = torch.zeros_like(k_some), torch.zeros_like(v_some)
            for strip in asked.strips(shown, seen, *biases):
                columns, until = strip.columns, slice(strip.last)
                of_out = out_some[:, columns]
                logits = strip.logits(q_some[:, columns], k_some[:, until])
                gates = torch.sigmoid(logits)
                slopes = torch.addcmul(gates, logits * gates, 1 - gates).mul_(strip.sees)  # d silu = s + x s (1 - s)
                weights = logits.mul_(gates).mul_(strip.sees).flatten(0, 1)
                of_v_some[:, until] += torch.bmm(weights.transpose(1, 2), of_out)
                of_logits = torch.bmm(of_out, v_some[:, until].transpose(1, 2)).view(slopes.shape).mul_(slopes)
                by_row = of_logits.flatten(0, 1)
                of_q_some[:, columns] = torch.bmm(by_row, k_some[:, until])
                of_k_some[:, until] += torch.bmm(by_row.transpose(1, 2), q_some[:, columns])
                of_bias = of_logits.sum(0, dtype=wide).flatten()
                turned.index_add_(0, strip.positions().flatten(), of_bias)
                if of_time is not None and strip.buckets is not None:
                    of_time += torch.bincount(strip.buckets.flatten(), of_bias, minlength=len(of_time))
            for whole, part, cells in ((of_q, of_q_some, shown), (of_k, of_k_some, seen), (of_v, of_v_some, seen)):
                whole[:, cells] = part.view(heads, *cells.shape, -1)
        of_position = turned[: len(position_bias)].flip(0).to(position_bias.dtype)
        of_time = None if of_time is None or time_bias is None else of_time.to(time_bias.dtype)
        slopes_of = (part[:, :-1].transpose(0, 1) for part in (of_q, of_k, of_v))
        return *slopes_of, of_position, of_time, None


def _by_head(packed: Tensor) -> Tensor:
    """`[heads, tokens + 1, size]`, the last a spare one of zeros."""
    moved = packed.new_zeros(packed.shape[1], len(packed) + 1, packed.shape[2])
    moved[:, :-1] = packed.transpose(0, 1)
    return moved


def _cut(by_head: Tensor, cells: Tensor) -> Tensor:
    """The chosen tokens as `[heads * rows, columns, size]`."""
    return by_head[:, cells].flatten(0, 1)


def _spare(values: Tensor) -> Tensor:
    """With one more value, 0, for padding."""
    return torch.cat([values, values.new_zeros(1)])


def _laid(firsts: Tensor, counts: Tensor, spare: int) -> Tensor:
    """Where the tokens of each row lie, padded on the right with the spare one."""
    steps = torch.arange(int(counts.max()))
    return torch.where(steps < counts[:, None], firsts[:, None] + steps, spare)


def _turned(position_bias: Tensor, longest: int) -> Tensor:
    """The table from the largest distance to 0, and zeros for what lies ahead of a query and is not seen."""
    return torch.cat([position_bias.flip(0), position_bias.new_zeros(longest)])
