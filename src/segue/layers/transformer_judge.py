"""A causal transformer that judges candidates: each stands right behind the events that it may see."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import cast

import torch
from torch import Tensor

from segue.core.batches import Rows
from segue.core.errors import SettingsError
from segue.core.impressions import Candidates
from segue.core.shapes import Float, Int
from segue.layers.attention import SelfAttention
from segue.layers.judging import Context, Judging, grown
from segue.layers.reading_on import Clock, Growth
from segue.layers.transformer import Residual, Transformer


class TransformerJudge(Judging):
    """A history of n events and a candidate at place n, causal: the candidate sees the events and itself.

    Writing candidates one after another into rows of their own would give the same numbers and read each history once
    for each of them.
    """

    def __init__(self, trunk: Transformer) -> None:
        super().__init__()
        if not trunk.whole:
            raise SettingsError("backbone: only a causal trunk can read a history once for all candidates.")
        self.trunk, self.timed, self.reads_on = trunk, False, True

    def read(
        self,
        vectors: Float[Tensor, "tokens width"],
        rows: Rows,
        times: Int[Tensor, " tokens"] | None = None,
        *,
        states: bool = False,
    ) -> Context:
        """Keys and values of histories."""
        kept: list[tuple[Tensor, Tensor]] = []
        hidden = self.trunk.entering(vectors, rows.positions)
        blocks = list(self._blocks())
        for block in blocks if states else blocks[:-2]:
            hidden = block(hidden, rows, kept)
        if states:
            return Context(rows, kept, times, self._leaving(hidden))
        kept.append(cast(SelfAttention, blocks[-2].brick).keys_and_values(blocks[-2].entering(hidden), rows.positions))
        return Context(rows, kept, times)

    def judge(
        self, context: Context, vectors: Float[Tensor, "shown width"], candidates: Candidates
    ) -> Float[Tensor, "shown width"]:
        """The hidden vector of each candidate."""
        hidden = self.trunk.entering(vectors, candidates.at)
        layers = iter(context.layers)
        for block in self._blocks():
            if isinstance(block.brick, SelfAttention):
                asks = partial(block.brick.judge, context=next(layers), rows=context.rows, candidates=candidates)
                hidden = block.around(hidden, asks)
            else:
                hidden = block.around(hidden, block.brick)
        return self._leaving(hidden)

    def append(
        self,
        context: Context,
        vectors: Float[Tensor, "new width"],
        rows: Rows,
        times: Int[Tensor, " new"] | None = None,
        *,
        states: bool = False,
    ) -> Context:
        """The context after some more events of each row, each a candidate after all before it and then a key.

        Every layer is computed in full, with or without `states`.
        """
        merged, order = grown(context.rows, rows)
        before = context.rows.lengths[rows.owners] + rows.positions

        def together(one: Tensor, other: Tensor) -> Tensor:
            return torch.cat([one, other])[order]

        hidden = self.trunk.entering(vectors, before)
        layers: list[tuple[Tensor, Tensor]] = []
        contexts = iter(context.layers)
        candidates = Candidates(rows.owners, before, None)
        for block in self._blocks():
            if isinstance(block.brick, SelfAttention):
                added = block.brick.keys_and_values(block.entering(hidden), before)
                keys, values = (together(one, other) for one, other in zip(next(contexts), added, strict=True))
                layers.append((keys, values))
                asks = partial(block.brick.judge, context=layers[-1], rows=merged, candidates=candidates)
                hidden = block.around(hidden, asks)
            else:
                hidden = block.around(hidden, block.brick)
        joined = together(context.times, times) if context.times is not None and times is not None else None
        return Context(merged, layers, joined, self._leaving(hidden) if states else None)

    def read_on(
        self,
        vectors: Float[Tensor, "new width"],
        growth: Growth,
        kept: Float[Tensor, "tokens layers 2 heads size"],
        clock: Clock,
    ) -> Float[Tensor, "new width"]:
        """See `Judging`."""
        return self.trunk.read_on(vectors, growth, kept, clock)

    def _blocks(self) -> Iterator[Residual]:
        """Attention and feed-forward in turn."""
        return iter(cast(list[Residual], list(self.trunk.blocks)))

    def _leaving(self, hidden: Tensor) -> Tensor:
        return hidden if self.trunk.final is None else self.trunk.final(hidden)
