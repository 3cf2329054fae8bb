"""Stores to be tested: a new SQLite file, a new database of a PostgreSQL server that the session started."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from segue.service.event_store import EventStore
from segue.service.open_store import open_store
from service.postgres_server import BINARIES, HOW_TO_INSTALL, PostgresServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running server that nobody kills."""
    if not BINARIES:
        pytest.skip(HOW_TO_INSTALL)
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store that nobody has used."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'events.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def store(store_url: str) -> Iterator[EventStore]:
    opened = open_store(store_url)
    yield opened
    opened.close()
