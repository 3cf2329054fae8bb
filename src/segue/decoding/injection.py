"""What else is known of the items, mixed into how near they are to a text."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import normalize

from segue.core.errors import SettingsError
from segue.core.part import Part
from segue.core.shapes import Float
from segue.core.tables import Histories
from segue.core.text_forms import TextModel


class Injection(Part):
    """Divides the distance of each item by (1 + W)^gamma, W being its popularity or its likeness to the history.

    Distances are put between 0 (the nearest title) and 1 (the farthest) for each row before, so the nearest title stays
    first whatever `gamma` is; W is between 0 and 1 over the catalog, too. `gamma` is to be chosen on validation.

    Source: BIGRec, arXiv:2308.08434, the step after grounding. Its collaborative score is the logit of another
    recommender; ours is the mean cosine between the item and the newest events of the history, by the vectors that the
    model has of behaviour.
    """

    by: Literal["popularity", "behaviour"] = "popularity"
    """What W is: how often the item occurs in training, or how like the history it is."""
    gamma: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """How much W counts; with 0 the order is that of the distances."""

    def sides(
        self, model: TextModel, histories: Histories
    ) -> tuple[Float[Tensor, "users size"], Float[Tensor, "items size"]]:
        """Vectors whose products are W but for its scale; one of users alone where it is the same for everybody.

        Raises:
            SettingsError: likeness is asked for, and the model knows nothing of behaviour.
        """
        if self.by == "popularity":
            counts = model.counts.to(model.places.device).float()
            return counts.new_ones(1, 1), counts[:, None]
        if model.behaviour is None:
            raise SettingsError(
                "injection.by=behaviour needs vectors of the items by who took them, and this system has none; "
                "set 'behaviour' (such as collaborative_vectors), or take injection.by=popularity."
            )
        vectors = normalize(model.behaviour.to(model.places.device).float(), dim=1)
        recent = histories.latest(model.history)
        items, bounds = recent.packed()
        lengths = np.diff(bounds)
        rows = torch.from_numpy(np.repeat(np.arange(len(recent)), lengths)).to(vectors.device)
        users = vectors.new_zeros(len(recent), vectors.shape[1])
        users.index_add_(0, rows, vectors[torch.from_numpy(items.astype(np.int64)).to(vectors.device)])
        return users / torch.from_numpy(lengths).to(vectors.device).clamp_min(1)[:, None], vectors
