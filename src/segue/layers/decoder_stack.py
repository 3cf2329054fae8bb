"""The stack of a pretrained decoder, run over packed rows: by our own attention, or padded where that cannot be.

Both keep keys and values by layer as `Memory` and `Written` have them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from segue.core.batches import Rows
from segue.core.extras import require
from segue.core.shapes import Float, Int
from segue.kernels.preamble_attention import preamble_attention
from segue.layers.writing import Memory, Written, attend

ATTENTION = "segue"
"""The name under which transformers finds our attention."""


@dataclass
class Reading:
    """What our attention is told while rows are read."""

    rows: Rows
    ahead: int
    kept: dict[int, tuple[Tensor, Tensor]] | None

    def attention(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
        """`[tokens, heads, size]` of each, the states of the same shape."""
        if self.kept is not None:
            self.kept[layer] = keys, values
        return preamble_attention(queries, keys, values, self.rows, self.ahead, scale)


@dataclass
class Continuing:
    """What our attention is told while prefixes are continued."""

    memory: Memory
    written: Written | None
    shape: tuple[int, int, int]
    """Users, prefixes of each, new tokens of each."""
    pieces: dict[int, list[Tensor]] = field(default_factory=dict)

    def attention(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
        """As `Reading.attention`. The heads of a group are so many more prefixes with the same keys and values."""
        users, prefixes, steps = self.shape
        groups, size = keys.shape[1:]
        shared = queries.shape[1] // groups
        newest = torch.stack([keys, values], dim=1).view(users, prefixes, steps, 2, groups, size)
        own = [*([] if self.written is None else self.written.layers[layer]), newest]
        self.pieces[layer] = own
        asked = queries.view(users, prefixes, steps, groups, shared, size).permute(0, 1, 4, 2, 3, 5)
        if shared > 1:
            own = [piece.repeat_interleave(shared, dim=1) for piece in own]
        mixed = attend(asked.flatten(1, 2), own, self.memory.layers[layer], self.memory.rows, scale)
        mixed = mixed.view(users, prefixes, shared, steps, groups, size).permute(0, 1, 3, 4, 2, 5)
        return mixed.reshape(queries.shape)


def attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    segue: Reading | Continuing | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """What transformers calls in each layer, with `[1, heads, tokens, size]`; attention weights are never dropped.

    Raises:
        NotImplementedError: the model does something to its logits that we do not, or did not hand our notes down.
    """
    wanted = [name for name in UNKNOWN if others.get(name) is not None]
    if wanted or segue is None or attention_mask is not None:
        raise NotImplementedError(", ".join(wanted) or "its layers do not hand down what attention is told")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    # Under autocast the projections are bfloat16, and rotary positions make queries and keys float32 again.
    queries, keys, values = (part[0].transpose(0, 1).to(value.dtype) for part in (query, key, value))
    return segue.attention(module.layer_idx, queries, keys, values, scale)[None], None


UNKNOWN = ("softcap", "s_aux", "position_bias", "head_mask")
"""What models hand to an attention that changes its logits in a way that ours does not know."""


class Packed:
    """All rows as one sequence, which our attention keeps apart; nothing is padded and nothing is read twice."""

    def read(
        self,
        decoder: Any,
        vectors: Float[Tensor, "tokens width"],
        rows: Rows,
        ahead: int,
        kept: dict[int, tuple[Tensor, Tensor]] | None = None,
    ) -> Float[Tensor, "tokens width"]:
        """The states of the text ahead and of the rows behind it; `kept` gets each layer's keys and values."""
        positions = torch.cat([torch.arange(ahead, device=vectors.device), ahead + rows.positions])
        return self._run(decoder, vectors, positions, Reading(rows, ahead, kept))

    def write(
        self,
        decoder: Any,
        memory: Memory,
        vectors: Float[Tensor, "users prefixes steps width"],
        written: Written | None,
    ) -> tuple[Float[Tensor, "users prefixes steps width"], list[list[Tensor]]]:
        """The states of new tokens behind each prefix, and the pieces of each layer."""
        told = Continuing(memory, written, (vectors.shape[0], vectors.shape[1], vectors.shape[2]))
        positions = _places(memory, written, vectors)
        states = self._run(decoder, vectors.flatten(0, 2), positions.flatten(), told).view(vectors.shape)
        return states, [told.pieces[layer] for layer in range(len(memory.layers))]

    def _run(self, decoder: Any, vectors: Tensor, positions: Tensor, told: Reading | Continuing) -> Tensor:
        found = decoder(inputs_embeds=vectors[None], position_ids=positions[None], use_cache=False, segue=told)
        states: Tensor = found.last_hidden_state[0]
        return states


