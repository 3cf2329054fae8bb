"""A PostgreSQL server of our own: started, killed and started again by a test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PASSWORD = "s3cret-p@ss"
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
HOW_TO_INSTALL = "PostgreSQL is absent: apt-get install --no-install-recommends postgresql"


@contextmanager
def running() -> Iterator[PostgresServer]:
    """A server that runs; the test is skipped where PostgreSQL is absent."""
    if not BINARIES:
        pytest.skip(HOW_TO_INSTALL)
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.stop()


class PostgresServer:
    """A fresh cluster on a free port of 127.0.0.1 that syncs to the disk; its user `segue` has a password."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="segue-postgres-"))
        self.bin = BINARIES[-1].parent
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        # the server refuses to run as root
        self._as = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        (self.folder / "password").write_text(PASSWORD)
        if self._as:
            for path in (self.folder, self.folder / "password"):
                shutil.chown(path, "postgres", "postgres")
        self._run(
            self.bin / "initdb", "-D", self.folder / "data", "-U", "segue", "--auth=scram-sha-256", "--encoding=UTF8",
            f"--pwfile={self.folder / 'password'}", "--locale=C.UTF-8", "--no-sync",
        )  # fmt: skip
        self.process: subprocess.Popen | None = None
        self._databases = 0

    def start(self) -> None:
        """Start it and wait until it answers; right after a kill, what it left behind may need a moment to go."""
        until = time.monotonic() + 30
        while True:
            self.process = self._spawn()
            while self.process.poll() is None:
                if self._run(self.bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port), check=False) == 0:
                    return
                time.sleep(0.05)
            if time.monotonic() > until:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.1)

    def kill(self) -> None:
        """As if the power had gone."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str = "postgres") -> str:
        password = PASSWORD.replace("@", "%40")
        return f"postgresql://segue:{password}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        import psycopg

        self._databases += 1
        name = f"test_{self._databases}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def _spawn(self) -> subprocess.Popen:
        command = [
            self.bin / "postgres", "-D", self.folder / "data", "-h", "127.0.0.1", "-p", str(self.port),
            "-k", self.folder, "-c", "fsync=on", "-c", "shared_buffers=16MB", "-c", "max_connections=60",
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, **self._as)

    def _run(self, *command: object, check: bool = True) -> int:
        said = subprocess.run(
            [str(word) for word in command], cwd=self.folder, capture_output=True, text=True, check=False, **self._as
        )
        if check and said.returncode:
            raise RuntimeError(said.stderr)
        return said.returncode
