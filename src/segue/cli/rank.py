"""How likely is this user to act on these items?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segue.cli.words import Device, Json, RunFolder, print_json, start_torch


def rank(
    run: RunFolder,
    user: Annotated[str, typer.Option(help="A user of the run's data, by the id in the log.", show_default=False)],
    candidates: Annotated[
        Path | None,
        typer.Option(help="A file of item ids: one a line, a JSON list, or a CSV or Parquet table with item_id."),
    ] = None,
    items: Annotated[str | None, typer.Option(help="Or the ids themselves, separated by commas.")] = None,
    by: Annotated[str | None, typer.Option(help="The action to sort by; the run's first unless given.")] = None,
    at: Annotated[int | None, typer.Option(help="When it is asked, in Unix seconds; now for that user if not.")] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Rank candidates for a user by the probability of each action.

    Examples:
      segue rank runs/dfgr --user u0007 --candidates shortlist.txt
      segue rank runs/dfgr --user u0007 --items i012,i345 --by like --json
    """
    from segue.core.errors import SettingsError

    if (candidates is None) == (items is None):
        raise SettingsError("give either --candidates FILE or --items ID,ID,...")
    place = start_torch(device)
    from segue.workflows.rank import rank as answer
    from segue.workflows.rank import read_candidates

    ids = read_candidates(candidates) if candidates is not None else [one.strip() for one in (items or "").split(",")]
    answers = answer(run, [one for one in ids if one], user=user, by=by, at=at, device=place)
    if as_json:
        print_json(answers)
        return
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if answers["history"]:
        console.print("[bold]newest events[/]  " + " · ".join(item["title"] for item in answers["history"]))
    tasks = list(answers["items"][0]["probabilities"])
    table = Table(box=None, header_style="bold")
    for column in ("", "item", "title", *(f"P({task})" for task in tasks)):
        table.add_column(column)
    for number, item in enumerate(answers["items"], start=1):
        chances = (f"{item['probabilities'][task]:.4f}" for task in tasks)
        table.add_row(str(number), item["item_id"], item["title"], *chances)
    console.print(table)
