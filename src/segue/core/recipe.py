"""A named published system, and what comes out of fitting it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from segue.core.forms import Backbone, Batches, Decoder, ModelPart, Objective, Procedure, ScoringModel
from segue.core.part import Part
from segue.core.ranking import NOTHING, Ranking, Rules
from segue.core.run import Run
from segue.core.seeding import derived_seed
from segue.core.tables import Catalog, Histories, Split


class Paper(BaseModel):
    """Where a system was published."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    authors: str
    title: str
    year: int
    venue: str | None = None
    arxiv: str | None = None
    url: str | None = None

    def words(self) -> str:
        """The citation in one line."""
        places = [self.venue, str(self.year), f"arXiv:{self.arxiv}" if self.arxiv else self.url]
        return f"{self.authors}. {self.title}. {', '.join(place for place in places if place)}."


class Recommender(ABC):
    """A fitted system: it can recommend, be saved, and be served."""

    recipe: Recipe
    catalog: Catalog

    @abstractmethod
    def recommend(self, histories: Histories, k: int, rules: Rules = Rules()) -> Ranking:
        """The k best allowed items after each history, best first."""

    @abstractmethod
    def weights(self) -> Mapping[str, Tensor]:
        """Everything fitted, as named tensors; `recipe.restore` makes the recommender from it again."""

    def to(self, device: torch.device) -> None:  # noqa: B027 - a system without a network has nothing to move
        """Answer on this device from now on, where the system has something to move."""


class Recipe(Part):
    """A named published system: its paper, its parts, and how to fit it."""

    abstract: ClassVar[bool] = True

    name: str
    """The name on the command line and in the ledger."""
    paper: Paper
    """The publication that this system follows."""

    @property
    def history(self) -> int | None:
        """The newest events of a history that the system looks at, or None for all of them."""
        return None

    @property
    def knows_target_time(self) -> bool:
        """Whether the system is told when the event to be predicted happens; part of the fingerprint."""
        return False

    def fit(self, split: Split, run: Run) -> Recommender:
        """Learn from the training histories; the validation cases may be looked at, the test cases never."""
        raise NotImplementedError

    def restore(self, catalog: Catalog, weights: Mapping[str, Tensor]) -> Recommender:
        """The recommender that `weights` were taken from."""
        raise NotImplementedError


class ScoringRecipe(Recipe):
    """A system composed of parts around a model that scores items."""

    batches: Batches
    """How histories become training batches, and how much of a history the model looks at."""
    backbone: Backbone
    """The trunk."""
    model: ModelPart
    """The ends of the trunk."""
    objective: Objective[ScoringModel]
    """What is learnt."""
    decoder: Decoder[ScoringModel]
    """How a ranking is made."""
    procedure: Procedure[ScoringModel]
    """The order of the steps."""

    @property
    def history(self) -> int | None:
        """The newest events of a history that the model looks at."""
        return self.batches.history

    @property
    def knows_target_time(self) -> bool:
        """Whether the model is told when the event to be predicted happens."""
        return self.batches.knows_target_time

    def fit(self, split: Split, run: Run) -> FittedModel:
        """Build the model with the run's seed and train it."""
        model = self._build(split.catalog, run.seed)
        self.procedure(model, self.batches, self.objective, self.decoder, split, run)
        return FittedModel(self, split.catalog, model, torch.from_numpy(split.item_counts()))

    def restore(self, catalog: Catalog, weights: Mapping[str, Tensor]) -> FittedModel:
        """The recommender that `weights` were taken from."""
        model = self._build(catalog, seed=0)
        model.load_state_dict({name: tensor for name, tensor in weights.items() if name != COUNTS})
        model.eval()
        return FittedModel(self, catalog, model, weights[COUNTS])

    def _build(self, catalog: Catalog, seed: int) -> Any:
        # Initialisers of torch draw from its global generator: it is set for the moment and put back afterwards.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(seed, "weights"))
            return self.model.build(self.backbone, items=len(catalog), length=self.batches.history)


class FittedModel(Recommender):
    """A fitted `ScoringRecipe`; who has no history yet gets the most popular items."""

    def __init__(self, recipe: ScoringRecipe, catalog: Catalog, model: Any, counts: Tensor) -> None:
        self.recipe, self.catalog, self.model, self.counts = recipe, catalog, model, counts
        self.decoder = recipe.decoder

    def recommend(self, histories: Histories, k: int, rules: Rules = Rules()) -> Ranking:
        """The k best allowed items after each history, best first."""
        ranking = self.decoder(self.model, histories, k, rules)
        strangers = np.flatnonzero(histories.lengths == 0)
        if len(strangers):
            counts = self.counts.numpy()
            order = np.argsort(-counts, kind="stable")
            order = order[rules.allows(order, len(counts))][:k]
            ranking.items[strangers], ranking.scores[strangers] = NOTHING, -np.inf
            ranking.items[strangers, : len(order)] = order
            ranking.scores[strangers, : len(order)] = counts[order]
        return ranking

    def to(self, device: torch.device) -> None:
        """Answer on this device from now on."""
        self.model.to(device)

    def weights(self) -> Mapping[str, Tensor]:
        """The model's weights and the popularity of the items."""
        return {**self.model.state_dict(), COUNTS: self.counts}


COUNTS = "popularity"
"""Among the weights: how often each item occurs in training."""
