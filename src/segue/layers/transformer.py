"""A stack of transformer blocks over packed rows, causal or not, from bricks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Literal, cast

import torch
from torch import Tensor, nn

from segue.core.batches import Rows, SequenceBatch
from segue.core.errors import SettingsError
from segue.core.shapes import Float, Int
from segue.layers.attention import SelfAttention
from segue.layers.dropout import Dropout
from segue.layers.feed_forward import Activation, FeedForward
from segue.layers.reading_on import Clock, Growth, stacked
from segue.layers.rotary import Rotary
from segue.layers.writing import Memory, Writing, Written


class Transformer(Writing):
    """`depth` blocks of attention and feed-forward with residuals around each.

    `order` 'pre' normalises what enters a sub-layer and once at the end; 'post' normalises after each residual. With
    `gated`, what a sub-layer adds is multiplied by sigmoid(normalised input W) first, as LiGR does (arXiv:2502.03417).
    `eps` of the norms is 1e-8 (layer) or 1e-6 (rms) unless given.
    """

    def __init__(
        self,
        *,
        width: int,
        depth: int,
        heads: int,
        inner: int,
        length: int,
        causal: bool,
        dropout: float,
        activation: Activation,
        norm: Literal["layer", "rms"],
        order: Literal["pre", "post"],
        position: Literal["learned", "rotary"],
        gated: bool,
        eps: float | None = None,
    ) -> None:
        super().__init__()
        if width % heads:
            raise SettingsError(
                f"backbone: width {width} cannot be shared evenly by {heads} heads; change one of them."
            )
        if position == "rotary" and width // heads % 2:
            raise SettingsError(
                f"backbone: position 'rotary' turns pairs, and width {width} over {heads} heads leaves an odd size of "
                f"{width // heads} a head; change one of them."
            )
        self.whole = self.writes = self.reads_on = causal
        self.timed = False
        bias = norm == "layer"
        rotary = Rotary(width // heads, length) if position == "rotary" else None
        self.places = nn.Embedding(length, width) if position == "learned" else None
        if self.places is not None:
            nn.init.normal_(self.places.weight, std=0.02)
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList()
        for _ in range(depth):
            for brick in (
                SelfAttention(width, heads, causal=causal, rotary=rotary, bias=bias),
                FeedForward(width, inner, activation, bias=bias),
            ):
                self.blocks.append(Residual(brick, width, norm, order, dropout, gated, eps))
        self.entry = _norm(norm, width, eps) if order == "post" else None
        self.final = _norm(norm, width, eps) if order == "pre" else None

    def forward(self, vectors: Float[Tensor, "tokens width"], batch: SequenceBatch) -> Float[Tensor, "tokens width"]:
        """The hidden vector of each token."""
        return self.states(vectors, batch.rows)

    def states(self, vectors: Float[Tensor, "tokens width"], rows: Rows) -> Float[Tensor, "tokens width"]:
        """The hidden vector of each token."""
        return self._through(self.entering(vectors, rows.positions), rows, None)

    def read(self, vectors: Float[Tensor, "tokens width"], rows: Rows) -> Memory:
        """Keys and values of the contexts, and the state after each."""
        kept: list[tuple[Tensor, Tensor]] = []
        hidden = self._through(self.entering(vectors, rows.positions), rows, kept)
        return Memory(rows, kept, hidden[rows.last], hidden)

    def write(
        self, memory: Memory, vectors: Float[Tensor, "users prefixes steps width"], written: Written | None
    ) -> tuple[Float[Tensor, "users prefixes states width"], Written]:
        """Continue each prefix by some tokens; see `Writing`."""
        users, prefixes, steps, width = vectors.shape
        past = 0 if written is None else written.steps
        assert memory.first is not None
        first = memory.first[:, None, None, :].expand(users, prefixes, 1, width)
        if steps == 0:
            return first, Written([[] for _ in memory.layers], 0)
        places = past + torch.arange(steps, device=vectors.device)
        positions = (memory.rows.lengths[:, None, None] + places).expand(users, prefixes, steps)
        hidden = self.entering(vectors, positions)
        befores = iter([[] for _ in memory.layers] if written is None else written.layers)
        contexts, layers = iter(memory.layers), []
        for block in self.blocks:
            hidden, pieces = cast(Residual, block).write(hidden, positions, memory.rows, contexts, befores)
            layers += [pieces] if pieces else []
        hidden = hidden if self.final is None else self.final(hidden)
        return hidden if written is not None else torch.cat([first, hidden], dim=2), Written(layers, past + steps)

    def read_all(
        self, vectors: Float[Tensor, "tokens width"], rows: Rows, clock: Clock
    ) -> tuple[Float[Tensor, "tokens width"], Float[Tensor, "tokens layers 2 heads size"]]:
        """See `ReadingOn`."""
        kept: list[tuple[Tensor, Tensor]] = []
        hidden = self._through(self.entering(vectors, rows.positions), rows, kept)
        return hidden, stacked(kept)

    def read_on(
        self,
        vectors: Float[Tensor, "new width"],
        growth: Growth,
        kept: Float[Tensor, "tokens layers 2 heads size"],
        clock: Clock,
    ) -> Float[Tensor, "new width"]:
        """See `ReadingOn`."""
        hidden, layers = self.entering(vectors, growth.places), iter(kept.unbind(1))
        for block in cast(Iterable[Residual], self.blocks):
            if isinstance(block.brick, SelfAttention):
                goes_on = partial(block.brick.read_on, growth=growth, kept=next(layers))
                hidden = block.around(hidden, goes_on)
            else:
                hidden = block.around(hidden, block.brick)
        return hidden if self.final is None else self.final(hidden)

    def entering(
        self, vectors: Float[Tensor, "*tokens width"], positions: Int[Tensor, "*tokens"]
    ) -> Float[Tensor, "*tokens width"]:
        """What the first block gets of tokens at these places of their rows."""
        if self.places is not None:
            vectors = vectors + self.places(positions)
        if self.entry is not None:
            vectors = self.entry(vectors)
        entered: Tensor = self.dropout(vectors)
        return entered

    def _through(self, vectors: Tensor, rows: Rows, keep: list[tuple[Tensor, Tensor]] | None) -> Tensor:
        for block in self.blocks:
            vectors = block(vectors, rows, keep)
        return vectors if self.final is None else self.final(vectors)


class Residual(nn.Module):
    """One sub-layer with its norm, dropout and residual."""

    def __init__(
        self, brick: nn.Module, width: int, norm: str, order: str, dropout: float, gated: bool, eps: float | None
    ) -> None:
        super().__init__()
        self.brick, self.order = brick, order
        self.norm = _norm(norm, width, eps)
        self.gate = nn.Linear(width, width) if gated else None
        self.dropout = Dropout(dropout)

    def forward(self, vectors: Tensor, rows: Rows, keep: list[tuple[Tensor, Tensor]] | None = None) -> Tensor:
        """All tokens of packed rows."""
        entering = self.entering(vectors)
        added = self.brick(entering, rows, keep) if isinstance(self.brick, SelfAttention) else self.brick(entering)
        return self._leaving(vectors, entering, added)

    def around(self, vectors: Tensor, brick: Callable[[Tensor], Tensor]) -> Tensor:
        """The same with the brick used in another way."""
        entering = self.entering(vectors)
        return self._leaving(vectors, entering, brick(entering))

    def entering(self, vectors: Tensor) -> Tensor:
        """What the brick gets."""
        normed: Tensor = self.norm(vectors) if self.order == "pre" else vectors
        return normed

    def write(
        self,
        vectors: Tensor,
        positions: Tensor,
        rows: Rows,
        contexts: Iterator[tuple[Tensor, Tensor]],
        befores: Iterator[list[Tensor]],
    ) -> tuple[Tensor, list[Tensor]]:
        """The tokens that prefixes add, and what the attention keeps of them."""
        entering = self.entering(vectors)
        pieces: list[Tensor] = []
        if isinstance(self.brick, SelfAttention):
            added, pieces = self.brick.write(entering, positions, next(contexts), rows, next(befores))
        else:
            added = self.brick(entering)
        return self._leaving(vectors, entering, added), pieces

    def _leaving(self, vectors: Tensor, entering: Tensor, added: Tensor) -> Tensor:
        if self.gate is not None:
            added = torch.sigmoid(self.gate(entering)) * added
        vectors = vectors + self.dropout(added)
        normed: Tensor = self.norm(vectors) if self.order == "post" else vectors
        return normed


def _norm(norm: str, width: int, eps: float | None) -> nn.Module:
    return nn.LayerNorm(width, eps=eps or 1e-8) if norm == "layer" else nn.RMSNorm(width, eps=eps or 1e-6)
