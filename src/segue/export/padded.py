"""Rows of equal length filled up on the right: the pieces that all graphs share.

Nothing here asks a tensor for a number, so that the number of users and the length of histories stay open.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, silu

from segue.backbones.hstu import _Layer as HstuLayer
from segue.backbones.hstu import _Trunk as HstuTrunk
from segue.core.shapes import Bool, Float, Int
from segue.kernels.hstu_attention.reference import time_buckets
from segue.layers.attention import SelfAttention
from segue.layers.transformer import Residual, Transformer

KeysValues = tuple[Tensor, Tensor]
"""`[users, heads, length, size]` of each."""
Facts = Mapping[str, Tensor]
"""By `user_NAME` (`[users]`) and `place_NAME` (`[users, candidates]`)."""


class Padded(NamedTuple):
    """What a ranker is asked, in rows of equal length."""

    items: Int[Tensor, "users length"]
    lengths: Int[Tensor, " users"]
    actions: Float[Tensor, "users length actions"]
    candidates: Int[Tensor, "users candidates"]
    times: Int[Tensor, "users length"] | None
    asked_at: Int[Tensor, " users"] | None
    facts: Facts


class Newest(nn.Module):
    """Moves the newest events of each row to its beginning; what came before them is forgotten.

    With a `step` above 1 a row may keep up to `step` - 1 events more: its window begins where the surplus is rounded
    down to whole steps, as rankers read histories.
    """

    def __init__(self, window: int, step: int = 1) -> None:
        super().__init__()
        self.window, self.step = window, step

    def forward(self, lengths: Int[Tensor, " users"], width: int) -> tuple[Tensor, Tensor]:
        """How many events each row keeps, and where each of its places is filled from."""
        surplus = (lengths - self.window).clamp_min(0)
        begin = torch.div(surplus, self.step, rounding_mode="floor") * self.step
        places = torch.arange(width, device=lengths.device) + begin[:, None]
        return lengths - begin, torch.minimum(places, (lengths - 1).clamp_min(0)[:, None])

    @property
    def longest(self) -> int:
        """The most events that a row keeps."""
        return self.window + self.step - 1


def filled(lengths: Int[Tensor, " users"], width: int) -> Bool[Tensor, "users width"]:
    """Which places hold an event."""
    return torch.arange(width, device=lengths.device) < lengths[:, None]


def sees(lengths: Int[Tensor, " users"], width: int, *, causal: bool) -> Bool[Tensor, "users w w"]:
    """Which key (last axis) each query looks at; a place without an event looks at itself, so that nobody sees nothing.

    What stands there is never read.
    """
    steps = torch.arange(width, device=lengths.device)
    keys = filled(lengths, width)[:, None, :]
    if causal:
        keys = keys & (steps[None, :] <= steps[:, None])
    return keys | (steps[None, :] == steps[:, None])


def at(values: Float[Tensor, "users width size"], places: Int[Tensor, " users"]) -> Float[Tensor, "users size"]:
    """The vector at one place of each row."""
    index = places.clamp_min(0)[:, None, None].expand(-1, 1, values.shape[2])
    return values.gather(1, index)[:, 0]


def softmax_attention(
    queries: Tensor, keys: Tensor, values: Tensor, seen: Tensor, scale: float, bias: Tensor | None = None
) -> Tensor:
    """`[users, heads, queries, size]`; `seen` and `bias` are broadcast over what they lack."""
    logits = scale * (queries @ keys.transpose(2, 3))
    if bias is not None:
        logits = logits + bias
    return torch.softmax(logits.masked_fill(~seen, -torch.inf), dim=-1) @ values


class PaddedTransformer(nn.Module):
    """The stack of `layers.transformer.Transformer`, with its own weights, over padded rows."""

    def __init__(self, trunk: Transformer, length: int) -> None:
        super().__init__()
        self.trunk, self.length, self.causal = trunk, length, trunk.whole

    def forward(
        self, vectors: Float[Tensor, "users width size"], lengths: Int[Tensor, " users"]
    ) -> tuple[Float[Tensor, "users width size"], list[KeysValues]]:
        """The hidden vectors, and keys and values layer by layer."""
        users, width, _ = vectors.shape
        places = torch.arange(width, device=lengths.device).clamp_max(self.length - 1)
        positions = places.expand(users, width)
        hidden = self.trunk.entering(vectors, positions)
        seen = sees(lengths, width, causal=self.causal)[:, None]
        kept: list[KeysValues] = []
        for block in self.blocks:
            entering = block.entering(hidden)
            if isinstance(block.brick, SelfAttention):
                query, key, value = heads_of(block.brick, entering, positions)
                kept.append((key, value))
                mixed = softmax_attention(query, key, value, seen, query.shape[-1] ** -0.5)
                added = block.brick.out(mixed.transpose(1, 2).flatten(2))
            else:
                added = block.brick(entering)
            hidden = block._leaving(hidden, entering, added)
        return self.leaving(hidden), kept

    def beside(
        self,
        vectors: Float[Tensor, "users asked size"],
        positions: Int[Tensor, "users asked"],
        context: list[KeysValues],
        seen: Bool[Tensor, "users length"],
        own: list[list[KeysValues]],
    ) -> Float[Tensor, "users asked size"]:
        """Tokens that stand behind a context and see it, what they wrote before, and themselves, but not each other.

        `own` has, layer by layer, keys and values `[users, asked, heads, size]` of what each wrote before, and grows.
        """
        hidden = self.trunk.entering(vectors, positions)
        layers = iter(zip(context, own, strict=True))
        for block in self.blocks:
            entering = block.entering(hidden)
            if isinstance(block.brick, SelfAttention):
                query, key, value = heads_of(block.brick, entering, positions)
                (keys, values), before = next(layers)
                before.append((key.transpose(1, 2), value.transpose(1, 2)))
                mixed = attend_beside(query.transpose(1, 2), keys, values, seen, before, query.shape[-1] ** -0.5)
                added = block.brick.out(mixed.flatten(2))
            else:
                added = block.brick(entering)
            hidden = block._leaving(hidden, entering, added)
        return self.leaving(hidden)

    def leaving(self, hidden: Tensor) -> Tensor:
        """What the stack says at the end."""
        return hidden if self.trunk.final is None else self.trunk.final(hidden)

    @property
    def blocks(self) -> list[Residual]:
        """Attention and feed-forward in turn."""
        return cast(list[Residual], list(self.trunk.blocks))


def attend_beside(
    queries: Float[Tensor, "users asked heads size"],
    keys: Float[Tensor, "users heads length size"],
    values: Float[Tensor, "users heads length size"],
    seen: Bool[Tensor, "users length"],
    own: list[KeysValues],
    scale: float,
) -> Float[Tensor, "users asked heads size"]:
    """Attention of each to the context and to its own tokens, under one softmax."""
    logits = (queries.transpose(1, 2) @ keys.transpose(2, 3)).masked_fill(~seen[:, None, None, :], -torch.inf)
    mine = torch.stack([(queries * key).sum(-1) for key, _ in own], dim=-1).transpose(1, 2)  # users heads asked own
    weights = torch.softmax(scale * torch.cat([logits, mine], dim=-1), dim=-1)
    count = len(own)
    mixed = (weights[..., :-count] @ values).transpose(1, 2)
    for place, (_, value) in enumerate(own):
        mixed = mixed + weights[..., place - count].transpose(1, 2)[..., None] * value
    return mixed


def heads_of(brick: SelfAttention, vectors: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of padded rows, `[users, heads, length, size]` each, turned by their places."""
    users, width, size = vectors.shape
    parts = brick.qkv(vectors).view(users, width, 3, brick.heads, size // brick.heads)
    query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
    if brick.rotary is not None:
        cos, sin = (angles[positions][:, None] for angles in (brick.rotary.cos, brick.rotary.sin))
        query, key = _turned(query, cos, sin), _turned(key, cos, sin)
    return query, key, value


def _turned(vectors: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = vectors.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


class PaddedHstu(nn.Module):
    """HSTU's trunk, with its own weights, over padded rows and, for rankers, candidates beside them.

    `timed` says whether there are times at all: without, the time bias plays no part.
    """

    def __init__(self, trunk: HstuTrunk, length: int, *, timed: bool) -> None:
        super().__init__()
        self.trunk, self.length, self.timed = trunk, length, timed

    def forward(
        self,
        vectors: Float[Tensor, "users width size"],
        lengths: Int[Tensor, " users"],
        asked: Int[Tensor, "users width"] | None,
        times: Int[Tensor, "users width"] | None,
    ) -> tuple[Float[Tensor, "users width size"], list[KeysValues]]:
        """The hidden vectors, and keys and values layer by layer; `asked` is when each event looks back from."""
        width = vectors.shape[1]
        steps = torch.arange(width, device=lengths.device)
        hidden = vectors + self.trunk.places(steps.clamp_max(self.length - 1))
        seen = filled(lengths, width)[:, None, :] & (steps[None, :] <= steps[:, None])
        apart = (steps[:, None] - steps[None, :]).clamp(0, self.length - 1)[None]
        kept: list[KeysValues] = []
        for layer in self.layers:
            gate, query, key, value = _parts(layer, hidden)
            kept.append((key, value))
            mixed = self._looks(layer, query, key, value, seen, apart, asked, times)
            hidden = layer.mixed(hidden, gate, mixed)
        return hidden, kept

    def judge(
        self,
        vectors: Float[Tensor, "users shown size"],
        lengths: Int[Tensor, " users"],
        context: list[KeysValues],
        asked_at: Int[Tensor, " users"] | None,
        times: Int[Tensor, "users width"] | None,
    ) -> Float[Tensor, "users shown size"]:
        """The hidden vectors of candidates behind the events of their row."""
        shown, width = vectors.shape[1], context[0][0].shape[2]
        hidden = vectors + self.trunk.places(lengths.clamp_max(self.length - 1))[:, None]
        steps = torch.arange(width, device=lengths.device)
        seen = filled(lengths, width)[:, None, :].expand(-1, shown, -1)
        apart = (lengths[:, None] - steps).clamp(0, self.length - 1)[:, None]
        asked = None if asked_at is None else asked_at[:, None]
        for layer, (keys, values) in zip(self.layers, context, strict=True):
            gate, query, key, value = _parts(layer, hidden)
            mixed = self._looks(layer, query, keys, values, seen, apart, asked, times)
            if layer.part.own:
                bias = layer.position_bias[0]
                if self.timed and layer.time_bias is not None:
                    bias = bias + layer.time_bias[0]
                weights = silu((query * key).sum(-1, keepdim=True) + bias) / layer.constant
                mixed = mixed + (weights * value).transpose(1, 2).flatten(2)
            hidden = layer.mixed(hidden, gate, mixed)
        return hidden

    def _looks(
        self,
        layer: HstuLayer,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        seen: Tensor,
        apart: Tensor,
        asked: Tensor | None,
        times: Tensor | None,
    ) -> Tensor:
        bias = layer.position_bias[apart]
        if self.timed and layer.time_bias is not None and asked is not None and times is not None:
            buckets = time_buckets(asked[:, :, None] - times[:, None, :], layer.time_bias.shape[0])
            bias = bias + layer.time_bias[buckets]
        weights = silu(query @ keys.transpose(2, 3) + bias[:, None]) / layer.constant
        mixed = weights.masked_fill(~seen[:, None], 0.0) @ values
        return mixed.transpose(1, 2).flatten(2)

    @property
    def layers(self) -> list[HstuLayer]:
        """The lowest first."""
        return self.trunk.stack


def _parts(layer: HstuLayer, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gate; query, key and value by heads."""
    users, width, _ = vectors.shape
    normed = layer_norm(vectors, vectors.shape[-1:], eps=1e-6)
    gate, value, query, key = silu(layer.project(normed)).chunk(4, dim=-1)
    shape = (users, width, layer.part.heads, layer.part.head_width)
    query, key, value = (part.view(shape).transpose(1, 2) for part in (query, key, value))
    return gate, query, key, value
