"""HSTU: attention without softmax, gated by its own input, with position and time bias and no feed-forward."""

from __future__ import annotations

from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import layer_norm, silu

from segue.core.batches import SequenceBatch
from segue.core.forms import Backbone
from segue.core.shapes import Float
from segue.kernels.hstu_attention import hstu_attention
from segue.layers.dropout import Dropout

BUCKETS = 129
"""Time buckets, each 0.301 wide in natural logarithms of seconds."""


class Hstu(Backbone):
    """The hierarchical sequential transduction unit (arXiv:2402.17152, section 3; the released research code).

    With `timed` and timestamps in the batch, the bias looks at the seconds between the key and the event *to be
    predicted*, as the released code does. Where a protocol hides that time, the query's own time stands in for it:
    the fingerprint says which. The constant that divides the weights is the maximum length, not a row's own.
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

    def build(self, length: int) -> nn.Module:
        """The trunk for histories of at most `length` tokens."""
        return _Trunk(self, length)


class _Trunk(nn.Module):
    def __init__(self, part: Hstu, length: int) -> None:
        super().__init__()
        self.places = nn.Embedding(length, part.width)
        nn.init.trunc_normal_(self.places.weight, std=part.width**-0.5)
        self.dropout = Dropout(part.dropout)
        self.layers = nn.ModuleList(_Layer(part, length) for _ in range(part.depth))

    def forward(self, vectors: Float[Tensor, "tokens width"], batch: SequenceBatch) -> Float[Tensor, "tokens width"]:
        vectors = self.dropout(vectors + self.places(batch.rows.positions))
        for layer in self.layers:
            vectors = layer(vectors, batch)
        return vectors


class _Layer(nn.Module):
    def __init__(self, part: Hstu, length: int) -> None:
        super().__init__()
        self.part, self.constant = part, float(length)
        inner = part.heads * part.head_width
        self.project = nn.Linear(part.width, 4 * inner, bias=False)
        nn.init.normal_(self.project.weight, std=0.02)
        self.out = nn.Linear(inner, part.width)
        nn.init.xavier_uniform_(self.out.weight)
        self.position_bias = nn.Parameter(nn.init.normal_(self.project.weight.new_empty(length), std=0.02))
        time_bias = nn.init.normal_(self.project.weight.new_empty(BUCKETS), std=0.02)
        self.time_bias = nn.Parameter(time_bias) if part.timed else None
        self.dropout = Dropout(part.dropout)

    def forward(self, vectors: Tensor, batch: SequenceBatch) -> Tensor:
        part = self.part
        projected = silu(self.project(layer_norm(vectors, vectors.shape[-1:], eps=1e-6)))
        gate, value, query, key = projected.chunk(4, dim=-1)
        shape = (len(vectors), part.heads, part.head_width)
        asked = batch.timestamps if batch.next_timestamps is None else batch.next_timestamps
        mixed = hstu_attention(
            query.reshape(shape),
            key.reshape(shape),
            value.reshape(shape),
            batch.rows,
            position_bias=self.position_bias,
            time_bias=self.time_bias,
            query_times=asked,
            key_times=batch.timestamps,
            constant=self.constant,
            candidates=part.candidates,
        )
        gated = gate * layer_norm(mixed, mixed.shape[-1:], eps=1e-6)
        out: Tensor = vectors + self.out(self.dropout(gated))
        return out
