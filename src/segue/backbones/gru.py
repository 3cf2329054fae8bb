"""The gated recurrent unit over packed rows, as in GRU4Rec."""

from __future__ import annotations

from typing import cast

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from segue.core.batches import Rows, SequenceBatch
from segue.core.forms import Backbone
from segue.core.shapes import Float
from segue.layers.dropout import Dropout
from segue.layers.reading_on import Clock, Growth
from segue.layers.recurrence import over_rows


class Gru(Backbone):
    """One or more GRU layers, from the oldest event to the newest (arXiv:1511.06939)."""

    width: PositiveInt = 100
    """Size of the hidden vectors."""
    depth: PositiveInt = 1
    """Number of layers."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of values zeroed in training, at the input and at the output."""

    def build(self, length: int) -> nn.Module:
        """The trunk; the length does not matter to it."""
        return _Trunk(self.width, self.depth, self.dropout)


class _Trunk(nn.Module):
    """Blocks of equal length go through the recurrence as rectangles, so no step is spent on padding.

    What a row needs to go on is the state of every layer after its last token. Of all tokens only the highest layer's
    is known, so one layer reads on and several do not.
    """

    def __init__(self, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.timed, self.reads_on = False, depth == 1
        self.gru = nn.GRU(width, width, num_layers=depth, batch_first=True)
        self.dropout = Dropout(dropout)

    def forward(self, vectors: Float[Tensor, "tokens width"], batch: SequenceBatch) -> Float[Tensor, "tokens width"]:
        out: Tensor = self.dropout(over_rows(self.gru, self.dropout(vectors), batch.rows))
        return out

    def read_all(
        self, vectors: Float[Tensor, "tokens width"], rows: Rows, clock: Clock
    ) -> tuple[Float[Tensor, "tokens width"], Float[Tensor, "tokens width"]]:
        """See `ReadingOn`."""
        states = over_rows(self.gru, self.dropout(vectors), rows)
        return self.dropout(states), states

    def read_on(
        self,
        vectors: Float[Tensor, "new width"],
        growth: Growth,
        kept: Float[Tensor, "tokens width"],
        clock: Clock,
    ) -> Float[Tensor, "new width"]:
        """See `ReadingOn`."""
        ends = growth.rows.offsets[growth.some] + growth.known[growth.some] - 1
        states = growth.taken(self.gru(growth.laid(self.dropout(vectors)), kept[ends][None])[0])
        kept[growth.new] = states
        return cast(Tensor, self.dropout(states))
