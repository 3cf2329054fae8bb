"""Options that several commands share, and how results are printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change one setting, such as backbone.depth=2. May be repeated."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A folder that 'segue fit' wrote.", show_default=False)]
Strict = Annotated[
    bool, typer.Option("--strict", help="Stop where the audit of the data finds something serious, before learning.")
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]


def settings(changes: list[str] | None) -> dict[str, Any]:
    """The `--set` options as paths and values."""
    from segue.workflows.experiment import parse_setting

    return dict(parse_setting(change) for change in changes or [])


def data_note(note: Any) -> None:
    """What is to be known of the data, before anything is learnt."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    colours = {"serious": "bold red", "chosen": "yellow"}
    for label, words in note.lines():
        console.print(Text(f"{label}: ", style=colours.get(label, "bold")) + Text(words))


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def start_torch(device: str) -> Any:
    """Set the allocator before the first tensor, and choose the device.

    Raises:
        SettingsError: the device does not exist here.
    """
    from segue.core.errors import SettingsError
    from segue.training.allocator import keep_freed_memory

    keep_freed_memory()
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise SettingsError(f"--device {device}: torch sees no CUDA device here; 'segue doctor' says what it sees.")
    try:
        return torch.device(device)
    except RuntimeError as error:
        raise SettingsError(f"--device {device}: {error}") from error
