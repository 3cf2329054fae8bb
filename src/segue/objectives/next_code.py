"""Next-code cross entropy: the codes of the next item, one after another, each given those before it."""

from __future__ import annotations

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from segue.core.forms import AnswerObjective, Loss, TokenModel
from segue.core.shapes import Float, Int
from segue.kernels.linear_cross_entropy import linear_cross_entropy


class NextCode(AnswerObjective):
    """-log P(code | history, codes before it), summed over the codes of each item that is to be predicted.

    Source: TIGER, arXiv:2305.05065, section 3.2. `temperature` divides the logits, which LETTER calls a ranking-guided
    loss (arXiv:2405.07314); at 1 it is the plain cross entropy that its released scripts use.
    """

    temperature: PositiveFloat = 1.0
    """Divides the logits (no unit)."""
    smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Weight spread evenly over the codes of a level instead of lying on the true one."""

    def of_answers(
        self, model: TokenModel, states: Float[Tensor, "answers levels width"], items: Int[Tensor, " answers"]
    ) -> Loss:
        """The sum over all codes, in nats; the count is of codes, so that the mean is the loss of a code."""
        codes = model.item_codes[items]
        totals = []
        for level in range(model.codes.levels):
            table, begin = model.codebook(level)
            asked = states[:, level] / self.temperature
            totals.append(linear_cross_entropy(asked, table, codes[:, level] + begin, self.smoothing))
        return Loss(torch.stack(totals).sum(), torch.tensor(float(codes.numel()), device=items.device))
