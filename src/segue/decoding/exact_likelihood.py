"""The probability of every item of the catalog under a token model, by one walk down the trie: what a beam may lose."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from pydantic import PositiveInt
from torch import Tensor

from segue.core.batches import SequenceBatch
from segue.core.codes import CodeTree
from segue.core.forms import Decoder, Prefixes, TokenModel
from segue.core.ranking import Ranking, Rules
from segue.core.tables import Histories
from segue.decoding._walk import code_chances, has_ended
from segue.decoding.top_scores import WholeRows, rank


class ExactLikelihood(Decoder[TokenModel]):
    """Scores the whole catalog: each prefix of the trie is written once a user, and shared by all items under it.

    A beam search as wide as the catalog gives the same ranking; this one needs memory for `prefixes` only. The work is
    that of a beam with as many prefixes as the trie has nodes, so it is a measuring device for models of a moderate
    catalog. Probabilities are those over all codes, not over the allowed items.
    """

    prefixes: PositiveInt = 2048
    """Prefixes of all users together that are written at once; bounds memory."""

    def __call__(self, model: TokenModel, histories: Histories, k: int, rules: Rules) -> Ranking:
        """The k best allowed items of each history, best first, with their log probabilities in nats."""
        with torch.inference_mode():
            tree = model.tree
            recent = histories.latest(model.history)
            scorer = WholeRows(len(tree), lambda rows: self._score(model, recent.take(rows), tree))
            scorer.users = min(scorer.users, 64)
            return rank(histories, k, rules, items=len(tree), scorer=scorer, device=tree.items.device)

    def _score(self, model: TokenModel, histories: Histories, tree: CodeTree) -> Tensor:
        """log P of every item, users by items; of a user without history all are equal."""
        scores = torch.zeros(len(histories), tree.catalog, device=tree.items.device)
        filled = np.flatnonzero(histories.lengths > 0)
        if len(filled):
            batch = SequenceBatch.of(histories.take(filled)).to(tree.items.device)
            rows = torch.from_numpy(filled).to(tree.items.device)[batch.order]
            scores[rows] = self.likelihood(model, batch)
        return scores

    def likelihood(self, model: TokenModel, batch: SequenceBatch) -> Tensor:
        """log P of every item of the catalog after each (non-empty) history, users by items, in the batch's order."""
        tree = model.tree
        found = torch.empty(len(batch), tree.catalog, device=tree.items.device)
        at_once = max(1, self.prefixes // len(batch))
        root = torch.zeros(len(batch), 1, device=tree.items.device)
        waiting = [_Piece(lambda: model.begin(batch), 0, 0, root)]
        while waiting:
            piece = waiting.pop()
            depth, begin = piece.depth, piece.begin
            bounds = tree.children[depth]
            first, last = int(bounds[begin]), int(bounds[begin + piece.scores.shape[1]])
            if depth == tree.levels:
                parents = tree.parents[depth][first:last] - begin
                found[:, tree.items[first:last]] = piece.scores[:, parents] + tree.log_shares[first:last]
                continue
            prefixes = piece.written()
            chances = code_chances(model, prefixes)
            for start in range(first, last, at_once):
                stop = min(start + at_once, last)
                parents, codes = tree.parents[depth][start:stop] - begin, tree.codes[depth][start:stop]
                added = chances[:, parents, codes]
                ended = has_ended(model, tree, depth, parents + begin)
                scores = piece.scores[:, parents] + (added if ended is None else added.masked_fill(ended, 0))
                wide = parents.expand(len(batch), -1), codes.expand(len(batch), -1)
                waiting.append(_Piece(partial(prefixes.extended, *wide), depth + 1, start, scores))
        return found


class _Piece(NamedTuple):
    """Neighbouring nodes of one depth, the same for all users; their prefixes are written when their turn comes."""

    written: Callable[[], Prefixes]
    depth: int
    begin: int
    scores: Tensor
