"""`segue scale`: one system in several widths, and the law behind its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segue.cli.words import Device, Json, Set, print_json, settings, start_torch


def scale(
    system: Annotated[str, typer.Argument(help="A ranker with a trunk, such as gpsd or gpsd_world.")] = "gpsd_world",
    widths: Annotated[str, typer.Option(help="Widths of the trunk, separated by commas.")] = "16,32,64",
    strategies: Annotated[
        str, typer.Option(help="Of pretrain_transfer, each a line: nt, ft, st, ft_sf, st_sf, nt_sf. Empty for the "
                          "system as it is.")
    ] = "nt,st_sf",
    data: Annotated[str, typer.Option(help="A log, or 'world' for the simulated one.")] = "world",
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds of each.")] = 1,
    out: Annotated[Path, typer.Option(help="Where runs and report go; runs that are there are read.")] = Path(
        "runs/scale"
    ),
    changes: Set = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:  # fmt: skip
    """Do more parameters help? Fit a ranker in several widths and draw AUC and log loss against its size.

    Each strategy is a line: nt is the transformer from scratch, st_sf begins with the pretrained item table, frozen.
    Sizes are the dense parameters of the trunk. Through each line goes a law a + b x^-c where there are three widths.
    Stopped half way, the same command goes on where it was.

    Examples:
      segue scale gpsd_world --widths 16,32,64 --strategies nt,st_sf --out runs/scale
      segue scale gpsd --data my_log.parquet --widths 32,64,128,256 --seeds 3 --device cuda
    """
    place = start_torch(device)
    from segue.cli.progress import Bar
    from segue.core.errors import SettingsError
    from segue.core.run import Run
    from segue.workflows.scale import scale as ladder

    try:
        chosen = [int(width) for width in widths.split(",") if width.strip()]
    except ValueError:
        raise SettingsError(
            f"--widths {widths!r}: write whole numbers separated by commas, such as 16,32,64."
        ) from None
    bar = Bar()
    try:
        report = ladder(
            system,
            widths=chosen,
            strategies=[name.strip() for name in strategies.split(",") if name.strip()],
            data=data,
            seeds=seeds,
            folder=out,
            run=Run(device=place, watches=() if as_json else (bar,)),
            settings=settings(changes),
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
        typer.echo(report.markdown())
        typer.echo(f"report: {out / 'report.html'}")
