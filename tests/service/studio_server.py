"""`segue serve` in a process of its own, on a free port of this machine."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]


class StudioServer:
    """The service with some runs; `url` is where it answers, once it does."""

    def __init__(self, words: Sequence[object]) -> None:
        self.words = [str(word) for word in words]
        self.url = ""

    def __enter__(self) -> "StudioServer":
        paths = [str(ROOT / "src"), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "segue.cli.main", "serve", *self.words, "--port", "0"],
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said += line
            if found := re.search(r"studio: (http://\S+)/studio/", line):
                self.url = found[1]
                return self
        raise AssertionError(f"the service ended before it answered:\n{said}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.process.communicate(timeout=30)
