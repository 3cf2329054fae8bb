"""A named published system, and what comes out of fitting it."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.distributed as dist
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from segue.core import checkpoint
from segue.core.errors import DataError, SettingsError, diverged
from segue.core.forms import (
    Backbone,
    Batches,
    Decoder,
    Growing,
    ModelPart,
    Objective,
    Procedure,
    ScoringModel,
    TokenModel,
    TokenModelPart,
)
from segue.core.part import Part
from segue.core.ranking import NOTHING, Ranking, Rules
from segue.core.run import Run
from segue.core.seeding import derived_seed
from segue.core.shapes import Num
from segue.core.tables import Catalog, Histories, Split
from segue.core.tokenizing import FittedTokenizer, ItemTokenizer


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
        return f"{self.authors.rstrip('.')}. {self.title}. {', '.join(place for place in places if place)}."


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

    def grown(self, new: Catalog) -> Recommender:
        """The same system, which from now on also recommends these items, behind those of its catalog, and reads them.

        Nothing is learnt, and the system shares its weights with this one.

        Raises:
            DataError: it cannot recommend one of them; says why.
        """
        raise DataError(
            f"{self.recipe.name} learnt of each item from what users did with it before it was fitted, and nobody had "
            "done anything with this one; fit it again."
        )

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

    @property
    def reads_order(self) -> bool:
        """Whether it matters to the system in which order the events of a history stand; of a count it does not."""
        return False

    @property
    def ranks(self) -> bool:
        """Whether the system judges what is shown: then it needs a split into requests, and fits a `Ranker`."""
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
    procedure: Procedure
    """The order of the steps."""

    @property
    def reads_order(self) -> bool:
        """Its trunk reads a sequence."""
        return True

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
        with initialising(seed):
            return self.model.build(self.backbone, items=len(catalog), length=self.batches.history)


class TokenRecipe(Recipe):
    """A system composed of parts around a model that writes the codes of items."""

    batches: Batches
    """How histories become training batches, and how much of a history the model looks at."""
    tokenizer: ItemTokenizer
    """How items become tuples of codes."""
    backbone: Backbone
    """The trunk."""
    model: TokenModelPart
    """The ends of the trunk."""
    objective: Objective[TokenModel]
    """What is learnt."""
    decoder: Decoder[TokenModel]
    """How a ranking is made."""
    procedure: Procedure
    """The order of the steps."""
    start: str | None = None
    """The folder of an earlier run of a token recipe, whose codes and weights this one begins with. On the command
    line, parts that are not set otherwise are taken over from it too."""

    @property
    def reads_order(self) -> bool:
        """Its trunk reads a sequence."""
        return True

    @property
    def history(self) -> int | None:
        """The newest events of a history that the model looks at."""
        return self.batches.history

    def fit(self, split: Split, run: Run) -> FittedModel:
        """Give the items codes, build the model with the run's seed and train it.

        Raises:
            SettingsError: `start` is the run of a system that does not write codes, or of one with other parts.
            DataError: `start` was fitted on another catalogue.
        """
        if self.start is None:
            tokenizer = self._tokenizer(split, run)
            model = self._build(tokenizer, run.seed)
        else:
            tokenizer, weights = self._started(self.start, split.catalog, run)
            model = self._build(tokenizer, run.seed)
            model.load_state_dict(weights)
        self.procedure(model, self.batches, self.objective, self.decoder, split, run)
        return FittedModel(self, split.catalog, model, torch.from_numpy(split.item_counts()), tokenizer)

    def restore(self, catalog: Catalog, weights: Mapping[str, Tensor]) -> FittedModel:
        """The recommender that `weights` were taken from."""
        tokenizer = self.tokenizer.restore(catalog, under(weights, TOKENIZER))
        model = self._build(tokenizer, seed=0)
        model.load_state_dict(
            {name: tensor for name, tensor in weights.items() if name != COUNTS and not name.startswith(TOKENIZER)}
        )
        model.eval()
        return FittedModel(self, catalog, model, weights[COUNTS], tokenizer)

    def _started(self, start: str, catalog: Catalog, run: Run) -> tuple[FittedTokenizer, Mapping[str, Tensor]]:
        """The tokenizer and the weights of the run that this one begins with."""
        if run.open_run is None:
            raise SettingsError(
                f"start: '{start}' cannot be opened; this fit was started without access to other runs."
            )
        fitted = run.open_run(Path(start))
        if not isinstance(fitted, FittedModel) or fitted.tokenizer is None:
            raise SettingsError(
                f"start: '{start}' is a run of {fitted.recipe.name}, which does not write codes of items."
            )
        for name in ("tokenizer", "backbone", "model"):
            ours, theirs = getattr(self, name), getattr(fitted.recipe, name)
            if ours != theirs:
                raise SettingsError(f"start: '{start}' has another {name}: {difference(ours, theirs)}.")
        if self.history != fitted.recipe.history:
            raise SettingsError(
                f"start: '{start}' looks at {fitted.recipe.history} events, and batches.history is {self.history} here."
            )
        if not fitted.catalog.ids.equals(catalog.ids):
            raise DataError(
                f"start: the catalogue of '{start}' has {len(fitted.catalog)} items, and is not that of this data "
                f"({len(catalog)} items); fine-tune on the data that the run was fitted on."
            )
        return fitted.tokenizer, fitted.model.state_dict()

    def _tokenizer(self, split: Split, run: Run) -> FittedTokenizer:
        """Fitted once a run, by one of its processes: the others, and who resumes, find it in the run folder."""
        kept = None if run.folder is None else run.folder / CODES
        together = kept is not None and dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
        follows = together and dist.get_rank() > 0
        if follows:
            dist.barrier()  # until the leader has written it
        if kept is not None and kept.exists() and (run.resume or follows):
            with checkpoint.fits(kept, f"the {self.tokenizer.kind()} and the catalogue of this run"):
                return self.tokenizer.restore(split.catalog, checkpoint.read(kept)[0])
        tokenizer = self.tokenizer.fit(split, run)
        if kept is not None:
            checkpoint.write(kept, tokenizer.weights(), {"items": len(split.catalog)})
        if together:
            dist.barrier()
        return tokenizer

    def _build(self, tokenizer: FittedTokenizer, seed: int) -> Any:
        with initialising(seed):
            return self.model.build(self.backbone, tokenizer.codes, length=self.batches.history)


class FittedModel(Recommender):
    """A fitted recipe of parts; who has no history yet gets the most popular items."""

    def __init__(
        self,
        recipe: ScoringRecipe | TokenRecipe,
        catalog: Catalog,
        model: Any,
        counts: Tensor,
        tokenizer: FittedTokenizer | None = None,
    ) -> None:
        self.recipe, self.catalog, self.model, self.counts = recipe, catalog, model, counts
        self.decoder: Decoder[Any] = recipe.decoder
        self.tokenizer = tokenizer

    def recommend(self, histories: Histories, k: int, rules: Rules = Rules()) -> Ranking:
        """The k best allowed items after each history, best first."""
        ranking = self.decoder(self.model, histories, k, rules)
        return popular_for_strangers(ranking, histories, self.counts.numpy(), k, rules)

    def grown(self, new: Catalog) -> Recommender:
        """With further items, where codes say what an item is; nobody has taken them yet, so strangers get others.

        Raises:
            DataError: it cannot recommend one of them; says why.
        """
        if self.tokenizer is None or not isinstance(self.model, Growing):
            return super().grown(new)
        grown = copy.copy(self)
        grown.tokenizer, grown.catalog = self.tokenizer.extended(new), self.catalog.extended(new)
        grown.model = self.model.with_codes(grown.tokenizer.codes)
        grown.counts = torch.cat([self.counts, self.counts.new_zeros(len(new))])
        return grown

    def to(self, device: torch.device) -> None:
        """Answer on this device from now on."""
        self.model.to(device)

    def weights(self) -> Mapping[str, Tensor]:
        """The model's weights, the popularity of the items, and what their codes were made with."""
        codes = {} if self.tokenizer is None else self.tokenizer.weights()
        return {
            **self.model.state_dict(),
            **{f"{TOKENIZER}{name}": tensor for name, tensor in codes.items()},
            COUNTS: self.counts,
        }


