"""The forms a model can answer in, and the verbs that use them: objectives, decoders, backbones.

The form is the seam between model, objective and decoder. An objective or decoder says in its type which form it needs,
`class TopScores(Decoder[ScoringModel])`, so that a wrong pairing is refused by the type checker and by the loader.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from segue.core.batches import Rows, SequenceBatch
from segue.core.codes import CodeTree, ItemCodes
from segue.core.impressions import Impressions, RankingBatch, RankingSplit, Schema
from segue.core.part import Part
from segue.core.ranking import Ranking, Rules, Samples
from segue.core.run import Run
from segue.core.shapes import Float, Int, Num
from segue.core.tables import Histories, Split


@runtime_checkable
class ScoringModel(Protocol):
    """A model that gives a vector for the user and one for each item; their product is the score."""

    history: int
    """The newest events of a history that the model looks at."""

    def states(self, batch: SequenceBatch) -> Float[Tensor, "tokens width"]:
        """A vector at every position, to be compared with item vectors."""
        ...

    def user_vectors(self, batch: SequenceBatch) -> Float[Tensor, "users width"]:
        """One vector a user, for what comes next."""
        ...

    def item_vectors(self) -> Float[Tensor, "items width"]:
        """One vector for each item of the catalog."""
        ...


@runtime_checkable
class Prefixes(Protocol):
    """Some half-written code tuples of each user: the context is held once, and each prefix has only its own codes."""

    @property
    def states(self) -> Float[Tensor, "users prefixes width"]:
        """A vector for what comes after each prefix, to be compared with the codes of its level."""
        ...

    @property
    def level(self) -> int:
        """Codes that each prefix has so far."""
        ...

    def extended(self, parents: Int[Tensor, "users chosen"], codes: Int[Tensor, "users chosen"]) -> Prefixes:
        """The prefixes `parents` of each user, each one code longer."""
        ...


@runtime_checkable
class Writer(Protocol):
    """A model that can be led down the trie of code tuples: it says what it would write next after each prefix."""

    history: int
    """The newest events of a history that the model looks at."""
    codes: ItemCodes
    """The code tuple of each item."""

    @property
    def tree(self) -> CodeTree:
        """The trie of valid tuples, on the model's device."""
        ...

    def begin(self, batch: SequenceBatch) -> Prefixes:
        """One empty prefix after each history."""
        ...

    def codebook(self, level: int) -> tuple[Float[Tensor, "codes width"], int]:
        """The vectors that states of a level are compared with, and where among them the level's own codes begin."""
        ...


@runtime_checkable
class TokenModel(Writer, Protocol):
    """A model that writes the next item's codes one after another."""

    item_codes: Int[Tensor, "items levels"]
    """The same tuples, on the model's device."""
    whole: bool
    """Whether it learns from every event of a row at once, or from the last alone."""

    def answers(self, batch: SequenceBatch) -> tuple[Float[Tensor, "answers levels width"], Int[Tensor, " answers"]]:
        """The states before each code of each item that is to be predicted in this batch, and these items."""
        ...

    def states_of(
        self, batch: SequenceBatch, items: Int[Tensor, "users asked"]
    ) -> Float[Tensor, "users asked levels width"]:
        """The states before each code of any items after each history; the context is computed once for all of them."""
        ...

    def answers_and_states_of(
        self, batch: SequenceBatch, items: Int[Tensor, "users asked"], at: Int[Tensor, " users"], positive: bool = False
    ) -> tuple[
        Float[Tensor, "answers levels width"], Int[Tensor, " answers"], Float[Tensor, "users asked levels width"]
    ]:
        """`answers`, and `states_of` for items after the first `at` events of each history: one pass for both.

        With `positive`, the first item of each row is what came next: its states are among those of the answers.
        """
        ...


@runtime_checkable
class Growing(Protocol):
    """A `TokenModel` that can read and write items which came after it learnt, once they have codes."""

    def with_codes(self, codes: ItemCodes) -> Any:
        """The same weights for these codes, which begin with the model's own."""
        ...


