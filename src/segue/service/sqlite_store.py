"""An event store in one SQLite file: for services on one machine, with nothing to install."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from segue.core.errors import SettingsError
from segue.core.served import Decision, Event, ItemNote
from segue.service._rows import (
    DECISION,
    EVENT,
    ITEM,
    VERSION,
    decision_of_row,
    event_of_row,
    item_of_row,
    row_of_decision,
    row_of_event,
    row_of_item,
)
from segue.service.event_store import EventStore, StoreAway, refuse_text, refuse_unkeepable

MARK = 0x53454755
"""In the file's header: it is ours ('SEGU')."""
TABLES = (
    """CREATE TABLE events (
        place INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL, item_id TEXT NOT NULL,
        time INTEGER NOT NULL, actions TEXT)""",
    "CREATE INDEX events_of_users ON events (user_id, place)",
    """CREATE TABLE items (
        place INTEGER PRIMARY KEY, item_id TEXT NOT NULL, available INTEGER NOT NULL, facts TEXT)""",
    """CREATE TABLE decisions (
        place INTEGER PRIMARY KEY, request_id TEXT NOT NULL UNIQUE, time INTEGER NOT NULL, user_id TEXT,
        system TEXT NOT NULL, chance REAL NOT NULL, k INTEGER NOT NULL, items TEXT NOT NULL, history TEXT NOT NULL,
        seen_place INTEGER NOT NULL, rules TEXT NOT NULL, answered_by TEXT NOT NULL, run TEXT NOT NULL,
        shares TEXT NOT NULL, noted_place INTEGER NOT NULL)""",
)
AT_ONCE = 10_000
"""Users asked about in one statement; SQLite takes 32,766 values."""


