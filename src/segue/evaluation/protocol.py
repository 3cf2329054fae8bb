"""Under what rules a number was measured: the protocol, its fingerprint, and the refusal to mix two of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import NonNegativeInt, PositiveInt

from segue.core.errors import ProtocolError
from segue.core.part import Part


class Protocol(Part):
    """Everything besides the model that moves a number.

    Two numbers may stand in one table when their fingerprints are equal. The defaults below are part of every
    fingerprint ever written and must never change; a new field needs a default that means "as before".
    """

    split: str = "leave-one-out"
    """How test events were chosen, as the split says it."""
    ties: str = "source order"
    """How events of equal time were put in order."""
    seen: bool = False
    """Whether items of the history may be recommended again."""
    target_time: bool = False
    """Whether the model was told when the test event happened."""
    length: PositiveInt | None = None
    """The most recent events a model could see; none means all of them."""
    candidates: str = "all items"
    """Which items were ranked."""
    duplicates: str = "kept"
    """What was done with repeated pairs of user and item."""
    level: Literal["item", "code"] = "item"
    """Whether a hit is an item, or a code that several items may share."""
    core: NonNegativeInt = 0
    """Users and items with fewer events were dropped, again and again; 0 means none were."""
    user_core: NonNegativeInt | None = None
    """Fewest events of a user, where it is not `core`."""
    item_core: NonNegativeInt | None = None
    """Fewest events of an item, where it is not `core`."""
    users: NonNegativeInt = 0
    """Test users drawn at random; 0 means all were asked."""
    positives: str = "every event"
    """Which events count as an interaction."""

    @property
    def fingerprint(self) -> str:
        """Eight hexadecimal digits, the same for equal protocols on every machine and in every later version."""
        text = json.dumps(self._changes(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()

    def words(self) -> str:
        """The protocol in one readable line."""
        parts = [
            self.split,
            f"ties in {self.ties}",
            "seen items may return" if self.seen else "seen items left out",
            "target time known" if self.target_time else "target time unknown",
            f"last {self.length} events" if self.length else "whole history",
            f"{self.candidates} ranked",
            f"duplicates {self.duplicates}",
        ]
        if self.level != "item":
            parts.append(f"hits counted by {self.level}")
        parts.append(f"{self.core}-core" if self.core else "no core filter")
        if self.user_core is not None:
            parts.append(f"users with {self.user_core} events")
        if self.item_core is not None:
            parts.append(f"items with {self.item_core} events")
        if self.users:
            parts.append(f"{self.users} test users drawn")
        parts.append(f"positives: {self.positives}")
        return ", ".join(parts)

    def _changes(self) -> dict[str, Any]:
        """The fields that differ from their defaults: those at the default are left out so that a field added later
        does not rename old numbers."""
        return {
            name: getattr(self, name)
            for name, field in type(self).model_fields.items()
            if getattr(self, name) != field.default
        }


def difference(one: Protocol, other: Protocol) -> dict[str, tuple[Any, Any]]:
    """The settings in which two protocols differ, each with both values."""
    return {
        name: (getattr(one, name), getattr(other, name))
        for name in Protocol.model_fields
        if getattr(one, name) != getattr(other, name)
    }


def same_protocol(protocols: Iterable[Protocol]) -> Protocol:
    """The one protocol that all of these are.

    Raises:
        ProtocolError: there are none, or two differ; the message names in what.
    """
    given = list(protocols)
    if not given:
        raise ProtocolError("no protocol was given; a table needs at least one measured number.")
    first = given[0]
    for other in given[1:]:
        if other != first:
            changes = "; ".join(f"{name}: {a!r} and {b!r}" for name, (a, b) in difference(first, other).items())
            raise ProtocolError(
                f"these numbers were measured under different protocols ({first.fingerprint} and {other.fingerprint}) "
                f"and cannot stand in one table. They differ in {changes}. Measure both the same way, or ask for a "
                f"mixed table (--mixed, or mixed=True)."
            )
    return first
