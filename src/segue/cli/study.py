"""`segue study`: several systems held against what only a simulated world knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segue.cli.words import Device, Json, Set, print_json, settings, start_torch

if TYPE_CHECKING:
    from segue.workflows.study_table import StudyReport

app = typer.Typer(help="Studies of systems: what accuracy on a log cannot say.", no_args_is_help=True)


@app.callback()
def _studies() -> None:
    """Studies of systems: what accuracy on a log cannot say."""


@app.command(name="exposure_bias")
def exposure_bias(
    systems: Annotated[
        str | None,
        typer.Option(help="Separated by commas; the first is the base. Unless given: supervised, its control, S-DPO, "
                     "GRPO and four of GFlowGR.", show_default=False),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds of each system.")] = 3,
    out: Annotated[Path, typer.Option(help="Where runs and report go; runs that are there are read.")] = Path(
        "runs/exposure"
    ),
    world: Annotated[
        list[str] | None,
        typer.Option("--world-set", metavar="NAME=VALUE", help="Change the world, such as users=500, items=300 or "
                     "popularity_bias=2. May be repeated."),
    ] = None,
    changes: Set = None,
    k: Annotated[int, typer.Option(min=1, help="Places of the lists that are looked at.")] = 10,
    liked: Annotated[float, typer.Option(help="The share of the catalogue that a user likes.")] = 0.05,
    device: Device = "auto",
    as_json: Json = False,
) -> None:  # fmt: skip
    """Who finds what users would like and were never shown? Fit systems on a simulated world and ask its truth.

    All systems learn from the clicks of one world. The first of them is the base; the others begin with its codes and
    weights where they can, and are tested against it on the same users: recall of hidden favourites (liked, never
    shown), true value of the list, next clicks, diversity, coverage, popularity lift, and how well P(item) agrees with
    the user's preference ('-' for systems that have no probabilities). Popularity, item_knn, an oracle of the log and
    an ideal of true preference stand beside them. --set changes a setting of every system.

    Stopped half way, the same command goes on where it was.

    Examples:
      segue study exposure_bias --out runs/exposure
      segue study exposure_bias --systems tiger_small,sasrec_small --seeds 1 --world-set users=300 --out runs/quick
    """
    place = start_torch(device)
    from segue.cli.progress import Bar
    from segue.core.run import Run
    from segue.simulation.world import World
    from segue.studies.exposure_bias import ExposureBias
    from segue.workflows.study import SYSTEMS
    from segue.workflows.study import exposure_bias as study

    chosen = SYSTEMS if systems is None else [name.strip() for name in systems.split(",") if name.strip()]
    bar = Bar()
    try:
        report = study(
            chosen,
            world=World().changed(settings(world)),
            seeds=seeds,
            folder=out,
            run=Run(device=place, watches=() if as_json else (bar,)),
            settings=settings(changes),
            study=ExposureBias.parse({"k": k, "liked": liked}),
            tell=lambda said: None if as_json else typer.echo(said, err=True),
        )
    except KeyboardInterrupt:
        typer.secho(f"\nstopped. The same command goes on where it was: what is in {out} is kept.", err=True)
        raise typer.Exit(130) from None
    finally:
        bar.end()
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        _show(report, out)


def _show(report: StudyReport, folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for references in (False, True):  # apart, since a terminal is narrow
        rows = [row for row in report.rows if row.reference == references]
        table = Table(box=None, header_style="dim", padding=(0, 1))
        table.add_column("references" if references else "", no_wrap=True)
        for row in rows:
            table.add_column(row.system.replace("_", "_\n"), justify="right", no_wrap=True)
        for name in report.measures:
            cells = [row.cells.get(name) for row in rows]
            table.add_row(name, *("-" if cell is None else f"{cell.mean:.3f}{cell.mark}" for cell in cells))
        console.print(table)
    console.print(f"Means of {len(report.base.seeds)} seed(s). {report.tested()}", highlight=False, markup=False)
    for verdict in report.verdicts():
        console.print(f"- {verdict}", highlight=False, markup=False)
    console.print(f"report: {folder / 'report.html'}", highlight=False, markup=False)
