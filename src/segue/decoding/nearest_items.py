"""A language model writes a title freely, and the items are ranked by how near theirs are to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from pydantic import PositiveInt
from torch import Tensor

from segue.core.forms import Decoder
from segue.core.ranking import NOTHING, Ranking, Rules
from segue.core.shapes import Float
from segue.core.tables import Histories
from segue.core.text_forms import TextModel
from segue.decoding._grounding import Space, Weights, nearest
from segue.decoding.injection import Injection


class NearestItems(Decoder[TextModel]):
    """Grounds what the model writes: items come in the order of the L2 distance of their titles to the best text.

    The frozen language model places both. The score is minus the distance; items with one title follow each other
    with equal scores, and the ranking is exact also where titles lie close together.

    Source: BIGRec, arXiv:2308.08434: beam 4, the top beam, the distance to every title, `injection` after it. Theirs
    lets equal titles share a rank and writes up to 128 tokens.
    """

    beams: PositiveInt = 4
    """Texts kept while writing; the best one is grounded."""
    length: PositiveInt = 64
    """Tokens of a text at most."""
    injection: Injection | None = None
    """What else is known of the items, for which distances are made smaller; None for distances alone."""

    def __call__(self, model: TextModel, histories: Histories, k: int, rules: Rules) -> Ranking:
        """The k best allowed items of each history, best first; a row without history is left empty."""
        found = Ranking(
            np.full((len(histories), k), NOTHING, dtype=np.int64),
            np.full((len(histories), k), -np.inf, dtype=np.float32),
        )
        rows = np.flatnonzero(histories.lengths > 0)
        if len(rows):
            asked = histories.take(rows)
            drafts = model.write(asked, beams=self.beams, length=self.length)
            texts = model.placed(model.title(drafts.texts.gather_every(self.beams)))
            ranking = self.grounded(model, texts, asked, k, rules)
            found.items[rows], found.scores[rows] = ranking.items, ranking.scores
        return found

    def grounded(
        self, model: TextModel, texts: Float[Tensor, "rows width"], histories: Histories, k: int, rules: Rules
    ) -> Ranking:
        """The k best allowed items of each history, when what the model wrote after it lies there.

        With an injection, distances are scaled between the nearest and the farthest title of the whole catalog, and
        scores are minus the weighed ones.
        """
        with torch.inference_mode():
            space = Space.of(texts, model.places, model.title_of)
            if self.injection is None:
                return nearest(space, histories, k, rules)
            first = nearest(space, histories, 1, Rules(seen=True))
            low = torch.from_numpy(-first.scores[:, 0]).to(space.texts.device)
            users, items = self.injection.sides(model, histories)
            weights = Weights.of(low, space.farthest(), users, items, self.injection.gamma)
            return nearest(replace(space, weights=weights), histories, k, rules)