class Padded:
    """Rows padded on the left into one rectangle, each with the text ahead: as transformers itself does it.

    For models whose attention is not ours to replace. Slower: the text ahead is read once a row, and each prefix gets a
    copy of its context.
    """

    def read(
        self,
        decoder: Any,
        vectors: Float[Tensor, "tokens width"],
        rows: Rows,
        ahead: int,
        kept: dict[int, tuple[Tensor, Tensor]] | None = None,
    ) -> Float[Tensor, "tokens width"]:
        """See `Packed`."""
        if not len(rows):  # the text ahead alone: a row of its own, behind nothing
            return self.read(decoder, vectors, Rows(torch.tensor([0, ahead], device=vectors.device)), 0, kept)
        whole, places = with_ahead(rows, ahead)
        seen, at = _left_padded(whole)
        found = decoder(
            inputs_embeds=_rectangle(vectors[places], whole, at, seen.shape[1]),
            attention_mask=seen.long(),
            position_ids=(seen.cumsum(1) - 1).clamp_min(0),
            use_cache=kept is not None,
            **({} if kept is None else {"past_key_values": _cache([])}),
        )
        states = found.last_hidden_state[whole.owners, at]
        if kept is not None:
            origin = torch.empty(len(vectors), dtype=torch.int64, device=vectors.device)
            origin[places] = torch.arange(len(places), device=vectors.device)
            for layer, (keys, values) in enumerate(_layers(found.past_key_values)):
                parts = (part.transpose(1, 2)[whole.owners, at][origin] for part in (keys, values))
                kept[layer] = next(parts), next(parts)
        first = states[:ahead]
        return torch.cat([first, states[torch.arange(len(places), device=vectors.device)[places >= ahead]]])

    def write(
        self,
        decoder: Any,
        memory: Memory,
        vectors: Float[Tensor, "users prefixes steps width"],
        written: Written | None,
    ) -> tuple[Float[Tensor, "users prefixes steps width"], list[list[Tensor]]]:
        """See `Packed`."""
        users, prefixes, steps, _ = vectors.shape
        seen, at = _left_padded(memory.rows)
        past = []
        for layer, context in enumerate(memory.layers):
            pieces = [] if written is None else written.layers[layer]
            both = []
            for which, part in enumerate(context):
                known = _rectangle(part, memory.rows, at, seen.shape[1])[:, None].expand(-1, prefixes, -1, -1, -1)
                own = [piece[:, :, :, which] for piece in pieces]
                both.append(torch.cat([known, *own], dim=2).flatten(0, 1).transpose(1, 2))
            past.append((both[0], both[1]))
        added = steps + (0 if written is None else written.steps)
        mask = torch.cat([seen.repeat_interleave(prefixes, 0), seen.new_ones(users * prefixes, added)], dim=1)
        found = decoder(
            inputs_embeds=vectors.flatten(0, 1),
            attention_mask=mask.long(),
            position_ids=_places(memory, written, vectors).flatten(0, 1),
            past_key_values=_cache(past),
            use_cache=True,
        )
        layers = []
        for layer, pair in enumerate(_layers(found.past_key_values)):
            newest = torch.stack([part[:, :, -steps:].transpose(1, 2) for part in pair], dim=2)
            before = [] if written is None else written.layers[layer]
            layers.append([*before, newest.unflatten(0, (users, prefixes))])
        states: Tensor = found.last_hidden_state.view(vectors.shape)
        return states, layers


Stack = Packed | Padded
"""How the decoder is run."""


def with_ahead(rows: Rows, ahead: int) -> tuple[Rows, Int[Tensor, " tokens"]]:
    """The rows with the text ahead before each, and which of the packed tokens each of theirs is."""
    device = rows.offsets.device
    whole = Rows(rows.offsets + ahead * torch.arange(len(rows.offsets), device=device))
    behind = whole.positions - ahead
    own = ahead + rows.offsets[:-1][whole.owners] + behind
    return whole, torch.where(behind < 0, whole.positions, own)


def _places(memory: Memory, written: Written | None, vectors: Tensor) -> Tensor:
    """The place of each new token behind its context, `users prefixes steps`."""
    users, prefixes, steps, _ = vectors.shape
    past = 0 if written is None else written.steps
    behind = past + torch.arange(steps, device=vectors.device)
    return (memory.rows.lengths[:, None, None] + behind).expand(users, prefixes, steps)


def _left_padded(rows: Rows) -> tuple[Tensor, Tensor]:
    """Which cells of the rectangle are tokens, and the column of each token."""
    longest = int(rows.lengths.max())
    columns = torch.arange(longest, device=rows.offsets.device)
    seen = columns >= longest - rows.lengths[:, None]
    return seen, rows.positions + (longest - rows.lengths)[rows.owners]


def _rectangle(packed: Tensor, rows: Rows, at: Tensor, longest: int) -> Tensor:
    cells = packed.new_zeros(len(rows), longest, *packed.shape[1:])
    return cells.index_put((rows.owners, at), packed)


def _cache(layers: list[tuple[Tensor, Tensor]]) -> Any:
    """Transformers' memory: one that keeps every token, so that sliding windows are left to the masks."""
    cache = require("transformers", extra="llm").DynamicCache
    return cache(layers) if layers else cache()


def _layers(cache: Any) -> list[tuple[Tensor, Tensor]]:
    return [(layer.keys, layer.values) for layer in cache.layers]
