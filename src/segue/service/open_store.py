"""The store that a URL names."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from segue.core.errors import SettingsError
from segue.service.event_store import EventStore

FORMS = "sqlite:///events.db (four slashes for an absolute path) or postgresql://user:password@host:port/database"


def open_store(url: str, *, make: bool = True) -> EventStore:
    """The store at `sqlite:///path`, `sqlite:////absolute/path`, `sqlite://:memory:` or `postgresql://...`.

    Args:
        make: make the store where there is none yet.

    Raises:
        SettingsError: the URL names no store, or one that this version does not read.
        StoreAway: the store does not answer.
    """
    scheme, colon, rest = url.partition("://")
    if scheme in ("postgresql", "postgres") and colon:
        from segue.service.postgres_store import PostgresStore

        store: EventStore = PostgresStore(url, make=make)
    elif scheme == "sqlite" and colon:
        from segue.service.sqlite_store import SqliteStore

        store = SqliteStore(_path(rest), make=make)
    else:
        # what follows the scheme may be a password
        what = f"a store of the kind {scheme!r}" if colon else "this store, which is no URL,"
        raise SettingsError(f"{what} is not known; give {FORMS}.")
    try:
        store.ping()
    except BaseException:
        store.close()
        raise
    return store


def _path(rest: str) -> Path | None:
    """The file of an SQLite URL; None in memory."""
    if rest in (":memory:", "/:memory:"):
        return None
    if not rest.startswith("/") or rest == "/":
        raise SettingsError(f"an SQLite store is written with three slashes and a path: {FORMS}.")
    return Path(unquote(rest[1:]))
