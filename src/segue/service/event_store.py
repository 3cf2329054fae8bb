"""What a service keeps for good: what users did, which items came and went, and what was answered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from segue.core.errors import DataError, SegueError
from segue.core.served import Decision, Event, ItemNote

__all__ = ["Decision", "Event", "EventStore", "ItemNote", "StoreAway"]

FURTHEST = 2**63
"""Times are kept in 64 bits."""


class StoreAway(SegueError, ConnectionError):
    """The store does not answer at the moment; what was asked may be asked again."""


class EventStore(ABC):
    """A durable memory, used by several threads; whatever a method returns from having kept survives a killed process.

    Every method raises `StoreAway` while the store cannot be reached; nothing is half kept then. Whether it was kept
    may be unknown then, so that what is tried again can turn out to be a duplicate of itself.

    Places count from 1 without gaps, for events, items and decisions each. They become visible in their order: who has
    seen place 6 has seen place 5, also where several processes write.
    """

    @abstractmethod
    def add(self, events: Sequence[Event]) -> list[bool]:
        """Keep the events, all or none; for each whether its id was new. The first of an id is the one that is kept.

        Raises:
            DataError: an event cannot be kept at all (see `refuse_unkeepable`).
        """

    @abstractmethod
    def after(self, places: Mapping[str, int], newest: int | None = None) -> dict[str, list[Event]]:
        """By user: the events whose place is later than the one given for that user, in the order of their places.

        Users without such events are left out. With `newest`, at most so many for each user, the latest ones.
        """

    @abstractmethod
    def users(self, begins: str = "", most: int = 20) -> list[str]:
        """Ids of users with events, in order of their code points, that begin so."""

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
        """Keep what was answered; the first of a request id is the one that is kept."""

    @abstractmethod
    def decisions(self, after: int = 0, most: int = 10_000) -> list[Decision]:
        """What was answered, oldest first, from behind a place on."""

    @abstractmethod
    def decision_count(self) -> int:
        """How many decisions there are."""

    @abstractmethod
    def ping(self) -> None:
        """Return if the store can be used."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections; every later call raises `StoreAway`."""


def refuse_unkeepable(events: Sequence[Event]) -> None:
    """
    Raises:
        DataError: an id is no text that can be kept (it has a NUL or half of a surrogate pair), or a time is too far.
    """
    for event in events:
        refuse_text("event_id", event.event_id)
        refuse_text("user_id", event.user_id)
        refuse_text("item_id", event.item_id)
        if not -FURTHEST <= event.time < FURTHEST:
            raise DataError(f"time {event.time}: expected Unix seconds that fit into 64 bits.")


def refuse_text(name: str, text: str) -> None:
    """
    Raises:
        DataError: there is a store that cannot keep the text.
    """
    if not keepable(text):
        raise DataError(f"{name} {text!r}: expected text without NUL and without halves of surrogate pairs.")


def keepable(text: str) -> bool:
    """Whether every store can keep the text."""
    if text.isascii():
        return "\0" not in text
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
