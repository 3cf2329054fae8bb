"""Next-word cross entropy: the words of the next item's title, one after another, each given those before it."""

from __future__ import annotations

import torch
from torch import Tensor

from segue.core.batches import SequenceBatch
from segue.core.forms import Loss, Objective
from segue.core.shapes import Float
from segue.core.text_forms import TextModel
from segue.kernels.linear_cross_entropy import linear_cross_entropy


class NextWords(Objective[TextModel]):
    """-log P(token | prompt, tokens before it), the mean over the tokens of the responses.

    Where a batch brings texts of its own, with a share, the loss is (1 - share) times that of the titles plus share
    times that of these texts. Each is divided by the number of its own tokens, and what has no weight is not computed.

    Source: BIGRec, arXiv:2308.08434, section 3.2; with a share SOFT, step C, whose released code divides so too. That
    code takes the mean of each piece of a batch and then their mean; with `accumulation` we do the same, weighted by
    the rows of the pieces.
    """

    completion_only: bool = True
    """Whether only responses are learnt; False trains on the words of the prompts too, as BIGRec's released code."""

    def __call__(self, model: TextModel, batch: SequenceBatch, rng: torch.Generator) -> Loss:
        """The loss in nats: a sum over tokens; with texts beside the titles, the mixture for each row."""
        if batch.responses is None:
            total, tokens = self._sum(model, batch, own=False)
            return Loss(total, tokens)
        parts: list[Tensor] = []
        notes: dict[str, Tensor] = {}
        for name, weight, own in (("loss/titles", 1.0 - batch.share, False), ("loss/drafts", batch.share, True)):
            if weight:
                total, tokens = self._sum(model, batch, own=own)
                mean = total / tokens
                parts.append(mean if weight == 1.0 else weight * mean)
                notes[name] = mean
        rows = parts[0].new_tensor(float(len(batch)))
        return Loss(rows * torch.stack(parts).sum(), rows, notes)

    def _sum(self, model: TextModel, batch: SequenceBatch, *, own: bool) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """The sum over the tokens of the titles, or of the texts beside them, and the number of these tokens."""
        states, tokens = model.answers(batch, own=own, prompts=not self.completion_only)
        total = linear_cross_entropy(states, model.vocabulary(), tokens)
        return total, total.new_tensor(float(len(tokens)))