def popular_for_strangers(
    ranking: Ranking, histories: Histories, counts: Num[np.ndarray, " items"], k: int, rules: Rules
) -> Ranking:
    """The ranking with the most popular allowed items for those who have no history.

    Raises:
        RunError: a score is not a number.
    """
    if np.isnan(ranking.scores).any():
        raise diverged("A score is not a number (NaN)")
    strangers = np.flatnonzero(histories.lengths == 0)
    if len(strangers):
        order = np.argsort(-counts, kind="stable")
        order = order[rules.allows(order, len(counts))][:k]
        ranking.items[strangers], ranking.scores[strangers] = NOTHING, -np.inf
        ranking.items[strangers, : len(order)] = order
        ranking.scores[strangers, : len(order)] = counts[order]
    return ranking


def difference(ours: Part, theirs: Part) -> str:
    """What differs between two parts, in words."""
    one, other = ours.dump(), theirs.dump()
    names = [name for name in one.keys() | other.keys() if one.get(name) != other.get(name)]
    return ", ".join(f"its {name} is {other.get(name)} and not {one.get(name)}" for name in sorted(names))


@contextmanager
def initialising(seed: int) -> Iterator[None]:
    """Initialisers of torch draw from its global generator: it is set for the moment and put back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "weights"))
        yield


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, by the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


COUNTS = "popularity"
"""Among the weights: how often each item occurs in training."""
CODES = "checkpoints/tokenizer.safetensors"
"""In a run folder: the tokenizer, while the model is still learning."""
TOKENIZER = "tokenizer."
"""Among the weights: the prefix of what the tokenizer needs."""