class SqliteStore(EventStore):
    """Events in a file, with a write-ahead log that is synced to the disk at every commit.

    Several threads and processes of one machine may use the file; one of them writes at a time, and readers wait for
    nobody. A place is the row number of the table, which SQLite counts without gaps where nothing is deleted. Not for
    file systems over the network, whose locks do not hold.
    """

    def __init__(self, path: Path | None, *, patience: float = 5.0, make: bool = True) -> None:
        """
        Args:
            path: the file, which is made where there is none; None for a store in memory, which survives nothing.
            patience: seconds that a call waits for other writers.
            make: make the file where there is none.

        Raises:
            SettingsError: the path cannot be a file, or is one that this version does not read.
            StoreAway: somebody else kept the file locked.
        """
        self.path, self._patience = path, patience
        self._writing = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        if path is not None and not path.parent.is_dir():
            hint = "" if path.is_absolute() else f" (an absolute path has four slashes: sqlite:////{path})"
            raise SettingsError(f"the store {path} cannot be made: there is no folder {path.parent}{hint}.")
        if path is not None and not make and not path.exists():
            raise SettingsError(f"there is no store {path}; give the file that the service was started with.")
        try:
            self._writer = self._connect()
            self._prepare()
        except sqlite3.DatabaseError as error:
            if _busy(error):
                raise StoreAway(f"{path}: another process keeps the store locked ({error}).") from error
            raise SettingsError(f"{path} cannot be opened as a store of events: {error}.") from error

    def add(self, events: Sequence[Event]) -> list[bool]:
        """Keep the events, all or none; for each whether its id was new."""
        refuse_unkeepable(events)
        insert = (
            "INSERT INTO events (event_id, user_id, item_id, time, actions) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (event_id) DO NOTHING"
        )
        with self._transaction() as db:
            return [db.execute(insert, row_of_event(event)).rowcount == 1 for event in events]

    def after(self, places: Mapping[str, int], newest: int | None = None) -> dict[str, list[Event]]:
        """By user: the events whose place is later than the one given for that user, in the order of their places."""
        found: dict[str, list[Event]] = {}
        asked = list(places.items())
        with self._reading() as db:
            for first in range(0, len(asked), AT_ONCE):
                some = asked[first : first + AT_ONCE]
                values = ", ".join(["(?, ?)"] * len(some))
                which = (
                    "events.user_id = asked.user_id AND events.place > asked.place"
                    if newest is None
                    else "events.place IN (SELECT place FROM events WHERE user_id = asked.user_id "
                    f"AND place > asked.place ORDER BY place DESC LIMIT {int(newest)})"
                )
                columns = ", ".join(f"events.{name}" for name in EVENT.split(", "))
                # CROSS JOIN keeps SQLite from reading the events first
                query = (
                    f"WITH asked (user_id, place) AS (VALUES {values}) "
                    f"SELECT {columns} FROM asked CROSS JOIN events WHERE {which} ORDER BY events.place"
                )
                for row in db.execute(query, [value for pair in some for value in pair]):
                    event = event_of_row(row)
                    found.setdefault(event.user_id, []).append(event)
        return found

    def users(self, begins: str = "", most: int = 20) -> list[str]:
        """Ids of users with events, in order of their code points, that begin so."""
        step = (  # from one user to the next, however many events each has
            "WITH RECURSIVE found (user_id) AS (SELECT min(user_id) FROM events WHERE user_id >= ? UNION ALL "
            "SELECT (SELECT min(user_id) FROM events WHERE user_id > found.user_id) FROM found "
            "WHERE found.user_id IS NOT NULL) SELECT user_id FROM found WHERE user_id IS NOT NULL LIMIT ?"
        )
        with self._reading() as db:
            found = [user for (user,) in db.execute(step, (begins, most))]
        return [user for user in found if user.startswith(begins)]

    def count(self) -> int:
        """How many events there are."""
        return self._newest("events")

    def note_items(self, notes: Sequence[ItemNote]) -> None:
        """Keep that items were added, withdrawn, or put back."""
        for note in notes:
            refuse_text("item_id", note.item_id)
        with self._transaction() as db:
            db.executemany(
                "INSERT INTO items (item_id, available, facts) VALUES (?, ?, ?)", [row_of_item(note) for note in notes]
            )

    def items(self, after: int = 0) -> list[ItemNote]:
        """The notes of items whose place is later, oldest first."""
        with self._reading() as db:
            rows = db.execute(f"SELECT {ITEM} FROM items WHERE place > ? ORDER BY place", (after,)).fetchall()
        return [item_of_row(row) for row in rows]

    def note_decisions(self, decisions: Sequence[Decision]) -> None:
        """Keep what was answered; the first of a request id is the one that is kept."""
        columns = DECISION.removeprefix("place, ")
        values = ", ".join("?" * len(columns.split(", ")))
        for one in decisions:
            refuse_text("request_id", one.request_id)
            refuse_text("user_id", one.user_id or "")
        with self._transaction() as db:
            db.executemany(
                f"INSERT INTO decisions ({columns}) VALUES ({values}) ON CONFLICT (request_id) DO NOTHING",
                [row_of_decision(one) for one in decisions],
            )

    def decisions(self, after: int = 0, most: int = 10_000) -> list[Decision]:
        """What was answered, oldest first, from behind a place on."""
        query = f"SELECT {DECISION} FROM decisions WHERE place > ? ORDER BY place LIMIT ?"
        with self._reading() as db:
            rows = db.execute(query, (after, most)).fetchall()
        return [decision_of_row(row) for row in rows]

    def decision_count(self) -> int:
        """How many decisions there are."""
        return self._newest("decisions")

    def ping(self) -> None:
        """Return if the store can be used."""
        with self._reading() as db:
            db.execute("SELECT place FROM events LIMIT 1").fetchone()

    def close(self) -> None:
        """Let go of the file."""
        with self._writing:
            self._closed = True
            idle, self._idle = self._idle, []
            for connection in [*idle, self._writer]:
                connection.close()

    def _newest(self, table: str) -> int:
        with self._reading() as db:
            newest: int = db.execute(f"SELECT coalesce(max(place), 0) FROM {table}").fetchone()[0]
        return newest

    def _connect(self) -> sqlite3.Connection:
        name = ":memory:" if self.path is None else str(self.path)
        connection = sqlite3.connect(name, timeout=self._patience, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _prepare(self) -> None:
        """Make the tables in a new file; look whether those of an old one are ours.

        Raises:
            SettingsError: they are not.
        """
        db = self._writer
        until = time.monotonic() + self._patience
        while True:
            try:  # changing the journal does not wait for others by itself
                db.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:
                if not _busy(error) or time.monotonic() > until:
                    raise
                time.sleep(0.01)
        with _committed(db):
            (mark,), (version,) = (
                db.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
            )
            if mark == 0 and db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
                for statement in (*TABLES, f"PRAGMA application_id = {MARK}", f"PRAGMA user_version = {VERSION}"):
                    db.execute(statement)
            elif mark != MARK:
                raise SettingsError(f"{self.path} is an SQLite file of another program; give the store another path.")
            elif version != VERSION:
                raise SettingsError(
                    f"{self.path} holds a store of version {version}, and this Segue reads version {VERSION}; "
                    "use the Segue that wrote it, or give another path."
                )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """The one connection that writes; committed at the end."""
        if not self._writing.acquire(timeout=self._patience):
            raise StoreAway(f"{self.path}: other threads have been writing for {self._patience:g} s; try again.")
        try:
            with self._known_errors(), _committed(self._writer):
                yield self._writer
        finally:
            self._writing.release()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        if self.path is None:
            with self._writing, self._known_errors():
                yield self._writer
            return
        with self._known_errors():
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._connect()
            try:
                yield connection
            finally:
                self._idle.append(connection)
                if self._closed:
                    connection.close()

    @contextmanager
    def _known_errors(self) -> Iterator[None]:
        if self._closed:
            raise StoreAway(f"the store {self.path} is closed.")
        try:
            yield
        except sqlite3.ProgrammingError as error:
            if not self._closed:
                raise
            raise StoreAway(f"the store {self.path} is closed.") from error
        except sqlite3.DatabaseError as error:
            raise StoreAway(f"the store {self.path} cannot be used at the moment: {error}.") from error


@contextmanager
def _committed(db: sqlite3.Connection) -> Iterator[Any]:
    """A transaction that takes the lock of writers at once: taking it later can fail without waiting."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _busy(error: sqlite3.DatabaseError) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
