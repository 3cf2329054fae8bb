"""How events, notes and decisions lie in the columns of a table; both stores write the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from segue.core.served import Decision, Event, ItemNote

VERSION = 1
"""Of the tables; a store of another version is refused."""

EVENT = "place, event_id, user_id, item_id, time, actions"
ITEM = "place, item_id, available, facts"
DECISION = (
    "place, request_id, time, user_id, system, chance, k, items, history, seen_place, rules, answered_by, run, shares, "
    "noted_place"
)
_NOTHING: Mapping[str, int] = MappingProxyType({})


def row_of_event(event: Event) -> tuple[Any, ...]:
    """An event without its place."""
    return event.event_id, event.user_id, event.item_id, event.time, _text(event.actions) if event.actions else None


def event_of_row(row: Sequence[Any]) -> Event:
    """The event of a row of `EVENT`."""
    place, event_id, user_id, item_id, time, actions = row
    return Event(event_id, user_id, item_id, time, _actions(actions) if actions else _NOTHING, place)


def row_of_item(note: ItemNote) -> tuple[Any, ...]:
    """A note without its place."""
    return note.item_id, int(note.available), None if note.facts is None else _text(note.facts)


def item_of_row(row: Sequence[Any]) -> ItemNote:
    """The note of a row of `ITEM`."""
    place, item_id, available, facts = row
    return ItemNote(item_id, bool(available), None if facts is None else json.loads(facts), place)


def row_of_decision(one: Decision) -> tuple[Any, ...]:
    """A decision without its place."""
    return (
        one.request_id, one.time, one.user_id, one.system, one.chance, one.k, _text(list(one.items)),
        _text(list(one.history)), one.seen_place, _text(one.rules), one.answered_by, one.run, _text(one.shares),
        one.noted_place,
    )  # fmt: skip


def decision_of_row(row: Sequence[Any]) -> Decision:
    """The decision of a row of `DECISION`."""
    place, request_id, time, user_id, system, chance, k, items, history, seen, rules, by, run, shares, noted = row
    return Decision(
        request_id=request_id,
        time=time,
        user_id=user_id,
        system=system,
        chance=chance,
        k=k,
        items=tuple(json.loads(items)),
        history=tuple(json.loads(history)),
        seen_place=seen,
        rules=json.loads(rules),
        answered_by=by,
        place=place,
        run=run,
        shares=json.loads(shares),
        noted_place=noted,
    )


@lru_cache(maxsize=4096)
def _actions(text: str) -> Mapping[str, int]:
    """What was done with items repeats itself."""
    return MappingProxyType(json.loads(text))


def _text(value: Any) -> str:
    return json.dumps(dict(value) if isinstance(value, Mapping) else value)  # escapes all that is not ASCII
