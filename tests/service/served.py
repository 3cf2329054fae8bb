"""The real application around small runs, asked without a network."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from segue.service.app import application
from segue.service.open_store import open_store
from segue.service.service import Service
from segue.service.settings import ServiceSettings
from segue.service.shelf import Shelf


@contextmanager
def served(shelf: Path, runs: Sequence[str], store: str = "sqlite://:memory:", **settings: Any) -> Iterator[TestClient]:
    """A client of a service whose systems have been loaded."""
    given = Shelf([], [shelf])
    service = Service(ServiceSettings(**settings), given, runs, open_store(store))
    with TestClient(application(service), base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        until = time.monotonic() + 60
        while client.get("/ready").status_code != 200:
            assert service.broken is None, service.broken
            assert time.monotonic() < until, "the systems were not loaded within a minute"
            time.sleep(0.02)
        yield client


def problem(answer: Any, status: int, name: str) -> dict[str, Any]:
    """The body of an answer, which must be a problem of this kind."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["type"]) == (status, f"urn:segue:problem:{name}")
    assert body["title"]
    assert body["detail"]
    return body
