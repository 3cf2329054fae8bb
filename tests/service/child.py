"""`segue serve` in a process of its own, as people start it; for tests that kill it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx


class Child:
    """A running service; `url` is where it listens."""

    def __init__(self, *arguments: object, log: Path, **environment: str) -> None:
        self.command = [sys.executable, "-m", "segue.cli.main", "serve", *map(str, arguments), "--port", "0"]
        tests = Path(__file__).resolve().parents[1]  # where recipes of the tests' own are found
        path = os.pathsep.join([str(tests), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
        self.environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path.rstrip(os.pathsep)} | environment
        self.log, self.url = log, ""

    def start(self, seconds: float = 60.0) -> Child:
        """Start it and wait until it is ready."""
        written = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=self.environment)
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.process.poll() is None:
            said = self.log.read_bytes()[written:].decode()
            if "/studio/" in said:
                self.url = said.partition("studio: ")[2].partition("/studio/")[0]
                if httpx.get(f"{self.url}/ready").status_code == 200:
                    return self
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(self.log.read_text())

    def kill(self) -> None:
        """As if somebody had pulled the plug."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """As Ctrl-C does; the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)

    def post(self, path: str, **body: Any) -> Any:
        """The JSON of an answer, which must be one."""
        answer = httpx.post(self.url + path, json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()
