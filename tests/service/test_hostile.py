"""The whole service, as it is started, against many who never finish what they ask."""

from __future__ import annotations

import shutil
import socket
import time
from pathlib import Path

import httpx
import pytest

from service.child import Child
from service.listening import called

TOKEN = "0123456789abcdef"


@pytest.mark.slow
def test_unfinished_heads_keep_nobody_else_out_for_long(studio_shelf: Path, tmp_path: Path) -> None:
    child = Child(studio_shelf / "popularity", "--store", f"sqlite:///{tmp_path / 'live.db'}", "--deadline", 2,
                  log=tmp_path / "log")  # fmt: skip
    child.command = ["bash", "-c", 'ulimit -n 300; exec "$@"', "bash", *child.command]
    child.start()
    lines: list[socket.socket] = []
    try:
        address = ("127.0.0.1", int(child.url.rpartition(":")[2]))
        for _ in range(310):
            lines.append(called(address))
            lines[-1].sendall(b"POST /events HTTP/1.1\r\nhost: 127.0.0.1\r\n")
        crowded = httpx.get(f"{child.url}/health", timeout=5)
        assert crowded.status_code in (200, 503)
        until = time.monotonic() + 15
        while httpx.get(f"{child.url}/health", timeout=5).status_code != 200:
            assert time.monotonic() < until
            time.sleep(0.1)
        told = child.post("/recommend", user_id="u07", k=3)
        assert len(told["items"]) == 3
        log = child.log.read_text()
        assert "172 connections are open, which is all that there may be" in log
        assert "Traceback" not in log
        assert child.stop() == 0
    finally:
        for line in lines:
            line.close()
        child.kill()


@pytest.mark.slow
def test_whoever_starts_a_service_for_others_is_told_its_limits_and_where_events_go(
    studio_shelf: Path, tmp_path: Path
) -> None:
    shutil.copytree(studio_shelf / "popularity", tmp_path / "popularity")
    child = Child(tmp_path / "popularity", "--host", "0.0.0.0", "--burst", 3, log=tmp_path / "log", SEGUE_TOKEN=TOKEN)
    try:
        child.start()
        key = {"Authorization": f"Bearer {TOKEN}"}
        said = child.log.read_text()
        assert "loading popularity" in said
        assert "each client address may make 100 requests a second, and 3 at once" in said
        assert f"events are kept in {tmp_path / 'live.sqlite'}" in said
        url = child.url.replace("0.0.0.0", "127.0.0.1")
        with httpx.Client(base_url=url, headers=key) as client:
            assert 429 in [client.get("/systems").status_code for _ in range(12)]
        handshake = key | {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13"}
        time.sleep(0.1)
        assert httpx.get(f"{url}/events", headers=handshake).status_code == 404
        assert "Traceback" not in child.log.read_text()
    finally:
        child.kill()
