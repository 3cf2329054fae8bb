"""What a fitted recommender thinks of items: a score between the worst and the best of the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segue.core.batches import SequenceBatch
from segue.core.errors import DataError, SettingsError
from segue.core.forms import ScoringModel
from segue.core.recipe import Recipe
from segue.core.run import Run
from segue.core.shapes import Float, Int
from segue.core.tables import Histories, Split

TILE = 65_536
"""Items whose scores exist at once."""


class Utility:
    """A frozen scoring model, asked for users' scores of chosen items."""

    def __init__(self, model: Any, device: torch.device) -> None:
        self.model: ScoringModel = model.to(device).eval().requires_grad_(False)
        self.device = device
        with torch.inference_mode(False), torch.no_grad():
            self.vectors = self.model.item_vectors().detach().float()

    @classmethod
    def of(cls, recipe: Recipe | None, folder: str | None, split: Split, run: Run) -> Utility:
        """Open the run, or fit the recipe on this split where no run is named.

        Raises:
            SettingsError: neither is given, or the recommender has no vectors of users and items.
            DataError: the run was fitted on another catalogue.
        """
        fitted: Any
        if folder is not None:
            if run.open_run is None:
                raise SettingsError(f"'{folder}' cannot be opened: this fit was started without access to other runs.")
            fitted = run.open_run(Path(folder))
        elif recipe is not None:
            fitted = recipe.fit(split, run.aside("collaborative"))
        else:
            raise SettingsError(
                "procedure: the reward or the sampler asks a collaborative model; set procedure.collaborative_run to "
                "the folder of a run of a system like sasrec, or procedure.collaborative to its recipe."
            )
        name = folder or (recipe.name if recipe is not None else "")
        model = getattr(fitted, "model", None)
        if not isinstance(model, ScoringModel):
            raise SettingsError(
                f"procedure: '{name}' has no vectors of users and items; take a system like sasrec, hstu or gru4rec."
            )
        if not fitted.catalog.ids.equals(split.catalog.ids):
            raise DataError(
                f"the catalogue of '{name}' ({len(fitted.catalog)} items) is not that of this data "
                f"({len(split.catalog)} items); fit it on the same data, prepared with the same settings."
            )
        return cls(model, run.device)

    def asked_by(self, histories: Histories) -> UserUtility:
        """The scores after these histories."""
        batch = SequenceBatch.of(histories.latest(self.model.history)).to(self.device)
        vectors = torch.empty(len(histories), self.vectors.shape[1], device=self.device)
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            vectors[batch.order] = self.model.user_vectors(batch).float()
            ends = [torch.aminmax(vectors @ some.T, dim=1) for some in self.vectors.split(TILE)]
            low = torch.stack([end.min for end in ends]).amin(0)
            high = torch.stack([end.max for end in ends]).amax(0)
        return UserUtility(vectors, self.vectors, low, high)


class UserUtility:
    """Scores of items for some users, from 0 (the worst of the catalogue) to 1 (the best)."""

    def __init__(self, users: Tensor, items: Tensor, low: Tensor, high: Tensor) -> None:
        self.users, self.items, self.low, self.high = users, items, low, high

    def __call__(self, items: Int[Tensor, "users asked"]) -> Float[Tensor, "users asked"]:
        """The scores of these items; those of `NOTHING` mean nothing."""
        scores = torch.einsum("uw,uaw->ua", self.users, self.items[items.clamp_min(0)])
        spread = (self.high - self.low).clamp_min(1e-12)
        return ((scores - self.low[:, None]) / spread[:, None]).clamp(0.0, 1.0)
