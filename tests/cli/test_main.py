"""The door: quick to open, and quiet about what went wrong inside."""

import errno
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.shell import TINY, Shell, quiet
from segue import __version__
from segue.cli import main
from segue.core.errors import DataError, RunError
from segue.training.loop import _Training

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


def test_ctrl_c_in_a_fit_says_what_is_kept_and_how_to_go_on(segue: Shell, log: Path, tmp_path: Path) -> None:
    out = tmp_path / "my run"
    fit = ("fit", "sasrec_small", "--data", log, "--out", out, *TINY, "--baselines", "", "--json")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_Training, "one_step", stopping_at(3, _Training.one_step))
        said = segue(*fit)
    assert said.code == 130
    (line,) = said.err.strip().splitlines()
    assert line.startswith("stopped. What was learnt up to the last checkpoint is kept; go on with: segue fit ")
    assert segue(*shlex.split(line.partition("segue ")[2]), "--baselines", "").code == 0
    assert (out / "report.json").exists()


def stopping_at(step: int, whole: Callable[..., object]) -> Callable[..., object]:
    def one_step(training: _Training, *rest: object) -> object:
        if training.state["step"] == step:
            signal.raise_signal(signal.SIGINT)
        return whole(training, *rest)

    return one_step


def test_ctrl_c_elsewhere_is_one_line(segue: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("segue.workflows.doctor.examine", interrupted)
    said = segue("doctor")
    assert (said.code, said.err) == (130, "\nstopped. What was there before is unchanged.\n")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), "/x/y: the disk is full"),
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.EROFS, "Read-only file system", "/x"), "/x: this disk is read-only"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "/x: access is not allowed"),
        (OSError(errno.EMFILE, "Too many open files", "/x"), "ulimit -n"),
        (OSError(errno.EXDEV, "Invalid cross-device link", "/x"), "/x: Invalid cross-device link."),
        (OSError("only\nwords"), "only words."),
        (MemoryError("Unable to allocate 1 TiB"), "not enough memory (Unable to allocate 1 TiB)"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "not enough memory (DefaultCPU"),
        (RecursionError("maximum recursion depth"), "nested too deep"),
        (RunError("as it is."), "as it is."),
    ],
)
def test_what_the_machine_lacks_is_one_line(
    error: Exception, words: str, segue: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong() -> None:
        raise error

    monkeypatch.setattr("segue.workflows.doctor.examine", wrong)
    said = segue("doctor")
    assert said.code == 1
    assert said.err.startswith("error: ")
    assert words in said.err
    assert len(said.err.splitlines()) == 1
    monkeypatch.setenv("SEGUE_DEBUG", "1")
    assert "Traceback" in segue("doctor").err


def test_exit_codes_are_in_the_help(segue: Shell) -> None:
    words = " ".join(segue("--help").out.split())
    assert "Exit codes: 0 it is done; 1 it could not be done" in words
    assert "130" in words


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
