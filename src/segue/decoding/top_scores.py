"""The best items by score, exact, over the whole catalog."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from pydantic import PositiveInt
from torch import Tensor

from segue.core.batches import SequenceBatch
from segue.core.forms import Decoder, ScoringModel
from segue.core.ranking import NOTHING, Ranking, Rules
from segue.core.tables import Histories
from segue.kernels.top_k import TopK, padded_scores

USERS, TILE = 512, 4096
"""Users and items of one product: 8 MB of scores, which stay in a last-level cache."""


class TopScores(Decoder[ScoringModel]):
    """Scores all allowed items by matrix products of some hundred users and some thousand items, and keeps the k best.

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
    """Scores users for items, a tile at a time."""

    users: int = USERS
    """Users of a tile."""

    def choose(self, items: Tensor) -> None:
        """From now on `items` of a call count along these item rows, and no longer along the whole catalog."""
        raise NotImplementedError

    def __call__(self, rows: slice, items: slice, out: Tensor) -> None:
        """Fill `out`, users (a slice of the asked rows) by items (a slice of the chosen ones)."""
        raise NotImplementedError


class WholeRows(Scorer):
    """For systems that score all items of a user in one go: a block of users is scored once and dealt out in tiles."""

    def __init__(self, items: int, score: Callable[[slice], Tensor]) -> None:
        self.users = max(1, min(USERS, (USERS * TILE) // items))
        self.score = score
        self.chosen: Tensor | None = None
        self.rows, self.scores = slice(0), torch.empty(0)

    def choose(self, items: Tensor) -> None:
        """Keep to these item rows."""
        self.chosen = items

    def __call__(self, rows: slice, items: slice, out: Tensor) -> None:
        """Deal out a tile."""
        if rows != self.rows:
            scores = self.score(rows)
            self.rows, self.scores = rows, scores if self.chosen is None else scores[:, self.chosen]
        out.copy_(self.scores[:, items])


class _DotProduct(Scorer):
    def __init__(self, table: Tensor, vectors: Tensor) -> None:
        self.table, self.vectors = table, vectors

    def choose(self, items: Tensor) -> None:
        self.table = self.table[items]

    def __call__(self, rows: slice, items: slice, out: Tensor) -> None:
        torch.mm(self.vectors[rows], self.table[items].T, out=out)


def rank(histories: Histories, k: int, rules: Rules, *, items: int, scorer: Scorer, device: torch.device) -> Ranking:
    """The k best allowed items of each history under any way of scoring, tile by tile."""
    found_items = np.full((len(histories), k), NOTHING, dtype=np.int64)
    found_scores = np.full((len(histories), k), -np.inf, dtype=np.float32)
    chosen, place = _chosen(rules, items)
    width = items if chosen is None else len(chosen)
    if chosen is not None:
        scorer.choose(torch.from_numpy(chosen).to(device))
    buffer = padded_scores(min(scorer.users, len(histories)), min(TILE, width), device)
    for begin in range(0, len(histories), scorer.users):
        rows = slice(begin, min(begin + scorer.users, len(histories)))
        some = histories.take(rows)
        forbidden = None if rules.seen else _Forbidden(some, place, device)
        best = TopK(len(some), min(k, width), device)
        for first in range(0, width, TILE):
            tile = slice(first, min(first + TILE, width))
            scores = buffer[: len(some)]
            filled = scores[:, : tile.stop - first]
            scorer(rows, tile, filled)
            scores[:, tile.stop - first :] = -torch.inf
            if forbidden is not None:
                scores.view(-1).index_fill_(0, forbidden.cells(tile, scores.shape[1]), -torch.inf)
            best.add(scores, first)
        values, columns = best.values.cpu().numpy(), best.columns.cpu().numpy()
        named = columns if chosen is None else chosen[columns]
        found_items[rows, : named.shape[1]] = np.where(np.isneginf(values), NOTHING, named)
        found_scores[rows, : named.shape[1]] = values
    return Ranking(found_items, found_scores)


class _Forbidden:
    """Where the items of some histories stand among the chosen ones, in order, so that a tile finds its own fast."""

    def __init__(self, histories: Histories, place: np.ndarray | None, device: torch.device) -> None:
        items, bounds = histories.packed()
        columns = items.astype(np.int64) if place is None else place[items]
        rows = np.repeat(np.arange(len(histories)), np.diff(bounds))
        order = np.argsort(columns, kind="stable")
        self.columns, self.rows, self.device = columns[order], rows[order], device

    def cells(self, tile: slice, width: int) -> Tensor:
        """The cells of the flattened tile, `width` wide, that must not be recommended."""
        begin, end = np.searchsorted(self.columns, (tile.start, tile.stop))
        cells = self.rows[begin:end] * width + self.columns[begin:end] - tile.start
        return torch.from_numpy(cells).to(self.device)


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
