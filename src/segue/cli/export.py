"""A run as files that need no Segue."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from segue.cli.words import Json, RunFolder, print_json, start_torch


class Format(StrEnum):
    """What is written."""

    torch = "torch"
    onnx = "onnx"
    all = "all"


def export(
    run: RunFolder,
    out: Annotated[Path, typer.Option(help="The folder to write.", show_default=False)],
    format_: Annotated[
        Format, typer.Option("--format", help="A program of torch (.pt2), an ONNX graph, or both.")
    ] = Format.all,
    k: Annotated[
        int | None, typer.Option("-k", min=1, help="Items that a search for codes names; its beams unless given.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an export that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Export what a run computes, for torch or onnxruntime alone, and compare it with the run.

    Examples:
      segue export runs/mine --out exported/
      segue export runs/tiger --out exported/tiger --format onnx -k 50
    """
    start_torch("cpu")
    from segue.workflows.export import FORMATS, export_run

    formats = [name for name in FORMATS if format_ in (Format.all, name)]
    note = export_run(run, out, formats, k=k, overwrite=overwrite)
    if as_json:
        print_json(note.model_dump())
        return
    from rich.console import Console
    from rich.markup import escape

    console = Console(soft_wrap=True)
    console.print(f"[bold]{escape(note.system)}[/] exported to {escape(str(out))}: {', '.join(note.files)}")
    for name, parity in note.parity.items():
        console.print(
            f"{name}: the largest difference from the run is {parity.largest_difference:.1e} (relative), on "
            f"{parity.rows} rows of {parity.shortest} to {parity.longest} events"
        )
    console.print(f"{escape(str(out / 'README.md'))} has a program that runs as it stands.")
