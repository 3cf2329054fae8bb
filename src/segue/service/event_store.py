"""What a service keeps for good: what users did, which items came and went, and what was answered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from segue.core.errors import SegueError


class StoreAway(SegueError, ConnectionError):
    """The store does not answer at the moment; what was asked may be asked again."""


@dataclass(frozen=True)
class Event:
    """Something that a user did with an item."""

    event_id: str
    """Chosen by whoever reports it; the same event reported twice is kept once."""
    user_id: str
    item_id: str
    time: int
    """When it happened, in Unix seconds."""
    actions: Mapping[str, int] = field(default_factory=dict)
    """What was done, as 0 or 1 by name of the action; empty where that is only that the item was taken."""
    place: int = 0
    """In which order the store took it in, from 1; given by the store."""


@dataclass(frozen=True)
class ItemNote:
    """An item that was added, withdrawn, or put back while serving."""

    item_id: str
    available: bool = True
    facts: Mapping[str, Any] | None = None
    """Title and further columns of the catalog, of an item that was added; None for one that the run knows."""
    place: int = 0
    """In which order the store took it in, from 1; given by the store. The newest note of an item holds."""


@dataclass(frozen=True)
class Decision:
    """One answer, with what it takes to ask other systems the same question later."""

    request_id: str
    time: int
    """Unix seconds."""
    user_id: str | None
    """None where the history came with the request."""
    system: str
    """Who answered."""
    chance: float
    """The share of the traffic that this system had, so the probability that it was chosen."""
    k: int
    items: tuple[str, ...]
    """What was answered, best first."""
    history: tuple[str, ...] = ()
    """The history that came with the request, where `user_id` is None."""
    seen_place: int = 0
    """The place of the newest live event of the user that the answer knew, 0 for none."""
    rules: Mapping[str, Any] = field(default_factory=dict)
    """Filters of the request beyond the usual ones: seen, allow, deny, where."""
    answered_by: str = "model"
    """`model`, or `fallback` for somebody without a history."""
    place: int = 0
    """In which order the store took it in, from 1; given by the store."""


class EventStore(ABC):
    """A durable memory, used by several threads; whatever a method returns from having kept survives a killed process.

    Every method raises `StoreAway` while the store cannot be reached; nothing is half kept then.
    """

    @abstractmethod
    def add(self, events: Sequence[Event]) -> list[bool]:
        """Keep the events, all or none; for each whether its id was new. The first of an id is the one that is kept."""

    @abstractmethod
    def after(self, places: Mapping[str, int]) -> dict[str, list[Event]]:
        """By user: the events whose place is later than the one given for that user, in the order of their places.

        Users without such events are left out.
        """

    @abstractmethod
    def users(self, begins: str = "", most: int = 20) -> list[str]:
        """Ids of users with events, in order, that begin so."""

    @abstractmethod
    def count(self) -> int:
        """How many events there are."""

    @abstractmethod
    def note_items(self, notes: Sequence[ItemNote]) -> None:
        """Keep that items were added, withdrawn, or put back."""

    @abstractmethod
    def items(self, after: int = 0) -> list[ItemNote]:
        """The notes of items whose place is later, oldest first."""

    @abstractmethod
    def note_decisions(self, decisions: Sequence[Decision]) -> None:
        """Keep what was answered."""

    @abstractmethod
    def decisions(self, after: int = 0, most: int = 10_000) -> list[Decision]:
        """What was answered, oldest first, from behind a place on."""

    @abstractmethod
    def ping(self) -> None:
        """Return if the store can be used."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections."""
