"""What was shown and what the user did with it: the requests that rankers learn from and are asked about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from segue.core.batches import SequenceBatch
from segue.core.shapes import Float, Int, Num
from segue.core.tables import Histories, Split

UNKNOWN = -1
"""A label that nobody knows: it is not learnt and not measured."""


@dataclass(frozen=True)
class Field:
    """A fact about each item, user or shown place: one of `size` categories (0 stands for unknown), or a number.

    Numbers have size 0 and come standardised: mean 0 and deviation 1 over what is learnt from, 0 where unknown.
    """

    name: str
    of: Literal["item", "user", "place"]
    size: int


@dataclass(frozen=True)
class Schema:
    """What a ranker is built for: how many items, which actions it predicts and sees, and which facts it is told."""

    items: int
    tasks: tuple[str, ...]
    """The actions whose probability is asked."""
    actions: tuple[str, ...]
    """The actions that histories tell of."""
    fields: tuple[Field, ...] = ()

    def fields_of(self, what: Literal["item", "user", "place"]) -> tuple[Field, ...]:
        """The facts about items, users, or shown places."""
        return tuple(one for one in self.fields if one.of == what)

    def to_tensor(self) -> Num[Tensor, " bytes"]:
        """As bytes, to lie among the weights."""
        return torch.tensor(list(json.dumps(asdict(self)).encode()), dtype=torch.uint8)

    @classmethod
    def from_tensor(cls, text: Num[Tensor, " bytes"]) -> Schema:
        """The schema that `to_tensor` wrote."""
        values = json.loads(bytes(text.tolist()))
        return cls(
            items=values["items"],
            tasks=tuple(values["tasks"]),
            actions=tuple(values["actions"]),
            fields=tuple(Field(**one) for one in values["fields"]),
        )


@dataclass(frozen=True)
class Impressions:
    """Some requests: the items shown in each, what the user did with them, and what the user had done before.

    Request r asks about `items[bounds[r] : bounds[r + 1]]`, and row r of `histories` is what happened before it, with
    the time of the request as `asked_at` where times are known. `actions` belong to the events that histories are
    windows of, `labels` to what was shown.
    """

    histories: Histories
    actions: Int[np.ndarray, "events actions"]
    """1 where the user did this with the event's item, 0 where not or unknown."""
    items: Int[np.ndarray, " shown"]
    bounds: Int[np.ndarray, " bounds"]
    labels: Int[np.ndarray, "shown tasks"]
    """1, 0, or `UNKNOWN`."""
    events: Int[np.ndarray, " shown"]
    """Which event of the log each one is, -1 for what was drawn and not shown."""
    features: Mapping[str, Num[np.ndarray, " shown"]] = field(default_factory=dict)
    """Facts about each shown place."""
    users: Mapping[str, Num[np.ndarray, " users"]] = field(default_factory=dict)
    """Facts about each user, by row of the log's users."""

    def __len__(self) -> int:
        return len(self.histories)

    @property
    def sizes(self) -> Int[np.ndarray, " requests"]:
        """How many items each request asks about."""
        sizes: np.ndarray = np.diff(self.bounds)
        return sizes

    @property
    def owners(self) -> Int[np.ndarray, " shown"]:
        """The request of each shown item."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def shown_of(self, rows: Int[np.ndarray, " some"]) -> Int[np.ndarray, " shown"]:
        """Where the items of the chosen requests lie, request after request."""
        starts = self.bounds[rows]
        sizes = self.bounds[rows + 1] - starts  # `self.sizes` would look at every request
        stops = np.cumsum(sizes)
        return np.repeat(starts - (stops - sizes), sizes) + np.arange(sizes.sum())

    def take(self, rows: Int[np.ndarray, " some"]) -> Impressions:
        """The chosen requests."""
        shown = self.shown_of(rows)
        return replace(
            self,
            histories=self.histories.take(rows),
            items=self.items[shown],
            bounds=np.concatenate([[0], np.cumsum(self.bounds[rows + 1] - self.bounds[rows])]),
            labels=self.labels[shown],
            events=self.events[shown],
            features={name: values[shown] for name, values in self.features.items()},
        )


@dataclass(frozen=True)
class RankingSplit(Split):
    """A dataset cut into requests that are learnt from and requests that are asked.

    `train` are the events that may be learnt from in any other way, such as by predicting the next one; no event that a
    validation or test request asks about is among them.
    """

    schema: Schema
    learnt: Impressions
    validated: Impressions
    asked: Impressions
    item_features: Mapping[str, Num[np.ndarray, " items"]] = field(default_factory=dict)
    """Facts about each item of the catalog, by name of the field."""


class Candidates(NamedTuple):
    """Items to be judged, each after some events of a row of the batch."""

    owners: Int[Tensor, " shown"]
    """The row of the batch, ascending."""
    at: Int[Tensor, " shown"]
    """How many events of that row come before: it sees these and no others."""
    times: Int[Tensor, " shown"] | None
    """When it is asked (Unix seconds)."""


@dataclass(frozen=True)
class RankingBatch:
    """Some histories, each read once, and all items that are asked about after some of their events.

    `events` are the histories, packed and sorted by length; a row may serve many requests, each of which sees
    some of it from its beginning.
    """

    events: SequenceBatch
    actions: Float[Tensor, "tokens actions"]
    items: Int[Tensor, " shown"]
    """The items asked about, in the order of the rows."""
    candidates: Candidates
    places: Int[Tensor, " shown"]
    """The packed token of the histories that is this very impression, -1 where none is."""
    order: Int[Tensor, " shown"]
    """Which of the items that were asked for each one is."""
    labels: Float[Tensor, "shown tasks"] | None = None
    """1, 0, or `UNKNOWN`."""
    features: Mapping[str, Tensor] = field(default_factory=dict)
    """Facts about each shown place, one value each."""
    users: Mapping[str, Tensor] = field(default_factory=dict)
    """Facts about the user of each row, one value each."""

    def __len__(self) -> int:
        return len(self.events)

    def to(self, device: torch.device) -> RankingBatch:
        """The same batch on another device."""
        if self.items.device == device:
            return self
        owners, at, times = self.candidates
        return replace(
            self,
            events=self.events.to(device),
            actions=self.actions.to(device),
            items=self.items.to(device),
            candidates=Candidates(owners.to(device), at.to(device), None if times is None else times.to(device)),
            places=self.places.to(device),
            order=self.order.to(device),
            labels=None if self.labels is None else self.labels.to(device),
            features={name: values.to(device) for name, values in self.features.items()},
            users={name: values.to(device) for name, values in self.users.items()},
        )
