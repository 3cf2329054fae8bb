"""Next-code cross entropy: the codes of the next item, one after another, each given those before it."""

from __future__ import annotations

import torch
from pydantic import Field, PositiveFloat

from segue.core.batches import SequenceBatch
from segue.core.forms import Loss, Objective, TokenModel
from segue.kernels.linear_cross_entropy import linear_cross_entropy


class NextCode(Objective[TokenModel]):
    """-log P(code | history, codes before it), summed over the codes of each item that is to be predicted.

    Source: TIGER, arXiv:2305.05065, section 3.2. `temperature` divides the logits, which LETTER calls a ranking-guided
    loss (arXiv:2405.07314); at 1 it is the plain cross entropy that its released scripts use.
    """

    temperature: PositiveFloat = 1.0
    """Divides the logits (no unit)."""
    smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Weight spread evenly over the codes of a level instead of lying on the true one."""

    def __call__(self, model: TokenModel, batch: SequenceBatch, rng: torch.Generator) -> Loss:
        """The sum over all codes, in nats; the count is of codes, so that the mean is the loss of a code.

        Raises:
            SettingsError: the batch carries no targets.
        """
        states, items = model.answers(batch)
        codes = model.item_codes[items]
        totals = []
        for level in range(model.codes.levels):
            table, begin = model.codebook(level)
            asked = states[:, level] / self.temperature
            totals.append(linear_cross_entropy(asked, table, codes[:, level] + begin, self.smoothing))
        return Loss(torch.stack(totals).sum(), torch.tensor(float(codes.numel()), device=items.device))
