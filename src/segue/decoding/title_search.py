"""Beam search down the trie of titles: what is written is always the title of an item."""

from __future__ import annotations

import numpy as np
import torch

from segue.core.forms import Decoder
from segue.core.ranking import NOTHING, Ranking, Rules
from segue.core.tables import Histories
from segue.core.text_forms import TextModel
from segue.decoding.beam_search import BeamSearch
from segue.kernels.top_k import largest


class TitleSearch(Decoder[TextModel]):
    """Leads a language model down the trie of the catalog's titles in its own tokens, instead of letting it write.

    The score of an item is the log probability of its title, the end included, and of items with one title each has
    its share. Nothing is grounded afterwards, because no title comes out that does not exist.
    """

    search: BeamSearch = BeamSearch(beams=20, prefixes=256)
    """How many prefixes are kept, and how many are written at once, each of them with the whole vocabulary."""
    per_token: bool = False
    """Rank what the search found by the mean log probability of a token, so that long titles do not lose by length.
    The search itself goes by the whole sum."""

    def __call__(self, model: TextModel, histories: Histories, k: int, rules: Rules) -> Ranking:
        """The k best allowed items of each history, best first, with their log probabilities in nats."""
        if not self.per_token:
            return self.search(model, histories, k, rules)
        beams = (self.search.beams,) if isinstance(self.search.beams, int) else self.search.beams
        found = self.search(model, histories, max(k, *beams), rules)
        # Equal scores go to the lower item row: in the order of rows, the lower column is the lower row.
        order = np.argsort(found.items, axis=1, kind="stable")
        items, totals = (np.take_along_axis(values, order, axis=1) for values in (found.items, found.scores))
        tokens = model.codes.lengths[np.where(items == NOTHING, 0, items)]
        scores = (totals / tokens).astype(np.float32)
        best = largest(torch.from_numpy(scores), k).numpy()
        return Ranking(np.take_along_axis(items, best, axis=1), np.take_along_axis(scores, best, axis=1))
