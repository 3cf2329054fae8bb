"""HSTU: attention without softmax, gated by its own input, with position and time bias and no feed-forward."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import layer_norm, linear, silu

from segue.core.batches import Rows, SequenceBatch
from segue.core.forms import Backbone
from segue.core.impressions import Candidates
from segue.core.shapes import Float, Int
from segue.kernels.hstu_attention import hstu_attention
from segue.kernels.hstu_attention.reference import time_buckets
from segue.kernels.hstu_candidate_attention import hstu_candidate_attention
from segue.layers.dropout import Dropout
from segue.layers.judging import Context, Judging, grown
from segue.layers.reading_on import Clock, Growth, stacked

BUCKETS = 129
"""Time buckets, each 0.301 wide in natural logarithms of seconds."""


class Hstu(Backbone):
    """The hierarchical sequential transduction unit (arXiv:2402.17152, section 3; the released research code).

    With `timed` and timestamps in the batch, the bias looks at the seconds between the key and the event *to be
    predicted*, as the released code does. Where a protocol hides that time, the query's own time stands in for it:
    the fingerprint says which. The constant that divides the weights is the maximum length, not a row's own.

    The trunk also judges candidates beside a history that is read once (`Judging`): one that sees the first n events
    stands at place n, and its time is that of its request, while events look back from their own time. So the length
    it is built for is one more than the longest history that is judged. Source: DFGR, arXiv:2505.16752, whose fake
    flow these candidates are.
    """

    width: PositiveInt = 50
    """Size of the hidden vectors."""
    depth: PositiveInt = 2
    """Number of layers."""
    heads: PositiveInt = 1
    """Attention heads."""
    head_width: PositiveInt = 50
    """Size of queries, keys and values in one head."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of values zeroed in training, at the input and before each layer's output product."""
    timed: bool = True
    """Use the time bias where the batch has timestamps."""
    candidates: NonNegativeInt = 0
    """The newest tokens that see the history and themselves but not each other (the target-aware mask)."""
    own: bool = False
    """Whether who is judged also attends to itself, as events do; DFGR's candidates see the history alone."""
    spread: PositiveFloat = 0.02
    """Standard deviation of the weights of gates, queries, keys and values at the start."""

    def build(self, length: int) -> nn.Module:
        """The trunk for histories of at most `length` tokens."""
        return _Trunk(self, length)


class _Trunk(Judging):
    def __init__(self, part: Hstu, length: int) -> None:
        super().__init__()
        self.timed = part.timed
        self.reads_on = part.candidates == 0  # else an event that was among the newest changes what it sees
        self.places = nn.Embedding(length, part.width)
        nn.init.trunc_normal_(self.places.weight, std=part.width**-0.5)
        self.dropout = Dropout(part.dropout)
        self.layers = nn.ModuleList(_Layer(part, length) for _ in range(part.depth))

    @property
    def stack(self) -> list[_Layer]:
        """The layers, the lowest first."""
        return cast(list[_Layer], list(self.layers))

    def forward(self, vectors: Float[Tensor, "tokens width"], batch: SequenceBatch) -> Float[Tensor, "tokens width"]:
        asked = batch.timestamps if batch.next_timestamps is None else batch.next_timestamps
        return self._through(vectors, batch.rows, Clock(batch.timestamps, asked), None)

    def read_all(
        self, vectors: Float[Tensor, "tokens width"], rows: Rows, clock: Clock
    ) -> tuple[Float[Tensor, "tokens width"], Float[Tensor, "tokens layers 2 heads size"]]:
        layers: list[tuple[Tensor, Tensor]] = []
        states = self._through(vectors, rows, clock, layers)
        return states, stacked(layers)

    def read_on(
        self,
        vectors: Float[Tensor, "new width"],
        growth: Growth,
        kept: Float[Tensor, "tokens layers 2 heads size"],
        clock: Clock,
    ) -> Float[Tensor, "new width"]:
        vectors = self.dropout(vectors + self.places(growth.places))
        distances = (growth.asking[:, :, None] - growth.steps).clamp_min(0)
        buckets = None
        if self.timed and clock.asked is not None and clock.happened is not None:
            asked = growth.laid(clock.asked[growth.new])
            buckets = time_buckets(asked[:, :, None] - growth.wholly(clock.happened)[:, None, :], BUCKETS)
        for layer, known in zip(self.stack, kept.unbind(1), strict=True):
            gate, query, key, value = layer.parts(vectors)
            known[growth.new] = torch.stack([key, value], dim=1)
            vectors = layer.mixed(vectors, gate, layer.looks_on(query, known, growth, distances, buckets))
        return vectors

    def _through(self, vectors: Tensor, rows: Rows, clock: Clock, keep: list[tuple[Tensor, Tensor]] | None) -> Tensor:
        vectors = self.dropout(vectors + self.places(rows.positions))
        for layer in self.layers:
            vectors = layer(vectors, rows, clock, keep)
        return vectors

    def read(
        self,
        vectors: Float[Tensor, "tokens width"],
        rows: Rows,
        times: Int[Tensor, " tokens"] | None = None,
        *,
        states: bool = False,
    ) -> Context:
        nothing = Rows(torch.zeros_like(rows.offsets))
        return self.append(
            Context(nothing, [], None if times is None else times[:0]), vectors, rows, times, states=states
        )

    def append(
        self,
        context: Context,
        vectors: Float[Tensor, "new width"],
        rows: Rows,
        times: Int[Tensor, " new"] | None = None,
        *,
        states: bool = False,
    ) -> Context:
        merged, order = grown(context.rows, rows)
        places = context.rows.lengths[rows.owners] + rows.positions
        known = None if times is None or context.times is None else torch.cat([context.times, times])[order]
        asking = _Asking(merged, rows.owners, places + 1, places, times, known)
        vectors = self.dropout(vectors + self.places(places))
        layers = []
        for depth, layer in enumerate(self.stack):
            saves = not states and depth == len(self.layers) - 1
            gate, query, key, value = layer.parts(vectors, saves)
            if context.layers:
                key, value = (
                    torch.cat([old, new])[order] for old, new in zip(context.layers[depth], (key, value), strict=True)
                )
            layers.append((key, value))
            if not saves:
                vectors = layer.mixed(vectors, gate, layer.looks(query, key, value, asking))
        return Context(merged, layers, known, vectors if states else None)

    def judge(
        self, context: Context, vectors: Float[Tensor, "shown width"], candidates: Candidates
    ) -> Float[Tensor, "shown width"]:
        owners, at, times = candidates
        asking = _Asking(context.rows, owners, at, at, times, context.times)
        vectors = self.dropout(vectors + self.places(at))
        for layer, (keys, values) in zip(self.stack, context.layers, strict=True):
            gate, query, key, value = layer.parts(vectors)
            mixed = layer.looks(query, keys, values, asking)
            if layer.part.own:
                mixed = mixed + layer.looks_at_itself(query, key, value, asking)
            vectors = layer.mixed(vectors, gate, mixed)
        return vectors


