"""Yes to the true next item, no to each drawn one: BCE as in SASRec, and gBCE, which corrects for the sampling."""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch.nn.functional import logsigmoid, softplus

from segue.core.batches import SequenceBatch
from segue.core.errors import SettingsError
from segue.core.forms import Loss, Objective, ScoringModel
from segue.data.negatives import Negatives, UniformNegatives


class BinaryCrossEntropy(Objective[ScoringModel]):
    """Binary cross entropy of the true next item against drawn ones.

    `calibration` 0 is SASRec's loss. Above it, the positive probability is raised to a power beta, which at 1 makes
    the optimum the softmax over the catalog: gBCE, arXiv:2308.07192, with alpha = draws / (items - 1) and
    beta = alpha (calibration (1 - 1 / alpha) + 1 / alpha). As there, each token needs draws of its own.
    """

    negatives: Negatives = UniformNegatives(count=1, shared=False)
    """What the true item is compared with."""
    calibration: float = Field(default=0.0, ge=0, le=1)
    """gBCE's t: 0 is plain BCE, 1 corrects in full for the sampling of negatives."""

    def __call__(self, model: ScoringModel, batch: SequenceBatch, rng: torch.Generator) -> Loss:
        """The sum over events of the loss of the true item and of all its drawn ones.

        Raises:
            SettingsError: the batch carries no targets.
        """
        if batch.targets is None:
            raise SettingsError("objective: BinaryCrossEntropy needs a batch with targets; set batches=next_item.")
        vectors = model.item_vectors()
        drawn = self.negatives(batch, len(vectors), rng)
        positive, negative = drawn.compare(model.states(batch), vectors, batch.targets)
        power = self.power(drawn.items.shape[-1], len(vectors))
        wrong = softplus(negative.float()).masked_fill(drawn.items == batch.targets[:, None], 0.0)
        total = wrong.sum() - power * logsigmoid(positive.float()).sum()
        return Loss(total, torch.tensor(float(len(batch.targets)), device=total.device))

    def power(self, draws: int, items: int) -> float:
        """gBCE's beta for so many draws out of so many items."""
        alpha = min(1.0, draws / (items - 1))
        beta = alpha * (self.calibration * (1 - 1 / alpha) + 1 / alpha)
        assert math.isfinite(beta)
        return beta
