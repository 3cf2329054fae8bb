"""A person at the command line: words in, exit code and text out; and the log they bring."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from segue.cli.main import run

TINY = (
    "--set", "backbone.width=8", "--set", "backbone.depth=1", "--set", "backbone.heads=1", "--set", "backbone.inner=8",
    "--set", "batches.users=16", "--set", "procedure.loop.epochs=2", "--set", "procedure.loop.precision=float32",
)  # fmt: skip
"""Makes sasrec_small learn next to nothing in next to no time."""


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


class Shell:
    """`segue` in this process, through the same door as from a terminal."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capsys, self.monkeypatch = capsys, monkeypatch

    def __call__(self, *words: object) -> Said:
        self.capsys.readouterr()
        self.monkeypatch.setattr("sys.argv", ["segue", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            run()
        said = self.capsys.readouterr()
        code = left.value.code
        return Said(code if isinstance(code, int) else 0 if code is None else 1, said.out, said.err)


def write_log(path: Path, users: int = 40, events: int = 9, items: int = 15) -> Path:
    """Everybody walks round the ring of items, an hour a step."""
    lines = ["user,item,timestamp"]
    for user in range(users):
        lines += [f"u{user},i{(user + step) % items},{1_700_000_000 + 3600 * step + user}" for step in range(events)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def quiet() -> dict[str, str]:
    """The environment of a child process: one thread, the cache of the test."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}
