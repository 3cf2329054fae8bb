"""`segue traffic`: which of the systems that answered is better, and what would others have been worth?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segue.cli.words import Device, Json, print_json, start_torch

if TYPE_CHECKING:
    from segue.workflows.traffic import TrafficReport


def traffic(
    store: Annotated[
        str, typer.Argument(metavar="STORE", help="The store of a service: sqlite:///FILE or postgresql://...",
                            show_default=False)
    ],
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN...]", help="Folders of runs to be asked again: all that could have answered, and "
                       "others. NAME=FOLDER where the service knows one by another name.", show_default=False),
    ] = None,
    hours: Annotated[float, typer.Option(help="How long after an answer an item may be taken.")] = 24.0,
    by: Annotated[str | None, typer.Option(help="Count only events with this action; any unless given.")] = None,
    last: Annotated[int, typer.Option(help="How many answers are looked at, the newest.")] = 100_000,
    device: Device = "auto",
    as_json: Json = False,
) -> None:  # fmt: skip
    """Compare the systems of a service by what users took of their answers, and estimate what runs would be worth.

    Each answer counts as much as its system's chance was small, so a system is not punished for the users or the days
    it was given. A run that never answered is asked again with the same histories; items that nobody could have shown
    say nothing about it, and their share is told.

    Examples:
      segue traffic sqlite:///runs/mine/live.sqlite
      segue traffic postgresql://localhost/shop runs/a runs/b runs/candidate --hours 48 --by purchase --json
    """
    place = start_torch(device)
    from segue.cli.progress import Bar
    from segue.core.run import Run
    from segue.service.open_store import open_store
    from segue.workflows.traffic import traffic as compare

    bar = Bar()
    opened = open_store(store)
    try:
        report = compare(
            opened,
            _named(runs or []),
            hours=hours,
            by=by,
            last=last,
            device=place,
            run=Run(device=place, watches=() if as_json else (bar,)),
        )
    finally:
        bar.end()
        opened.close()
    if as_json:
        print_json(report.dump())
    else:
        _show(report)


def _named(runs: list[str]) -> dict[str, Path]:
    """The folders by name: the last part of the path, or what stands before the equals sign."""
    from segue.core.errors import SettingsError

    named: dict[str, Path] = {}
    for text in runs:
        name, given, folder = text.partition("=")
        path = Path(folder) if given and not Path(text).exists() else Path(text)
        name = name if path != Path(text) else path.resolve().name
        if name in named:
            raise SettingsError(f"{path} and {named[name]} would both be called {name}; write NAME=FOLDER for one.")
        named[name] = path
    return named


def _show(report: TrafficReport) -> None:
    from rich.console import Console
    from rich.table import Table

    from segue.workflows.traffic import words

    console = Console()
    taken = f"did '{report.by}' on" if report.by else "took"
    console.print(
        f"{report.decisions:,} answers to {report.users:,} users; hits are items that the user {taken} within "
        f"{report.hours:g} hours, a number per answer, with 95% intervals over users."
    )
    table = Table(box=None, header_style="bold", title="Systems on their own answers", title_justify="left")
    for column in ("system", "answers", "hits, plain", "hits, IPS", "hits, SNIPS", "discounted, SNIPS", "effective"):
        table.add_column(column)
    for one in report.systems:
        table.add_row(
            one.system, f"{one.decisions:,} of {one.of:,}", words(one.plain.hits), words(one.ips.hits),
            words(one.snips.hits), words(one.snips.discounted), f"{one.effective:,.0f}",
        )  # fmt: skip
    console.print(table)
    if report.runs:
        table = Table(box=None, header_style="bold", title="Runs on everybody's answers", title_justify="left")
        for column in ("run", "answers", "hits, IPS", "hits, SNIPS", "discounted, SNIPS", "effective", "no support"):
            table.add_column(column)
        for run in report.runs:
            found = run.estimated
            table.add_row(
                run.run, f"{run.decisions:,}", words(found.ips.hits), words(found.snips.hits),
                words(found.snips.discounted), f"{found.effective:,.0f} of {found.shown:,}", f"{found.unsupported:.1%}",
            )  # fmt: skip
        console.print(table)
        console.print(
            "No support: the share of a run's items that no system could have shown. IPS counts them as not taken, "
            "SNIPS as taken as often as the others. Both take it that an item is taken wherever in the list it stands."
        )
    for title, reasons in (("Left out", report.without_outcome), ("Not asked again", report.not_asked)):
        for reason, count in reasons.items():
            console.print(f"{title}: {count:,} ({reason})", highlight=False)
    if report.open:
        console.print(f"Of {report.open:,} answers the {report.hours:g} hours are not over yet.")
