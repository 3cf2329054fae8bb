"""The door: quick to open, and quiet about what went wrong inside."""

import subprocess
import sys

import pytest

from cli.shell import Shell, quiet
from segue import __version__
from segue.cli import main
from segue.core.errors import DataError

HEAVY = ("torch", "polars", "numpy", "pyarrow", "pydantic", "safetensors")


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from segue.cli.main import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules], len(sys.modules))\n"
    )
    said = subprocess.run([sys.executable, "-c", script], env=quiet(), capture_output=True, text=True, check=True)
    verdict = said.stdout.splitlines()[-1]
    assert verdict.startswith("HEAVY [] ")
    # Modules instead of seconds, which depend on the machine: typer and rich alone are some 300.
    assert int(verdict.split()[-1]) < 500


@pytest.mark.parametrize(
    "command", ["", "fit", "evaluate", "recommend", "compare", "reproduce", "systems", "show", "doctor", "data"]
)
def test_every_command_explains_itself(command: str, segue: Shell) -> None:
    said = segue(*command.split(), "--help")
    assert said.code == 0
    assert "Usage:" in said.out


def test_the_version(segue: Shell) -> None:
    assert segue("--version").out == f"segue {__version__}\n"


def test_ctrl_c_says_how_to_go_on(segue: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "app", interrupted)
    said = segue()
    assert said.code == 130
    assert "--resume" in said.err


def test_an_error_for_people_has_no_traceback(segue: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong() -> None:
        raise DataError("the file is a poem.")

    monkeypatch.setattr(main, "app", wrong)
    said = segue()
    assert (said.code, said.err) == (1, "error: the file is a poem.\n")


def test_an_error_of_ours_is_not_hidden(segue: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def ours() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(main, "app", ours)
    with pytest.raises(ZeroDivisionError):
        segue()
