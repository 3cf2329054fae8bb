"""The command line: words into a verb, a result into text. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

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

app = typer.Typer(
    name="segue",
    help="Generative recommendation: from a raw log to a measured recommender.\n\n"
    "Start with: segue fit sasrec_small --data my_log.csv --out runs/mine",
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
    """Entry point: errors meant for people are printed without a traceback; Ctrl-C says how to go on.

    Exit codes: 0 done, 1 an error that is told in one line, 2 a command that cannot be read, 130 stopped by Ctrl-C.
    `SEGUE_DEBUG=1` shows where an error came from.
    """
    # Threads that wait should sleep: where another process holds a core, spinning ones cost a factor of four.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        app()
    except (SegueError, OSError, MemoryError, RecursionError, FloatingPointError) as error:
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        if os.environ.get("SEGUE_DEBUG"):
            raise
        typer.secho(f"error: {in_words(error)}", fg="red", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        typer.secho("\nstopped. What was learnt is saved; run the same command with --resume to go on.", err=True)
        sys.exit(130)


if __name__ == "__main__":
    run()
