"""A named published system that ranks what is shown, and what comes out of fitting it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segue.core.errors import SettingsError, diverged
from segue.core.forms import Backbone, Objective, RankingBatches, RankingModel, RankingModelPart, RankingProcedure
from segue.core.impressions import UNKNOWN, Impressions, RankingSplit, Schema
from segue.core.ranking import NOTHING, Ranking, Rules
from segue.core.recipe import Recipe, Recommender, initialising
from segue.core.run import Run
from segue.core.shapes import Float, Int
from segue.core.tables import Catalog, Histories, Split

JUDGED = 200_000
"""Items judged at once when a ranker is asked about the whole catalog."""


class Ranker(Recommender):
    """A fitted system that says how likely each action is for items that are shown."""

    schema: Schema

    @abstractmethod
    def probabilities(self, impressions: Impressions) -> Float[np.ndarray, "shown tasks"]:
        """P(action) of every shown item, in the order of the impressions; labels are not looked at."""

    def recommend(self, histories: Histories, k: int, rules: Rules = Rules()) -> Ranking:
        """The k allowed items on which the first action is likeliest.

        A plain history does not say what was done with its items: each counts as the first of the actions.
        """
        asked = np.flatnonzero(rules.allows(np.arange(len(self.catalog)), len(self.catalog)))
        at_once = max(1, JUDGED // max(len(asked), 1))
        some = [histories.take(slice(first, first + at_once)) for first in range(0, len(histories), at_once)]
        parts = [self._best(part, k, asked, seen=rules.seen) for part in some]
        return Ranking.stack(parts) if parts else Ranking(np.zeros((0, k), dtype=np.int64), np.zeros((0, k)))

    def _best(self, histories: Histories, k: int, asked: Int[np.ndarray, " asked"], *, seen: bool) -> Ranking:
        rows = len(histories)
        if not len(asked):
            return Ranking(np.full((rows, k), NOTHING), np.full((rows, k), -np.inf))
        scores = self.probabilities(shown(histories, [asked] * rows, self.schema))[:, 0].reshape(rows, len(asked))
        scores = scores.astype(np.float64)
        if not seen:
            place = np.full(len(self.catalog), -1)
            place[asked] = np.arange(len(asked))
            items, bounds = histories.packed()
            columns = place[items]
            scores[np.repeat(np.arange(rows), np.diff(bounds))[columns >= 0], columns[columns >= 0]] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        best = np.take_along_axis(scores, order, axis=1)
        items = np.where(np.isneginf(best), NOTHING, asked[order])
        missing = k - items.shape[1]
        return Ranking(
            np.pad(items, ((0, 0), (0, missing)), constant_values=NOTHING),
            np.pad(best, ((0, 0), (0, missing)), constant_values=-np.inf),
        )


class RankingRecipe(Recipe):
    """A system composed of parts around a model that judges what is shown."""

    batches: RankingBatches
    """How requests become batches, and how much of a history the model looks at."""
    backbone: Backbone | None = None
    """The trunk, where the model has one."""
    model: RankingModelPart
    """The ends of the trunk, or the whole model."""
    objective: Objective[RankingModel]
    """What is learnt."""
    procedure: RankingProcedure
    """The order of the steps."""

    @property
    def reads_order(self) -> bool:
        """It reads a history as a sequence."""
        return True

    @property
    def ranks(self) -> bool:
        """It judges what is shown."""
        return True

    @property
    def history(self) -> int | None:
        """The most events of a history that the model looks at."""
        return self.batches.length

    def fit(self, split: Split, run: Run) -> FittedRanker:
        """Build the model with the run's seed and train it.

        Raises:
            SettingsError: the split has no requests.
        """
        requests = requests_of(split, self.name)
        facts = {name: torch.from_numpy(np.array(values)) for name, values in requests.item_features.items()}
        model = self._build(requests.schema, facts, run.seed)
        self.procedure(model, self.batches, self.objective, requests, run)
        return FittedRanker(self, split.catalog, model)

    def restore(self, catalog: Catalog, weights: Mapping[str, Tensor]) -> FittedRanker:
        """The ranker that `weights` were taken from."""
        schema = Schema.from_tensor(weights[SCHEMA])
        facts = {
            one.name: torch.zeros(schema.items, dtype=torch.int64 if one.size else torch.float32)
            for one in schema.fields_of("item")
        }
        model = self._build(schema, facts, seed=0)
        model.load_state_dict({name: tensor for name, tensor in weights.items() if name != SCHEMA})
        model.eval()
        return FittedRanker(self, catalog, model)

    def _build(self, schema: Schema, facts: Mapping[str, Tensor], seed: int) -> Any:
        with initialising(seed):
            return self.model.build(self.backbone, schema, facts, length=self.batches.length)


class FittedRanker(Ranker):
    """A fitted ranking recipe of parts."""

    def __init__(self, recipe: RankingRecipe, catalog: Catalog, model: Any) -> None:
        self.recipe: RankingRecipe = recipe
        self.catalog, self.model = catalog, model
        self.schema = model.schema

    def probabilities(self, impressions: Impressions) -> Float[np.ndarray, "shown tasks"]:
        """P(action) of every shown item, in the order of the impressions; labels are not looked at."""
        return probabilities(self.model, self.recipe.batches, impressions)

    def to(self, device: torch.device) -> None:
        """Answer on this device from now on."""
        self.model.to(device)

    def weights(self) -> Mapping[str, Tensor]:
        """The model's weights and facts, and what it was built for."""
        return {**self.model.state_dict(), SCHEMA: self.schema.to_tensor()}


