"""Why would this user get this item?"""

from __future__ import annotations

from typing import Annotated

import typer

from segue.cli.words import Device, Json, RunFolder, print_json, start_torch

SHOWN = 10
"""Events that are printed."""


def explain(
    run: RunFolder,
    item: Annotated[str, typer.Option(help="The item in question, by its id.", show_default=False)],
    user: Annotated[str | None, typer.Option(help="A user of the run's data, by the id in the log.")] = None,
    history: Annotated[
        str | None, typer.Option(help="Or a history of your own: item ids, oldest first, separated by commas.")
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Explain a recommendation: which past events moved it, and the way to it through the code tree.

    Examples:
      segue explain runs/mine --user 196 --item 50
      segue explain runs/tiger --history 242,302,51 --item 50 --json
    """
    place = start_torch(device)
    from segue.workflows.explain import explain_run

    past = None if history is None else [part.strip() for part in history.split(",") if part.strip()]
    why = explain_run(run, item.strip(), user=user, history=past, device=place)
    if as_json:
        print_json(why.model_dump())
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    where = "not in the list" if why.place is None else f"place {why.place}"
    console.print(f"[bold]{escape(why.item.title)}[/]  score {why.score:.4f}, {where}")
    if why.events:
        table = Table(box=None, header_style="bold")
        for column in ("effect", "item", "event", "position"):
            table.add_column(column, justify="right" if column in ("effect", "position") else "left")
        for event in why.events[:SHOWN]:
            table.add_row(f"{event.effect:+.4f}", escape(event.item_id), escape(event.title), str(event.position))
        console.print(table)
        if len(why.events) > SHOWN:
            console.print(f"... and {len(why.events) - SHOWN} events with less effect; --json has them all.")
    if why.path is not None:
        table = Table(box=None, header_style="bold")
        for column in ("level", "code", "probability", "items", "typical words"):
            table.add_column(column)
        for step in why.path:
            words = escape(", ".join(step.words))
            table.add_row(str(step.level), str(step.code), f"{step.probability:.4f}", f"{step.items:,}", words)
        console.print(table)
    console.print(why.note, style="dim")
