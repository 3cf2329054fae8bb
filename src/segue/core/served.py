"""What happens while systems are in use: what users did, which items came and went, and what was answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable


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
    """What was done, as 0 or 1 by name of the action; empty where that is only that the item was taken. With nothing
    but zeros the item was shown, and not taken."""
    place: int = 0
    """In which order the store took it in, from 1; given by the store."""

    @property
    def taken(self) -> bool:
        """Whether the user did anything with the item, and was not only shown it."""
        return not self.actions or any(self.actions.values())


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
    """The same answer noted twice is kept once."""
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
    run: str = ""
    """The name of the run behind the system, where that is another than the system's."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """By name of a run: the share of the traffic that it had then, of every run that could have answered. Empty where
    nobody else could have."""
    noted_place: int = 0
    """The place of the newest note of an item that the answer knew, 0 for none."""


@runtime_checkable
class ServedLog(Protocol):
    """What can be read of the past of a service: an event store, for those who only look back."""

    def decision_count(self) -> int:
        """How many decisions there are; their places count from 1."""

    def decisions(self, after: int = 0, most: int = 10_000) -> list[Decision]:
        """What was answered, oldest first, from behind a place on."""

    def after(self, places: Mapping[str, int], newest: int | None = None) -> dict[str, list[Event]]:
        """By user: the events whose place is later than the one given for that user, in the order of their places."""

    def items(self, after: int = 0) -> list[ItemNote]:
        """The notes of items whose place is later, oldest first."""