class _Asking(NamedTuple):
    """Who looks at how much of which rows, from where and when."""

    rows: Rows
    owners: Tensor
    at: Tensor
    places: Tensor
    times: Tensor | None
    key_times: Tensor | None


class _Layer(nn.Module):
    def __init__(self, part: Hstu, length: int) -> None:
        super().__init__()
        self.part, self.constant = part, float(length)
        inner = part.heads * part.head_width
        self.project = nn.Linear(part.width, 4 * inner, bias=False)
        nn.init.normal_(self.project.weight, std=part.spread)
        self.out = nn.Linear(inner, part.width)
        nn.init.xavier_uniform_(self.out.weight)
        self.position_bias = nn.Parameter(nn.init.normal_(self.project.weight.new_empty(length), std=0.02))
        time_bias = nn.init.normal_(self.project.weight.new_empty(BUCKETS), std=0.02)
        self.time_bias = nn.Parameter(time_bias) if part.timed else None
        self.dropout = Dropout(part.dropout)

    def forward(self, vectors: Tensor, rows: Rows, clock: Clock, keep: list[tuple[Tensor, Tensor]] | None) -> Tensor:
        gate, query, key, value = self.parts(vectors)
        if keep is not None:
            keep.append((key, value))
        mixed = hstu_attention(
            query,
            key,
            value,
            rows,
            position_bias=self.position_bias,
            time_bias=self.time_bias,
            query_times=clock.asked,
            key_times=clock.happened,
            constant=self.constant,
            candidates=self.part.candidates,
        )
        return self.mixed(vectors, gate, mixed)

    def parts(self, vectors: Tensor, saves: bool = False) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Gate, query, key and value; the first two are empty for who `saves` them, because nobody asks from there."""
        normed = layer_norm(vectors, vectors.shape[-1:], eps=1e-6)
        shape = (len(vectors), self.part.heads, self.part.head_width)
        if saves:
            _, of_value, _, of_key = self.project.weight.chunk(4)
            value, key = silu(linear(normed, torch.cat([of_value, of_key]))).chunk(2, dim=-1)
            return normed[:0], normed[:0], key.reshape(shape), value.reshape(shape)
        gate, value, query, key = silu(self.project(normed)).chunk(4, dim=-1)
        return gate, query.reshape(shape), key.reshape(shape), value.reshape(shape)

    def looks(self, query: Tensor, key: Tensor, value: Tensor, asking: _Asking) -> Tensor:
        """What each one takes from the beginning of its row."""
        return hstu_candidate_attention(
            query,
            key,
            value,
            asking.rows,
            asking.owners,
            asking.at,
            position_bias=self.position_bias,
            time_bias=self.time_bias,
            query_times=asking.times,
            key_times=asking.key_times,
            constant=self.constant,
            places=asking.places,
        )

    def looks_on(
        self, query: Tensor, known: Tensor, growth: Growth, distances: Tensor, buckets: Tensor | None
    ) -> Tensor:
        """What each new token takes from its row; the same as `looks` for few queries, without its preparations."""
        keys, values = growth.wholly(known).permute(2, 0, 3, 1, 4)  # 2 some heads longest size
        bias = self.position_bias[distances]
        if self.time_bias is not None and buckets is not None:
            bias = bias + self.time_bias[buckets]
        asking = growth.laid(query).transpose(1, 2)
        weights = silu(asking @ keys.transpose(2, 3) + bias[:, None].to(query.dtype)) / self.constant
        if growth.sees is not None:
            weights = weights * growth.sees[:, None]
        return growth.taken((weights @ values).transpose(1, 2)).flatten(1)

    def looks_at_itself(self, query: Tensor, key: Tensor, value: Tensor, asking: _Asking) -> Tensor:
        """What each one takes from itself, at no distance in place and time."""
        bias = self.position_bias[0]
        if self.time_bias is not None and asking.times is not None and asking.key_times is not None:
            bias = bias + self.time_bias[0]
        weights = silu((query * key).sum(dim=-1, keepdim=True) + bias.to(query.dtype)) / self.constant
        return (weights * value).flatten(1)

    def mixed(self, vectors: Tensor, gate: Tensor, mixed: Tensor) -> Tensor:
        """The layer's output."""
        gated = gate * layer_norm(mixed, mixed.shape[-1:], eps=1e-6)
        out: Tensor = vectors + self.out(self.dropout(gated))
        return out
