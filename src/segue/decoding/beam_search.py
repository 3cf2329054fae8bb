"""Beam search down the trie of valid tuples: exact where the beam is as wide as the catalog, and never illegal."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import PositiveInt
from torch import Tensor

from segue.core.batches import SequenceBatch
from segue.core.codes import CodeTree
from segue.core.forms import Decoder, Prefixes, TokenModel, Writer
from segue.core.ranking import NOTHING, Ranking, Rules
from segue.core.tables import Histories
from segue.decoding._walk import Forbidden, batches, leaves, longer, step, tree_of
from segue.kernels.top_k import largest


class BeamSearch(Decoder[TokenModel]):
    """Keeps the most probable prefixes of each user, level by level; the score of an item is its log probability.

    Items that must not be recommended are struck from the trie before the search, and a prefix under which a user has
    seen everything is struck for that user, so no beam is spent on what cannot be named. All users and beams of a
    level are one step; the context of a user is held once. At least k beams are kept.
    """

    beams: PositiveInt | tuple[PositiveInt, ...] = 20
    """Prefixes kept at each level, or one number for each level (the last one goes for further levels)."""
    renormalized: bool = False
    """Divide by the probability of all valid children at each step, instead of by that of all codes."""
    prefixes: PositiveInt = 1024
    """Prefixes of all users together that are written at once; bounds memory. Few enough for the cache is fastest."""
    tokens: PositiveInt = 8192
    """Events of all contexts together that are read at once; bounds memory."""

    def __call__(self, model: Writer, histories: Histories, k: int, rules: Rules) -> Ranking:
        """The k best allowed items of each history, best first, with their log probabilities in nats."""
        found = Ranking(
            np.full((len(histories), k), NOTHING, dtype=np.int64),
            np.full((len(histories), k), -np.inf, dtype=np.float32),
        )
        with torch.inference_mode():
            tree = tree_of(model, rules)
            if not len(tree):
                return found
            at_once = self.prefixes // max(k, *self._widths(tree.levels))
            for rows, batch, forbidden in batches(model, histories, tree, rules, prefixes=at_once, tokens=self.tokens):
                items, scores = self._search(model, batch, tree, forbidden, k)
                named = items.shape[1]
                found.items[rows, :named] = items.cpu().numpy()
                found.scores[rows, :named] = scores.cpu().numpy()
        found.items[np.isneginf(found.scores)] = NOTHING
        return found

    def _widths(self, levels: int) -> list[int]:
        given = (self.beams,) if isinstance(self.beams, int) else self.beams
        return [given[min(level, len(given) - 1)] for level in range(levels)]

    def _search(
        self, model: Writer, batch: SequenceBatch, tree: CodeTree, forbidden: Forbidden, k: int
    ) -> tuple[Tensor, Tensor]:
        prefixes: Prefixes | None = model.begin(batch)
        nodes = torch.zeros(len(batch), 1, dtype=torch.int64, device=tree.items.device)
        scores = torch.zeros(len(batch), 1, device=tree.items.device)
        for depth, width in enumerate(self._widths(tree.levels)):
            below, chances = step(model, prefixes, tree, depth, nodes, renormalized=self.renormalized)
            values = scores[..., None] + chances
            forbidden.strike(depth, nodes, values)
            widest = values.shape[2]
            scores, chosen = values.flatten(1).topk(min(max(width, k), values.shape[1] * widest), dim=1)
            nodes = below.flatten(1).gather(1, chosen)
            if depth + 1 < tree.levels:
                prefixes = longer(model, prefixes, chosen // widest, tree, depth + 1, nodes, scores)
        places, shares = leaves(tree, nodes)
        values = scores[..., None] + shares
        forbidden.strike(tree.levels, nodes, values)
        # Equal scores go to the lower item row: in the order of rows, the lower column is the lower row.
        items, order = tree.items[places].flatten(1).sort(dim=1)
        values = values.flatten(1).gather(1, order)
        best = largest(values, min(k, values.shape[1]))
        return items.gather(1, best), values.gather(1, best)
