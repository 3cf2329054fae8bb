"""A system that keeps what its model computed of histories, so that the next question reads only what is new."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from segue.core.batches import Rows, SequenceBatch
from segue.core.forms import Past, Remembering
from segue.core.impressions import RankingBatch
from segue.core.ranking_recipe import FittedRanker
from segue.core.recipe import FittedModel, Recommender
from segue.core.shapes import Float, Int
from segue.service.history_memory import HistoryMemory, Kept
from segue.workflows.grow import Enlarged

NEWER = 16
"""Events behind a kept history that are read on; a history with more of them is read anew."""
SHORT = 16
"""A history of fewer events is read anew where only its end is asked for, because that is as fast: measured by
`benchmarks/ours/kept_histories.py` for 6, 12 and 24 events (0.5 to 1.1 times as fast below, 1.0 to 1.7 above)."""


def with_kept_histories(recommender: Recommender, megabytes: float) -> Recommender:
    """The same system with a memory: it answers as before, to rounding, and does not read again what it has read.

    A history is known by its content (items; times, actions and user token where the model looks at them), not by who
    asks. One that is kept as it is costs no reading; one that is kept but for its newest events is read on from there,
    and then kept in place of the shorter one; all others of a batch are read from the start, together.

    A model looks at the newest events alone, as many as it was built for, and counts their places from the oldest of
    them. Whoever has more gets another window with each new event, and it is read from the start: what was computed
    for the old one saw the event that has left it. The windows of `SharedHistory` move in steps, and in between they
    grow.

    Systems without a trunk that reads histories, and language models, come back as they are. What comes back is for
    one thread at a time. `memory_of` gives the memory, with counts of what happened.
    """
    if isinstance(recommender, Enlarged):
        return recommender.around(with_kept_histories(recommender.inner, megabytes))
    if not isinstance(recommender, FittedModel | FittedRanker) or not isinstance(recommender.model, Remembering):
        return recommender
    keeping = copy.copy(recommender)
    keeping.model = _Keeping(recommender.model, HistoryMemory(int(megabytes * 2**20)))
    return keeping


def memory_of(recommender: Recommender) -> HistoryMemory | None:
    """The memory of a system from `with_kept_histories`, or None where it has none."""
    if isinstance(recommender, Enlarged):
        return memory_of(recommender.inner)
    model = getattr(recommender, "model", None)
    return model.memory if isinstance(model, _Keeping) else None


class _Asked(NamedTuple):
    """A history of a batch, and what is known of it."""

    keys: tuple[bytes, ...]
    events: int
    kept: Kept | None
    known: int
    """How many of its events the kept one covers."""

    @property
    def goes_on(self) -> bool:
        return self.kept is not None and self.known < self.events


class _Keeping:
    """A living model that looks into its memory before it reads; everything else is the model's own."""

    def __init__(self, model: Any, memory: HistoryMemory) -> None:
        self.model, self.memory = model, memory

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def to(self, device: torch.device) -> None:
        """Answer on this device from now on; what was kept on the other one is dropped."""
        self.memory.clear()
        self.model.to(device)

    def user_vectors(self, batch: SequenceBatch) -> Float[Tensor, "users width"]:
        """See `ScoringModel`."""
        return cast(Tensor, self._answers(batch))

    def begin(self, batch: SequenceBatch) -> Any:
        """See `Writer`."""
        return self._answers(batch)

    def logits(self, batch: RankingBatch) -> Float[Tensor, "shown tasks"]:
        """See `RankingModel`."""
        return cast(Tensor, self._answers(batch))

    @torch.inference_mode()
    def _answers(self, batch: Any) -> Any:
        asked = self._looked_up(batch)
        if all(one.kept is None for one in asked):
            past = self._read(batch, asked)
        else:
            past = (self._whole if self.model.looks_back else self._ends)(batch, asked)
        return self.model.after(batch, past)

    def _looked_up(self, batch: Any) -> list[_Asked]:
        """What is known of each history of the batch."""
        events = _events(batch)
        marks = self.model.marks(batch).cpu().contiguous().numpy()
        text, width = marks.tobytes(), marks.shape[1] * marks.itemsize
        # A model that is told when the next event happens learns another time with every question, and reads the
        # newest event with it. So what it computed of the events before that one is what it can go on from.
        foretold = events.next_timestamps is not None and self.model.reads_on and self.model.steps > 0
        asked = []
        for begin, end in pairwise(events.rows.offsets.tolist()):
            key = text[begin * width : end * width]
            keys = (key, key[:-width]) if foretold and end - begin > 1 else (key,)
            asked.append(_Asked(keys, end - begin, *self._found(key, end - begin, width)))
        going_on = sum(one.goes_on for one in asked)
        known = sum(one.kept is not None for one in asked)
        self.memory.exact += known - going_on
        self.memory.extended += going_on
        self.memory.read += len(asked) - known
        return asked

    def _found(self, key: bytes, events: int, width: int) -> tuple[Kept | None, int]:
        """The kept history that this one is or goes on from, and how many of its events are known."""
        kept = self.memory.find(key)
        if kept is not None and kept.events == events:
            return kept, events
        least = 0 if self.model.looks_back else SHORT - 1
        for known in range(events - 1, max(events - 1 - NEWER, least), -1) if self.model.reads_on else ():
            kept = self.memory.find(key[: known * width])
            if kept is not None:
                return kept, known
        return None, 0

    def _read(self, batch: Any, asked: Sequence[_Asked]) -> Past:
        """The pasts of histories of which nothing is known."""
        past: Past = self.model.read(batch)
        pieces = past.kept.split(past.rows.lengths.tolist()) if past.kept.dim() > 1 else [past.kept] * len(asked)
        for one, piece, end in zip(asked, pieces, past.ends, strict=True):
            self._keep(one, self._with_room(one, piece), len(piece), end)
        return past

    def _ends(self, batch: Any, asked: Sequence[_Asked]) -> Past:
        """The ends of all histories; tokens of those that are kept as they are are not looked at."""
        ends = [None if one.kept is None or one.goes_on else one.kept.end for one in asked]
        for chosen, work in (
            ([row for row, one in enumerate(asked) if one.goes_on], self._whole),
            ([row for row, one in enumerate(asked) if one.kept is None], self._read),
        ):
            if chosen:
                found = work(_rows_of(batch, chosen), [asked[row] for row in chosen])
                for row, end in zip(chosen, found.ends, strict=True):
                    ends[row] = end
        together = torch.stack(cast(list[Tensor], ends))
        return Past(_rows([0] * len(asked), together.device), together.new_zeros(0), together)

    def _whole(self, batch: Any, asked: Sequence[_Asked]) -> Past:
        """The pasts of all histories: what is kept lies in its place, and what is not is read into its own."""
        anew = [row for row, one in enumerate(asked) if one.kept is None]
        pieces: dict[int, tuple[Tensor, ...]] = {}
        ends: dict[int, Tensor] = {}
        if anew:
            found = self._read(_rows_of(batch, anew), [asked[row] for row in anew])
            for row, piece, end in zip(anew, found.kept.split(found.rows.lengths.tolist()), found.ends, strict=True):
                pieces[row], ends[row] = (piece,), end
        for row, one in enumerate(asked):
            if one.kept is not None:
                pieces[row], ends[row] = self._with_places(one, one.kept), one.kept.end
        lengths = [sum(map(len, pieces[row])) for row in range(len(asked))]
        parts = [part for row in range(len(asked)) for part in pieces[row]]
        kept = parts[0] if len(parts) == 1 else torch.cat(parts)
        past = Past(_rows(lengths, kept.device), kept, torch.stack([ends[row] for row in range(len(asked))]))
        if not any(one.goes_on for one in asked):
            return past
        known = [one.known if one.goes_on else one.events for one in asked]
        past = self.model.read_on(batch, past, torch.tensor(known, device=kept.device))
        self._keep_longer(asked, past)
        return past

    def _with_places(self, one: _Asked, kept: Kept) -> tuple[Tensor, ...]:
        """The known tokens of a history with places for those to be read behind them, whatever lies there now."""
        tokens, known = self._tokens(one, kept)
        if tokens <= len(kept.room):
            return (kept.room[:tokens],)
        return kept.room[:known], kept.room.new_empty(tokens - known, *kept.room.shape[1:])

    def _keep_longer(self, asked: Sequence[_Asked], past: Past) -> None:
        """Keep what went on, in the room of what it went on from, which is kept no longer."""
        gone: set[Kept] = set()
        for one, piece, end in zip(asked, past.kept.split(past.rows.lengths.tolist()), past.ends, strict=True):
            old = one.kept
            if old is None or not one.goes_on:
                continue
            tokens, known = self._tokens(one, old)
            if tokens > len(old.room) or old in gone or self._is_done(one):  # two histories may go on from one
                room = self._with_room(one, piece)
            else:
                room = old.room
                if room.data_ptr() != piece.data_ptr():
                    room[known:tokens] = piece[known:]
            gone.add(old)
            self.memory.forget(old)
            self._keep(one, room, tokens, end)

    def _tokens(self, one: _Asked, kept: Kept) -> tuple[int, int]:
        """The tokens of a history, and how many of them the kept one covers."""
        known = kept.tokens - (kept.events - one.known) * self.model.steps
        return known + (one.events - one.known) * self.model.steps, known

    def _with_room(self, one: _Asked, piece: Tensor) -> Tensor:
        """A copy of a history's tokens with places behind them, so that it can grow where it lies."""
        if self._is_done(one):
            return piece.new_empty(0)
        if not self.model.reads_on or piece.dim() == 1:
            return piece.clone()
        more = max(4, one.events // 4) * self.model.steps
        room = piece.new_empty(len(piece) + more, *piece.shape[1:])
        room[: len(piece)] = piece
        return room

    def _is_done(self, one: _Asked) -> bool:
        """Whether nobody will look at its tokens: no history goes on from a full window, or from a short one."""
        full = len(one.keys) == 1 and one.events == getattr(self.model, "history", None)
        return not self.model.looks_back and (full or one.events < SHORT)

    def _keep(self, one: _Asked, room: Tensor, tokens: int, end: Tensor) -> None:
        self.memory.keep(Kept(one.keys, one.events, tokens, room, end.clone()))


def _events(batch: Any) -> SequenceBatch:
    return batch.events if isinstance(batch, RankingBatch) else cast(SequenceBatch, batch)


def _rows(lengths: Sequence[int], device: torch.device) -> Rows:
    return Rows(torch.tensor([0, *lengths], device=device).cumsum(0))


def _rows_of(batch: Any, chosen: list[int]) -> Any:
    """Some histories of a batch; of a ranker's, with all of its questions, which are not looked at when reading."""
    events = _events(batch)
    places = torch.tensor(chosen, device=events.items.device)
    rows = Rows(torch.cat([places.new_zeros(1), events.rows.lengths[places].cumsum(0)]))
    tokens = events.rows.offsets[:-1][places][rows.owners] + rows.positions

    def cut(values: Int[Tensor, " tokens"] | None) -> Tensor | None:
        return None if values is None else values[tokens]

    some = replace(
        events,
        items=events.items[tokens],
        rows=rows,
        order=events.order[places],
        timestamps=cut(events.timestamps),
        next_timestamps=cut(events.next_timestamps),
        users=None if events.users is None else events.users[places],
    )
    return replace(batch, events=some, actions=batch.actions[tokens]) if isinstance(batch, RankingBatch) else some
