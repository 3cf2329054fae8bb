"""Vectors of items that come from who took them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import torch
from pydantic import PositiveInt
from torch import Tensor
from torch.nn.functional import normalize

from segue.core.errors import SettingsError
from segue.core.recipe import Recipe
from segue.core.run import Run
from segue.core.shapes import Float
from segue.core.tables import Split
from segue.core.tokenizing import FittedEncoder, ItemEncoder
from segue.encoders._known import KnownVectors
from segue.kernels.randomized_svd import compressed_rows, randomized_svd

logger = logging.getLogger(__name__)

SOURCE = "the training histories that the collaborative vectors come from"


class CollaborativeVectors(ItemEncoder):
    """What a recommender has learnt of the items: of a recipe fitted on the spot, of an earlier run, or of an SVD.

    Only items of the fitted catalog have a vector. Those without any training event get the mean direction (of the
    SVD) or what the recommender started with.
    """

    recipe: Recipe | None = None
    """A scoring recipe that is fitted on the split's training histories."""
    run: str | None = None
    """The folder of an earlier run of a scoring recipe; its data must have all items of this catalog."""
    method: Literal["svd"] = "svd"
    """What is done when neither is given: a truncated SVD of the users x items matrix, its entries divided by the
    square roots of the number of the user's items and of the item's users."""
    width: PositiveInt = 128
    """Numbers in a vector of the SVD; a recommender's vectors have its own width."""
    normalized: bool = True
    """Whether vectors have length 1."""

    @property
    def reads_events(self) -> bool:
        """Whether vectors come from what users did."""
        return True

    def fit(self, split: Split, run: Run) -> FittedEncoder:
        """Fit or open the recommender, or decompose the training histories.

        Raises:
            SettingsError: a recipe and a run are both given, the recommender has no vectors of items, or no run can be
                opened from here.
            DataError: the run does not know some items; says how many and which is the first.
        """
        if self.recipe is not None and self.run is not None:
            raise SettingsError("collaborative vectors come from a recipe or from a run; both were given.")
        if self.recipe is not None:
            fitted = self.recipe.fit(split, run.aside("collaborative_vectors"))
            return self._known(split.catalog.ids, _item_vectors(fitted, self.recipe.name))
        if self.run is not None:
            if run.open_run is None:
                raise SettingsError(
                    f"'{self.run}' cannot be opened: this fit was started without access to other runs."
                )
            fitted = run.open_run(Path(self.run))
            known = self._known(fitted.catalog.ids, _item_vectors(fitted, self.run))
            return self._known(split.catalog.ids, torch.from_numpy(known.encode(split.catalog)))
        return self._known(split.catalog.ids, self._decomposed(split, run))

    def restore(self, weights: Mapping[str, Tensor]) -> FittedEncoder:
        """The encoder that `weights` were taken from."""
        return KnownVectors(self, weights["items"], weights["vectors"], self.run or SOURCE)

    def _known(self, ids: pl.Series, vectors: Float[Tensor, "items width"]) -> KnownVectors:
        vectors = normalize(vectors) if self.normalized else vectors
        return KnownVectors.of(self, ids, vectors.numpy(), self.run or SOURCE)

    def _decomposed(self, split: Split, run: Run) -> Float[Tensor, "items width"]:
        items = len(split.catalog)
        events, bounds = split.train.packed()
        users = np.repeat(np.arange(len(split.train)), np.diff(bounds))
        users, events = np.divmod(np.unique(users * items + events), items)  # each item once a user
        per_user = np.bincount(users, minlength=len(split.train))
        per_item = np.bincount(events, minlength=items)
        matrix = compressed_rows(
            torch.from_numpy(np.append(0, np.cumsum(per_user))),
            torch.from_numpy(events),
            torch.from_numpy((1 / np.sqrt(per_user[users] * per_item[events])).astype(np.float32)),
            width=items,
        )
        rng = replace(run, device=torch.device("cpu")).torch_generator("collaborative vectors")
        values, directions = randomized_svd(matrix, self.width, rng, rounds=ROUNDS)
        # Divided by the root of its users, an item's first number is the same for all: taste is left, not fame.
        vectors = torch.zeros(items, self.width)
        scaled = directions * values / torch.from_numpy(per_item).clamp_min(1).sqrt()[:, None]
        vectors[:, : scaled.shape[1]] = scaled
        lonely = torch.from_numpy(per_item == 0)
        if lonely.any():
            logger.warning("%d of %d items have no training event; they get the mean vector", int(lonely.sum()), items)
            vectors[lonely] = vectors.sum(0) / (~lonely).sum().clamp_min(1)
        return vectors


def _item_vectors(fitted: Any, name: str) -> Float[Tensor, "items width"]:
    model: Any = getattr(fitted, "model", None)
    if not hasattr(model, "item_vectors"):
        raise SettingsError(
            f"'{name}' has no vectors of items; take a system that scores items by vectors, like sasrec."
        )
    with torch.no_grad():
        vectors: Tensor = model.item_vectors()
    return vectors.detach().float().cpu().clone()


ROUNDS = 4
"""Power iterations: the singular values of who took what fall slowly."""
