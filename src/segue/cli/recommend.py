"""What would this user get?"""

from __future__ import annotations

from typing import Annotated

import typer

from segue.cli.words import Device, Json, RunFolder, print_json, start_torch


def recommend(
    run: RunFolder,
    user: Annotated[str | None, typer.Option(help="A user of the run's data, by the id in the log.")] = None,
    history: Annotated[
        str | None, typer.Option(help="Or a history of your own: item ids, oldest first, separated by commas.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many items.")] = 10,
    seen: Annotated[bool, typer.Option(help="Allow items that the history already has.")] = False,
    allow: Annotated[str | None, typer.Option(help="Only these item ids, separated by commas.")] = None,
    deny: Annotated[str | None, typer.Option(help="None of these item ids, separated by commas.")] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Recommend items to a user of the log, or after a history given by hand.

    Examples:
      segue recommend runs/mine --user 196 -k 10
      segue recommend runs/mine --history 242,302,51 --json
    """
    place = start_torch(device)
    from segue.workflows.recommend import recommend as answer

    def ids(text: str | None) -> list[str] | None:
        return None if text is None else [part.strip() for part in text.split(",") if part.strip()]

    answers = answer(
        run, user=user, history=ids(history), k=k, seen=seen, allow=ids(allow), deny=ids(deny), device=place
    )
    if as_json:
        print_json(answers)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    if answers["history"]:
        console.print("[bold]newest events[/]  " + " · ".join(item["title"] for item in answers["history"]))
    if "written" in answers:
        console.print("[bold]wrote[/]  " + escape(answers["written"] or "nothing"))
    table = Table(box=None, header_style="bold")
    for column in ("", "item", "title", "score"):
        table.add_column(column)
    for place_in_list, item in enumerate(answers["items"], start=1):
        table.add_row(str(place_in_list), item["item_id"], item["title"], f"{item['score']:.3f}")
    console.print(table)
    if len(answers["items"]) < k:
        console.print(f"Only {len(answers['items'])} items were allowed.")
