"""A log and what users did since it ended: the pasts that a fitted system looks back at while it is served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from segue.core.served import Event
from segue.core.shapes import Bool, Int
from segue.core.tables import NOBODY, Catalog, Histories, InteractionLog
from segue.data.id_rows import IdRows
from segue.data.request_split import TAKEN

LATEST = 10_000
"""The most live events of one user that are looked at, the newest."""
_NO_PLACES = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Since:
    """The events of one user that a store knows, in the order of their places."""

    places: Int[np.ndarray, " events"] = field(default_factory=lambda: _NO_PLACES)
    times: Int[np.ndarray, " events"] = field(default_factory=lambda: _NO_PLACES)
    """Unix seconds."""
    items: tuple[str, ...] = ()
    kinds: tuple[Mapping[str, int], ...] = ()
    """What was done, each different answer once."""
    kind: Int[np.ndarray, " events"] = field(default_factory=lambda: _NO_PLACES)
    """Which of the kinds each event is."""

    def __len__(self) -> int:
        return len(self.places)

    @property
    def newest(self) -> int:
        """The place of the newest event, 0 where there is none."""
        return int(self.places[-1]) if len(self.places) else 0

    def grown(self, events: Sequence[Event]) -> Since:
        """The same with later events behind."""
        if not events:
            return self
        numbers = {_key(kind): number for number, kind in enumerate(self.kinds)}
        kinds, kind = list(self.kinds), []
        for event in events:
            number = numbers.setdefault(_key(event.actions), len(kinds))
            if number == len(kinds):
                kinds.append(event.actions)
            kind.append(number)
        return Since(
            places=np.append(self.places, [event.place for event in events]),
            times=np.append(self.times, [event.time for event in events]),
            items=(*self.items, *(event.item_id for event in events)),
            kinds=tuple(kinds),
            kind=np.append(self.kind, kind),
        )

    def until(self, place: int) -> Since:
        """What was known when the newest event had this place."""
        stop = int(np.searchsorted(self.places, place, side="right"))
        return Since(self.places[:stop], self.times[:stop], self.items[:stop], self.kinds, self.kind[:stop])

    def latest(self, events: int) -> Since:
        """At most so many, the newest ones."""
        if len(self) <= events:
            return self
        return Since(self.places[-events:], self.times[-events:], self.items[-events:], self.kinds, self.kind[-events:])

    @cached_property
    def taken(self) -> Bool[np.ndarray, " events"]:
        """Where something was done with the item; elsewhere it was only shown."""
        taken = [not kind or any(kind.values()) for kind in self.kinds]
        return np.array(taken, dtype=bool)[self.kind]

    def actions(self, names: Sequence[str]) -> Int[np.ndarray, "events actions"]:
        """1 where the user did this. An event that does not say what was done counts as the first of the actions, and
        whatever was done counts as `TAKEN`."""
        table = np.zeros((len(self.kinds), len(names)), dtype=np.int8)
        for row, kind in zip(table, self.kinds, strict=True):
            row[:] = [kind.get(name, name == TAKEN and any(kind.values())) == 1 for name in names]
            if not kind:
                row[:1] = 1
        return table[self.kind]


@dataclass(frozen=True)
class Past:
    """All that is known of one user, oldest first."""

    user: int
    """Row of the log's users, or NOBODY."""
    items: Int[np.ndarray, " events"]
    times: Int[np.ndarray, " events"] | None
    live: Int[np.ndarray, " live"]
    """Which of the user's events in the store are the last ones here, in the order in which they happened."""

    def __len__(self) -> int:
        return len(self.items)


class ContinuedLog:
    """Puts what a store knows behind what the log has.

    Live events that are not later than the user's newest one in the log are left out, where times are known: a system
    that was fitted on a newer log has them there. So are events on items that the catalog does not have.
    """

    def __init__(self, log: InteractionLog, catalog: Catalog) -> None:
        self.log = log
        self._users, self._items = IdRows(log.users["user_id"]), IdRows(catalog.ids)

    def user_rows(self, users: Sequence[str]) -> Int[np.ndarray, " users"]:
        """Rows of the log's users, or NOBODY."""
        rows = self._users.rows(users)
        assert NOBODY == -1
        return rows

    def past(self, user: int, since: Since, *, shown: bool = False) -> Past:
        """What the log and the store know of a user.

        Args:
            user: row of the log's users, or NOBODY.
            shown: also live events of items that were shown and not taken.
        """
        log = self.log
        window = slice(0, 0) if user == NOBODY else slice(int(log.offsets[user]), int(log.offsets[user + 1]))
        items = np.asarray(log.items[window])
        times = None if log.timestamps is None else np.asarray(log.timestamps[window])
        if not len(since):
            return Past(user, items, times, _NO_PLACES)
        rows = self._items.rows(since.items)
        keep = rows >= 0
        if not shown:
            keep &= since.taken
        if times is not None and len(times):
            keep &= since.times > times.max()  # a log in an order of its own may not end with its newest event
        live = np.flatnonzero(keep)
        live = live[np.lexsort((since.places[live], since.times[live]))]
        return Past(
            user,
            np.concatenate([items, rows[live]], dtype=items.dtype, casting="unsafe"),
            None if times is None else np.concatenate([times, since.times[live]]),
            live,
        )


def together(pasts: Sequence[Past]) -> Histories:
    """Some users' pasts as the windows of one array."""
    lengths = np.array([len(past) for past in pasts], dtype=np.int64)
    ends = np.cumsum(lengths)
    timed = [past.times for past in pasts if past.times is not None]
    return Histories(
        items=np.concatenate([past.items for past in pasts]) if len(pasts) else np.zeros(0, dtype=np.int64),
        starts=ends - lengths,
        ends=ends,
        users=np.array([past.user for past in pasts], dtype=np.int64),
        timestamps=np.concatenate(timed) if timed else None,
    )


def _key(actions: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(actions.items()))
