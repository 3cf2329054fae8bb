"""Self-attention over packed rows."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from segue.core.batches import Rows
from segue.core.impressions import Candidates
from segue.core.shapes import Float, Int
from segue.kernels.candidate_attention import candidate_attention
from segue.kernels.packed_attention import packed_attention
from segue.layers.reading_on import Growth
from segue.layers.rotary import Rotary
from segue.layers.writing import attend


class SelfAttention(nn.Module):
    """Multi-head softmax attention within each row; `rotary` turns queries and keys by their places first."""

    def __init__(
        self, width: int, heads: int, *, causal: bool, rotary: Rotary | None = None, bias: bool = True
    ) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.out = nn.Linear(width, width, bias=bias)
        self.rotary = rotary

    def forward(
        self, vectors: Float[Tensor, "tokens width"], rows: Rows, keep: list[tuple[Tensor, Tensor]] | None = None
    ) -> Float[Tensor, "tokens width"]:
        """What each token gathers from the tokens of its row that it may see; keys and values are added to `keep`."""
        qkv = self._qkv(vectors, rows.positions)
        if keep is not None:
            keep.append((qkv[:, 1], qkv[:, 2]))
        mixed: Tensor = self.out(packed_attention(qkv, rows, causal=self.causal))
        return mixed

    def write(
        self,
        vectors: Float[Tensor, "users prefixes steps width"],
        positions: Int[Tensor, "users prefixes steps"],
        context: tuple[Tensor, Tensor],
        rows: Rows,
        before: list[Tensor],
    ) -> tuple[Float[Tensor, "users prefixes steps width"], list[Tensor]]:
        """What new tokens of prefixes gather from their context and their prefix; the pieces of the prefix."""
        qkv = self._qkv(vectors.flatten(0, 2), positions.flatten()).view(*vectors.shape[:3], 3, self.heads, -1)
        queries, own = qkv[:, :, :, 0], [*before, qkv[:, :, :, 1:]]
        mixed = attend(queries, own, context, rows, queries.shape[-1] ** -0.5)
        return self.out(mixed.flatten(3)), own

    def judge(
        self,
        vectors: Float[Tensor, "shown width"],
        context: tuple[Tensor, Tensor],
        rows: Rows,
        candidates: Candidates,
    ) -> Float[Tensor, "shown width"]:
        """What each candidate gathers from the beginning of its row and from itself, placed right behind it."""
        qkv = self._qkv(vectors, candidates.at)
        mixed: Tensor = self.out(candidate_attention(qkv[:, 0], *context, rows, candidates, qkv[:, 1], qkv[:, 2]))
        return mixed

    def read_on(
        self,
        vectors: Float[Tensor, "new width"],
        growth: Growth,
        kept: Float[Tensor, "tokens 2 heads size"],
    ) -> Float[Tensor, "new width"]:
        """What new tokens gather from their rows, once their keys and values are filled in."""
        qkv = self._qkv(vectors, growth.places)
        kept[growth.new] = qkv[:, 1:]
        keys, values = growth.wholly(kept).permute(2, 0, 3, 1, 4)  # 2 some heads longest size
        sees = None if growth.sees is None else growth.sees[:, None]
        asking = growth.laid(qkv[:, 0]).transpose(1, 2)
        found = scaled_dot_product_attention(asking, keys, values, attn_mask=sees)
        mixed: Tensor = self.out(growth.taken(found.transpose(1, 2)).flatten(1))
        return mixed

    def keys_and_values(
        self, vectors: Float[Tensor, "tokens width"], positions: Int[Tensor, " tokens"]
    ) -> tuple[Float[Tensor, "tokens heads size"], Float[Tensor, "tokens heads size"]]:
        """What later tokens see of these ones."""
        qkv = self._qkv(vectors, positions)
        return qkv[:, 1], qkv[:, 2]

    def _qkv(self, vectors: Tensor, positions: Tensor) -> Tensor:
        qkv: Tensor = self.qkv(vectors).view(len(vectors), 3, self.heads, vectors.shape[1] // self.heads)
        if self.rotary is not None:
            qkv = torch.cat([self.rotary(qkv[:, :2], positions), qkv[:, 2:]], dim=1)
        return qkv