@runtime_checkable
class RankingModel(Protocol):
    """A model that says how likely each action is for items that are shown."""

    schema: Schema

    def logits(self, batch: RankingBatch) -> Float[Tensor, "shown tasks"]:
        """The log odds of each action; while `training`, of what the model can learn from these histories."""
        ...


class Past(NamedTuple):
    """What a model computed of some histories: enough to answer after them and, where it is causal, to read on."""

    rows: Rows
    """The tokens of each history; `steps` of the model for an event, and perhaps some before them."""
    kept: Num[Tensor, "tokens *each"]
    """What was computed of each token that later ones look back at."""
    ends: Float[Tensor, "users size"]
    """What was computed of each history as a whole."""


@runtime_checkable
class Remembering(Protocol):
    """A model of any form that tells reading histories from answering after them, so that what was read can be kept.

    The batch is that of its form: histories (`SequenceBatch`), or histories with what is asked (`RankingBatch`).
    """

    steps: int
    """Tokens that each event becomes in `Past.kept`."""
    reads_on: bool
    """Whether `read_on` goes on from a past, to the answers of reading anew; otherwise a past answers for itself."""
    looks_back: bool
    """Whether `after` looks at tokens, or at the ends alone."""

    def marks(self, batch: Any) -> Int[Tensor, "events marks"]:
        """All that the reading of an event depends on beside the events before it: equal marks, equal past."""
        ...

    def read(self, batch: Any) -> Past:
        """The past of the histories of a batch."""
        ...

    def read_on(self, batch: Any, past: Past, known: Int[Tensor, " users"]) -> Past:
        """The past of the histories of a batch, of each of which the first `known` events have been read before.

        `past` has the rows of these whole histories; the tokens that are still to be read are filled in, in place.
        """
        ...

    def after(self, batch: Any, past: Past) -> Any:
        """What the model answers after these histories: user vectors, an empty prefix each, or log odds."""
        ...


Form = TypeVar("Form")
"""The form of model that an objective or a decoder needs."""


class Loss(NamedTuple):
    """A loss as a sum over its targets and their number, so that parts of a batch add up to the whole exactly."""

    total: Float[Tensor, ""]
    count: Float[Tensor, ""]  # type: ignore[assignment]  # hides tuple.count, which nobody counts with
    notes: Mapping[str, Tensor] = {}
    """Numbers worth following beside the loss, without a gradient; the loop keeps their mean over an epoch."""

    @property
    def mean(self) -> Float[Tensor, ""]:
        """The loss a target, in nats for a cross entropy."""
        return self.total / self.count


class Backbone(Part):
    """A trunk: embedded tokens in, hidden vectors out. `build()` makes the module, called `(vectors, batch)`."""

    abstract: ClassVar[bool] = True
    width: int

    def build(self, length: int) -> nn.Module:
        """The trainable trunk for histories of at most `length` tokens; uses torch's global generator to initialise."""
        raise NotImplementedError


class ModelPart(Part):
    """A trunk with its ends; `build()` makes the living model in one of the forms."""

    abstract: ClassVar[bool] = True

    def build(self, backbone: Backbone, items: int, length: int) -> nn.Module:
        """The living model for a catalog of `items` and histories of at most `length` events."""
        raise NotImplementedError


class TokenModelPart(Part):
    """A trunk with code tables at both ends; `build()` makes the living `TokenModel`."""

    abstract: ClassVar[bool] = True

    def build(self, backbone: Backbone, codes: ItemCodes, length: int) -> nn.Module:
        """The living model for these item codes and histories of at most `length` events."""
        raise NotImplementedError


class RankingModelPart(Part):
    """A trunk, where there is one, with the ends of a ranker; `build()` makes the living `RankingModel`."""

    abstract: ClassVar[bool] = True

    def build(self, backbone: Backbone | None, schema: Schema, facts: Mapping[str, Tensor], length: int) -> nn.Module:
        """The living model for histories of at most `length` events.

        Args:
            facts: the value of each item field for every item of the catalog; a model keeps them as buffers, so that
                they are restored with its weights (`facts` may hold zeros then).

        Raises:
            SettingsError: the model needs a backbone and was given none.
        """
        raise NotImplementedError


