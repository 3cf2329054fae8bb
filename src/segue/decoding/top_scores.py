"""The best items by score, exact, over the whole catalog."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import PositiveInt
from torch import Tensor

from segue.core.batches import SequenceBatch
from segue.core.forms import Decoder, ScoringModel
from segue.core.ranking import NOTHING, Ranking, Rules
from segue.core.tables import Histories
from segue.kernels.top_k import padded_scores, top_k

SCORES_BYTES = 16 << 20
"""Scores alive at once: they stay in a last-level cache, and extra memory stays far below 64 MB."""


class TopScores(Decoder[ScoringModel]):
    """Scores all allowed items with one matrix product a block of users and keeps the k best.

    Equal scores go to the lower item row. The forbidden items of a history are all of it, not just the newest part that
    the model looks at.
    """

    tokens: PositiveInt = 32_768
    """Events given to the trunk at once; bounds the memory of hidden vectors."""

    def __call__(self, model: ScoringModel, histories: Histories, k: int, rules: Rules) -> Ranking:
        """The k best allowed items of each history, best first."""
        with torch.inference_mode():
            vectors = model.item_vectors()
            return rank(
                histories,
                k,
                rules,
                items=len(vectors),
                scorer=_DotProduct(vectors, _user_vectors(model, histories, self.tokens, vectors)),
                device=vectors.device,
            )


class Scorer:
    """Writes the scores of some users (a slice of the asked rows) for the chosen items into a buffer."""

    def __call__(self, rows: slice, chosen: Tensor | None, out: Tensor) -> None:
        """Fill `out`, users by chosen items (all items where `chosen` is None)."""
        raise NotImplementedError


class _DotProduct(Scorer):
    def __init__(self, items: Tensor, users: Tensor) -> None:
        self.items, self.users = items, users
        self.table: tuple[Tensor | None, Tensor] = (None, items)

    def __call__(self, rows: slice, chosen: Tensor | None, out: Tensor) -> None:
        if chosen is not self.table[0]:
            self.table = (chosen, self.items if chosen is None else self.items[chosen])
        torch.mm(self.users[rows], self.table[1].T, out=out)


def rank(histories: Histories, k: int, rules: Rules, *, items: int, scorer: Scorer, device: torch.device) -> Ranking:
    """The k best allowed items of each history under any way of scoring, a block of users at a time."""
    chosen, place = _chosen(rules, items)
    width = items if chosen is None else len(chosen)
    found_items = np.full((len(histories), k), NOTHING, dtype=np.int64)
    found_scores = np.full((len(histories), k), -np.inf, dtype=np.float32)
    if width == 0 or len(histories) == 0:
        return Ranking(found_items, found_scores)
    chosen_rows = None if chosen is None else torch.from_numpy(chosen).to(device)
    room = padded_scores(0, width, device).shape[1]
    block = int(min(len(histories), max(1, SCORES_BYTES // (room * 4))))
    buffer = padded_scores(block, width, device)
    for begin in range(0, len(histories), block):
        rows = slice(begin, min(begin + block, len(histories)))
        scores = buffer[: rows.stop - begin]
        scorer(rows, chosen_rows, scores[:, :width])
        if not rules.seen:
            forbidden = _seen(histories.take(rows), place, room)
            scores.view(-1).index_fill_(0, torch.from_numpy(forbidden).to(device), -torch.inf)
        values, columns = (part.cpu().numpy() for part in top_k(scores, k))
        rows_of_items = columns if chosen is None else chosen[np.minimum(columns, width - 1)]
        found_items[rows, : columns.shape[1]] = np.where(np.isneginf(values), NOTHING, rows_of_items)
        found_scores[rows, : columns.shape[1]] = values
    return Ranking(found_items, found_scores)


def _user_vectors(model: ScoringModel, histories: Histories, tokens: int, like: Tensor) -> Tensor:
    """One vector a user; of a user without history it is zero, so that every item scores the same."""
    recent = histories.latest(model.history)
    vectors = like.new_zeros(len(histories), like.shape[1])
    order = np.argsort(recent.lengths, kind="stable")
    order = order[recent.lengths[order] > 0]
    bounds = np.cumsum(recent.lengths[order])
    cuts = np.searchsorted(bounds, np.arange(tokens, bounds[-1] if len(bounds) else 0, tokens))
    for some in np.split(order, cuts):
        if len(some):
            batch = SequenceBatch.of(recent.take(some), target_time=recent.asked_at is not None).to(like.device)
            places = torch.from_numpy(some).to(like.device)[batch.order]
            vectors[places] = model.user_vectors(batch).to(like.dtype)
    return vectors


def _chosen(rules: Rules, items: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The allowed item rows in ascending order, and where each item of the catalog stands among them (-1: nowhere)."""
    if rules.allow is None and rules.deny is None:
        return None, None
    chosen = np.flatnonzero(rules.allows(np.arange(items), items))
    place = np.full(items, -1, dtype=np.int64)
    place[chosen] = np.arange(len(chosen))
    return chosen, place


def _seen(histories: Histories, place: np.ndarray | None, room: int) -> np.ndarray:
    """The cells of the flattened score block that hold items of the histories."""
    items, bounds = histories.packed()
    columns = items.astype(np.int64) if place is None else place[items]
    cells = np.repeat(np.arange(len(histories)) * room, np.diff(bounds)) + columns
    return cells[columns >= 0]
