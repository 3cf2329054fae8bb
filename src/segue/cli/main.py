"""The command line: words into a verb, a result into text. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from segue import __version__
from segue.cli import (
    cache,
    codes,
    data,
    explain,
    export,
    llm,
    rank,
    recommend,
    runs,
    scale,
    serve,
    study,
    systems,
    traffic,
)
from segue.core.errors import SegueError, in_words


class _Door(TyperGroup):
    """All commands; typer would leave without a word when one is stopped."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            _stopped(stop)


app = typer.Typer(
    name="segue",
    cls=_Door,
    help="Generative recommendation: from a raw log to a measured recommender.\n\n"
    "Start with: segue fit sasrec_small --data my_log.csv --out runs/mine",
    epilog="Exit codes: 0 it is done; 1 it could not be done, and one line on standard error says why and what to do; "
    "2 the command was not understood; 130 it was stopped. With -v, or SEGUE_DEBUG=1, an error shows where it arose.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS: tuple[Callable[..., None], ...] = (
    runs.fit,
    runs.evaluate,
    codes.tokenize,
    recommend.recommend,
    explain.explain,
    rank.rank,
    serve.serve,
    traffic.traffic,
    export.export,
    runs.compare,
    runs.reproduce,
    scale.scale,
    systems.systems,
    systems.show,
    systems.doctor,
)
for command in COMMANDS:
    app.command()(command)
app.add_typer(data.app, name="data", help="Get, prepare, inspect and audit logs.")
app.add_typer(cache.app, name="cache")
app.add_typer(codes.app, name="codes", help="Look into the codes of items, check their health, add new items.")
app.add_typer(llm.app, name="llm", help="Language models: make a small one on the spot, plan for a large one.")
app.add_typer(study.app, name="study", help="Studies of systems: what accuracy on a log cannot say.")


def _print_version(asked: bool | None) -> None:
    if asked:
        typer.echo(f"segue {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more about what is done.")] = False,
    version: Annotated[
        bool | None, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = None,
) -> None:
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(message)s")


def run() -> None:
    """Entry point: what goes wrong for a person is one line and an exit code; a traceback is for our own faults."""
    # Threads that wait should sleep: where another process holds a core, spinning ones cost a factor of four.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        app()
    except KeyboardInterrupt as stop:
        _stopped(stop)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if isinstance(error, RuntimeError) and _OUT_OF_MEMORY.search(str(error)):
            error = MemoryError(str(error)).with_traceback(error.__traceback__)
        if not isinstance(error, SegueError | OSError | MemoryError | RecursionError):
            raise
        if os.environ.get("SEGUE_DEBUG") or logging.getLogger().isEnabledFor(logging.INFO):
            traceback.print_exception(error)
        typer.secho(f"error: {in_words(error)}", fg="red", err=True)
        sys.exit(1)


def _stopped(stop: KeyboardInterrupt) -> NoReturn:
    """Ctrl-C: a fit says what it keeps and how to go on, other commands have changed nothing."""
    typer.secho(f"\n{stop}" if str(stop) else "\nstopped. What was there before is unchanged.", err=True)
    sys.exit(130)


_OUT_OF_MEMORY = re.compile("can't allocate memory|out of memory", re.IGNORECASE)
"""What torch says, whose error for it on a CPU is a plain RuntimeError."""


if __name__ == "__main__":
    run()
