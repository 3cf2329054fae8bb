"""An event store in PostgreSQL: for a team, with several services on several machines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from segue.core.errors import SettingsError
from segue.core.extras import require
from segue.core.served import Decision, Event, ItemNote
from segue.service._connections import Connections
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

One = TypeVar("One")
LOCKS = {"events": 0x5E60E001, "items": 0x5E60E002, "decisions": 0x5E60E003, "tables": 0x5E60E004}
"""Numbers of the advisory locks. Whoever gives places holds the one of the table until the rows are committed, so that
places become visible in their order."""
TABLES = (
    "CREATE TABLE segue_version (version bigint NOT NULL)",
    f"INSERT INTO segue_version VALUES ({VERSION})",
    """CREATE TABLE segue_events (
        place bigint PRIMARY KEY, event_id text COLLATE "C" NOT NULL UNIQUE, user_id text COLLATE "C" NOT NULL,
        item_id text COLLATE "C" NOT NULL, time bigint NOT NULL, actions text)""",
    "CREATE INDEX segue_events_of_users ON segue_events (user_id, place)",
    """CREATE TABLE segue_items (
        place bigint PRIMARY KEY, item_id text COLLATE "C" NOT NULL, available smallint NOT NULL, facts text)""",
    """CREATE TABLE segue_decisions (
        place bigint PRIMARY KEY, request_id text COLLATE "C" NOT NULL UNIQUE, time bigint NOT NULL,
        user_id text COLLATE "C", system text NOT NULL, chance double precision NOT NULL, k bigint NOT NULL,
        items text NOT NULL, history text NOT NULL, seen_place bigint NOT NULL, rules text NOT NULL,
        answered_by text NOT NULL, run text NOT NULL, shares text NOT NULL, noted_place bigint NOT NULL)""",
)
TYPES = {
    "time": "bigint", "chance": "double precision", "k": "bigint", "seen_place": "bigint", "noted_place": "bigint",
    "available": "smallint",
}  # fmt: skip
"""Of the columns that are not text."""


class PostgresStore(EventStore):
    """Events in a PostgreSQL database, which may go away and come back.

    Connections are opened when needed and taken up again after the server was started anew; the tables are made by the
    first one. A write is one round trip: the lock, the rows and the commit are sent together, so that no client that
    falls asleep holds a lock that others wait for. Needs the extra `postgres`.
    """

    def __init__(
        self, url: str, *, connections: int = 8, patience: float = 5.0, reading: float = 2.0, make: bool = True
    ) -> None:
        """
        Args:
            url: `postgresql://user:password@host:port/database`, with any of libpq's options behind a question mark.
            connections: the most that are open at one time.
            patience: seconds after which a write is given up.
            reading: seconds after which a read is given up.
            make: make the tables where there are none.

        Raises:
            SettingsError: the URL cannot be read.
        """
        self._driver = require("psycopg", extra="postgres")
        try:
            self._target: dict[str, Any] = self._driver.conninfo.conninfo_to_dict(url)
        except self._driver.Error:
            # the driver's message repeats what it could not read, which may be the password
            raise SettingsError(
                "the URL of the store cannot be read as postgresql://user:password@host:port/database; characters such "
                "as @ : / % in a password are written as %40 %3A %2F %25."
            ) from None
        self._patience, self._reading_patience = patience, reading
        self._prepared, self._make = False, make
        # a server that only lets us read has been replaced by another one
        failures = (self._driver.OperationalError, self._driver.InterfaceError)
        self._lost = (*failures, self._driver.errors.ReadOnlySqlTransaction)
        self._connections = Connections(self._connect, most=connections, failures=self._lost)

    @property
    def where(self) -> str:
        """The server and the database, without a password."""
        host, port = self._target.get("host", "localhost"), self._target.get("port", 5432)
        return f"PostgreSQL at {host}:{port}, database {self._target.get('dbname', 'of the user')}"

    def add(self, events: Sequence[Event]) -> list[bool]:
        """Keep the events, all or none; for each whether its id was new."""
        refuse_unkeepable(events)
        rows = [row_of_event(event) for event in _first(events, lambda event: event.event_id)]
        kept = {key for (key,) in self._insert("events", EVENT, rows, key="event_id")}
        fresh = []
        for event in events:
            fresh.append(event.event_id in kept)
            kept.discard(event.event_id)
        return fresh

    def after(self, places: Mapping[str, int], newest: int | None = None) -> dict[str, list[Event]]:
        """By user: the events whose place is later than the one given for that user, in the order of their places."""
        columns = ", ".join(f"found.{name}" for name in EVENT.split(", "))
        # the limit also keeps the planner from reading the whole table: 16 users of 100k events in 0.3 ms, not 6 ms
        cut = f"ORDER BY place DESC LIMIT {2**62 if newest is None else int(newest)}"
        query = (
            f"SELECT {columns} FROM unnest(%s::text[], %s::bigint[]) AS asked (user_id, place) "
            f"CROSS JOIN LATERAL (SELECT {EVENT} FROM segue_events WHERE user_id = asked.user_id "
            f"AND place > asked.place {cut}) AS found ORDER BY found.place"
        )
        found: dict[str, list[Event]] = {}
        for row in self._rows(query, (list(places), list(places.values()))):
            event = event_of_row(row)
            found.setdefault(event.user_id, []).append(event)
        return found

    def users(self, begins: str = "", most: int = 20) -> list[str]:
        """Ids of users with events, in order of their code points, that begin so."""
        step = (  # from one user to the next, however many events each has
            "WITH RECURSIVE found (user_id) AS ((SELECT min(user_id) FROM segue_events WHERE user_id >= %s) UNION ALL "
            "SELECT (SELECT min(user_id) FROM segue_events WHERE user_id > found.user_id) FROM found "
            "WHERE found.user_id IS NOT NULL) SELECT user_id FROM found WHERE user_id IS NOT NULL LIMIT %s"
        )
        return [user for (user,) in self._rows(step, (begins, most)) if user.startswith(begins)]

    def count(self) -> int:
        """How many events there are."""
        return self._newest("events")

    def note_items(self, notes: Sequence[ItemNote]) -> None:
        """Keep that items were added, withdrawn, or put back."""
        for note in notes:
            refuse_text("item_id", note.item_id)
        self._insert("items", ITEM, [row_of_item(note) for note in notes])

    def items(self, after: int = 0) -> list[ItemNote]:
        """The notes of items whose place is later, oldest first."""
        rows = self._rows(f"SELECT {ITEM} FROM segue_items WHERE place > %s ORDER BY place", (after,))
        return [item_of_row(row) for row in rows]

    def note_decisions(self, decisions: Sequence[Decision]) -> None:
        """Keep what was answered; the first of a request id is the one that is kept."""
        for one in decisions:
            refuse_text("request_id", one.request_id)
            refuse_text("user_id", one.user_id or "")
        rows = [row_of_decision(one) for one in _first(decisions, lambda one: one.request_id)]
        self._insert("decisions", DECISION, rows, key="request_id")

    def decisions(self, after: int = 0, most: int = 10_000) -> list[Decision]:
        """What was answered, oldest first, from behind a place on."""
        query = f"SELECT {DECISION} FROM segue_decisions WHERE place > %s ORDER BY place LIMIT %s"
        return [decision_of_row(row) for row in self._rows(query, (after, most), self._patience)]

    def decision_count(self) -> int:
        """How many decisions there are."""
        return self._newest("decisions")

    def ping(self) -> None:
        """Return if the store can be used."""
        self._rows("SELECT place FROM segue_events LIMIT 1", ())

    def close(self) -> None:
        """Let go of the connections."""
        self._connections.close()

    def _newest(self, table: str) -> int:
        ((newest,),) = self._rows(f"SELECT coalesce(max(place), 0) FROM segue_{table}", ())
        return int(newest)

    def _insert(
        self, table: str, columns: str, rows: Sequence[tuple[Any, ...]], key: str | None = None
    ) -> list[tuple[Any, ...]]:
        """Give the rows the next places, but for those whose key is there already; returns the keys of the new ones."""
        if not rows:
            return []
        names = columns.removeprefix("place, ")
        lists = ", ".join(f"%s::{TYPES.get(name, 'text')}[]" for name in names.split(", "))
        known = f"WHERE NOT EXISTS (SELECT FROM segue_{table} AS old WHERE old.{key} = new.{key})" if key else ""
        statement = (
            f"INSERT INTO segue_{table} ({columns}) "
            f"SELECT (SELECT coalesce(max(place), 0) FROM segue_{table}) + row_number() OVER (ORDER BY number), "
            f"{names} "
            f"FROM unnest({lists}) WITH ORDINALITY AS new ({names}, number) {known} RETURNING {key or 'place'}"
        )
        values = [list(column) for column in zip(*rows, strict=True)]
        with self._talking(self._patience) as connection:
            with connection.pipeline(), connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCKS[table],))
                cursor = connection.execute(statement, values)
            kept: list[tuple[Any, ...]] = cursor.fetchall()
        return kept

    def _rows(self, query: str, values: tuple[Any, ...], seconds: float | None = None) -> list[tuple[Any, ...]]:
        with self._talking(seconds or self._reading_patience) as connection:
            rows: list[tuple[Any, ...]] = connection.execute(query, values).fetchall()
        return rows

    @contextmanager
    def _talking(self, seconds: float) -> Iterator[Any]:
        """A connection whose troubles come out as ours."""
        try:
            with self._connections.one(seconds) as connection:
                yield connection
        except self._lost as error:
            raise StoreAway(f"{self.where} does not answer: {self._without_password(error)}") from None

    def _connect(self) -> Any:
        """A connection on which a commit that returns is on the disk, and nothing waits longer than it may."""
        milliseconds = int(1000 * self._patience)
        settings = {
            "synchronous_commit": "on",
            "statement_timeout": milliseconds,
            "lock_timeout": milliseconds,
            "idle_in_transaction_session_timeout": milliseconds,
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        target = self._target | {
            "options": f"{self._target.get('options', '')} {options}".strip(),
            "connect_timeout": self._target.get("connect_timeout", 2),  # the least that libpq takes
            "application_name": self._target.get("application_name", "segue"),
            "client_encoding": "utf8",
        }
        connection = self._driver.connect(autocommit=True, **target)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: Any) -> None:
        """Make the tables where there are none; look whether those that are there are ours.

        Raises:
            SettingsError: they are not, or the database cannot hold every text.
        """
        if self._prepared:
            return
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise SettingsError(
                f"{self.where} is encoded in {encoding}; a store needs a database with ENCODING 'UTF8'."
            )
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCKS["tables"],))
            if connection.execute("SELECT to_regclass('segue_version')").fetchone() == (None,):
                if not self._make:
                    raise SettingsError(f"{self.where} holds no store; give the URL that the service was started with.")
                for statement in TABLES:
                    connection.execute(statement)
            version = connection.execute("SELECT max(version) FROM segue_version").fetchone()[0]
        if version != VERSION:
            raise SettingsError(
                f"{self.where} holds a store of version {version}, and this Segue reads version {VERSION}; use the "
                "Segue that wrote it, or give another database."
            )
        self._prepared = True

    def _without_password(self, error: Exception) -> str:
        password = self._target.get("password")
        text = " ".join(str(error).split())
        return text.replace(password, "***") if password else text


def _first(some: Iterable[One], key: Callable[[One], str]) -> list[One]:
    """The first of each key, in the order in which they come."""
    found: dict[str, One] = {}
    for one in some:
        found.setdefault(key(one), one)
    return list(found.values())