class RankingBatches(Part):
    """Requests into batches: which requests share a pass over a history, and how many passes a step takes."""

    abstract: ClassVar[bool] = True
    history: int

    @property
    def length(self) -> int:
        """The most events of a pass."""
        raise NotImplementedError

    def epoch(self, impressions: Impressions, rng: np.random.Generator) -> tuple[Any, list[np.ndarray]]:
        """The passes over some requests in random order, and the rows of each batch among them."""
        raise NotImplementedError

    def in_order(self, impressions: Impressions) -> tuple[Any, list[np.ndarray]]:
        """The passes over all of the requests, to be asked."""
        raise NotImplementedError

    def batch(self, passes: Any, rows: np.ndarray) -> RankingBatch:
        """The chosen passes as a batch."""
        raise NotImplementedError


class Batches(Part):
    """Histories into training batches."""

    abstract: ClassVar[bool] = True
    history: int

    @property
    def knows_target_time(self) -> bool:
        """Whether the model is told when the event to be predicted happens."""
        return bool(getattr(self, "target_time", False))

    def epoch(self, histories: Histories, rng: np.random.Generator) -> tuple[Histories, list[np.ndarray]]:
        """The windows of one pass over the data, and the rows of each batch."""
        raise NotImplementedError

    def batch(self, windows: Histories, rows: np.ndarray) -> SequenceBatch:
        """The chosen windows as a batch."""
        raise NotImplementedError


class Objective(Part, Generic[Form]):
    """Model, batch and a random generator in, one loss out."""

    abstract: ClassVar[bool] = True

    def __call__(self, model: Form, batch: Any, rng: torch.Generator) -> Loss:
        """The loss of this batch: a `SequenceBatch`, or a `RankingBatch` for a `RankingModel`."""
        raise NotImplementedError


class AnswerObjective(Objective[TokenModel]):
    """A loss of the states before each code of the items that are to be predicted, wherever these were computed."""

    abstract: ClassVar[bool] = True

    def of_answers(
        self, model: TokenModel, states: Float[Tensor, "answers levels width"], items: Int[Tensor, " answers"]
    ) -> Loss:
        """The loss of these answers."""
        raise NotImplementedError

    def __call__(self, model: TokenModel, batch: SequenceBatch, rng: torch.Generator) -> Loss:
        """The loss of this batch."""
        return self.of_answers(model, *model.answers(batch))


class Procedure(Part, Generic[Form]):
    """The order of the steps by which a recipe's model learns."""

    abstract: ClassVar[bool] = True

    def __call__(
        self, model: Form, batches: Batches, objective: Objective[Form], decoder: Decoder[Form], split: Split, run: Run
    ) -> None:
        """Train the model in place."""
        raise NotImplementedError


class RankingProcedure(Part):
    """The order of the steps by which a ranker learns."""

    abstract: ClassVar[bool] = True

    def __call__(
        self,
        model: RankingModel,
        batches: RankingBatches,
        objective: Objective[RankingModel],
        split: RankingSplit,
        run: Run,
    ) -> None:
        """Train the model in place."""
        raise NotImplementedError


class Sampler(Part, Generic[Form]):
    """Model and histories in, random items out."""

    abstract: ClassVar[bool] = True

    def __call__(self, model: Form, histories: Histories, draws: int, rules: Rules, rng: torch.Generator) -> Samples:
        """So many independent draws for each history."""
        raise NotImplementedError


class Decoder(Part, Generic[Form]):
    """Model and histories in, ranking out."""

    abstract: ClassVar[bool] = True

    def __call__(self, model: Form, histories: Histories, k: int, rules: Rules) -> Ranking:
        """The k best allowed items of each history, best first."""
        raise NotImplementedError
