"""Stores to be tested, a new SQLite file and a new database of a PostgreSQL server; and small runs to be served."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from segue.service.app import application
from segue.service.event_store import EventStore
from segue.service.open_store import open_store
from segue.service.service import Service
from segue.service.settings import ServiceSettings
from segue.service.shelf import Shelf
from segue.workflows.experiment import Experiment, new
from segue.workflows.fit import fit
from service.postgres_server import PostgresServer, running
from workflows.small_tokens import RECIPE as SMALL_TOKENS

WORLD = {"data.users": 60, "data.items": 40, "data.categories": 4, "data.clicks": 12.0}
TINY = {
    "backbone.width": 8,
    "backbone.depth": 1,
    "backbone.heads": 1,
    "backbone.inner": 8,
    "batches.users": 16,
    "procedure.loop.epochs": 3,
    "procedure.loop.precision": "float32",
}


@pytest.fixture(scope="session")
def studio_shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of runs: a scoring system, a baseline, and one that writes codes; do not write into it."""
    folder = tmp_path_factory.mktemp("studio") / "runs"
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("SEGUE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        sasrec = new("sasrec_small", "world", {**WORLD, **TINY}, 0)
        fit(sasrec, folder / "sasrec", baselines=())
        fit(new("popularity", "world", WORLD, 0), folder / "popularity", baselines=())
        tokens = Experiment(recipe=SMALL_TOKENS, data=sasrec.data, own="workflows.small_tokens:RECIPE")
        fit(tokens, folder / "tokens", baselines=())
        judge = new("dfgr_small", "world", {**WORLD, "procedure.loop.epochs": 1, "backbone.depth": 1}, 0)
        fit(judge, folder / "dfgr", baselines=())
        yield folder


@pytest.fixture
def client(studio_shelf: Path, tmp_path: Path) -> Iterator[TestClient]:
    """Asks a service that shows runs and serves none."""
    store = open_store(f"sqlite:///{tmp_path / 'live.sqlite'}")
    ledger = Path(__file__).resolve().parents[2] / "ledger"
    service = Service(ServiceSettings(ledger=ledger), Shelf([], [studio_shelf]), [], store)
    yield TestClient(application(service), base_url="http://127.0.0.1")
    store.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running server that nobody kills."""
    with running() as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server that the test may kill."""
    with running() as server:
        yield server


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