@torch.no_grad()
def probabilities(model: Any, batches: RankingBatches, impressions: Impressions) -> Float[np.ndarray, "shown tasks"]:
    """P(action) of every shown item by a living model, which is put into the mode of use and back.

    Raises:
        RunError: a probability is not a number.
    """
    answers = np.empty((len(impressions.items), len(model.schema.tasks)), dtype=np.float32)
    learning, device = model.training, next(model.parameters()).device
    model.eval()
    passes, chunks = batches.in_order(impressions)
    for rows in chunks:
        batch = batches.batch(passes, rows)
        answers[batch.order.numpy()] = torch.sigmoid(model.logits(batch.to(device)).float()).cpu().numpy()
    model.train(learning)
    if np.isnan(answers).any():
        raise diverged("A probability is not a number (NaN)")
    return answers


def requests_of(split: Split, system: str) -> RankingSplit:
    """The split as one of requests.

    Raises:
        SettingsError: it is not one.
    """
    if not isinstance(split, RankingSplit):
        raise SettingsError(
            f"{system} ranks what is shown and needs requests to learn from; set split=requests_by_time (or "
            "split=last_event where the log has only what users took)."
        )
    return split


def shown(histories: Histories, items: Sequence[Int[np.ndarray, " _"]], schema: Schema) -> Impressions:
    """These items shown after each history, of which each event counts as the first of the actions."""
    bounds = np.concatenate([[0], np.cumsum([len(some) for some in items])]).astype(np.int64)
    asked = int(bounds[-1])
    actions = np.zeros((len(histories.items), len(schema.actions)), dtype=np.int8)
    actions[:, :1] = 1
    return Impressions(
        histories=histories,
        actions=actions,
        items=np.concatenate([np.zeros(0, dtype=np.int64), *items]),
        bounds=bounds,
        labels=np.full((asked, len(schema.tasks)), UNKNOWN, dtype=np.int8),
        events=np.full(asked, -1),
        features={
            one.name: np.zeros(asked, dtype=np.int64 if one.size else np.float32) for one in schema.fields_of("place")
        },
        users={one.name: np.zeros(0, dtype=np.int64 if one.size else np.float32) for one in schema.fields_of("user")},
    )


SCHEMA = "schema"
"""Among the weights: what the ranker was built for, as bytes."""
