"""`segue data`: prepare a log, look at it, look for its traps, fetch a public one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import polars as pl

    from segue.core.tables import Dataset
    from segue.data.preparation import Preparation

app = typer.Typer(help="Prepare, inspect and audit a log of behaviour; fetch a public one.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON, for a program.")]
RawPath = Annotated[Path, typer.Argument(help="A file or folder: raw, or prepared already.", show_default=False)]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="NAME=VALUE", help="A setting of the preparation, such as core=5 or user=uid."),
]


User = Annotated[str | None, typer.Option(help="Column of the user.")]
Item = Annotated[str | None, typer.Option(help="Column of the item.")]
Time = Annotated[str | None, typer.Option(help="Column of the time, or 'none'.")]
TimeFormat = Annotated[
    str | None, typer.Option(help="How the time is written: s, ms, us, ns, iso, dmy, mdy or a pattern like '%d.%m.%Y'.")
]


@app.command()
def prepare(
    path: RawPath,
    out: Annotated[Path | None, typer.Option(help="Folder to make; prepared/NAME without.", show_default=False)] = None,
    source: Annotated[
        str, typer.Option(help="guess, files, folder, movielens, amazon, recbole, kuairand, taobao.")
    ] = "guess",
    user: User = None,
    item: Item = None,
    time: Time = None,
    time_format: TimeFormat = None,
    rating: Annotated[str | None, typer.Option(help="Column of the rating, or 'none'.")] = None,
    order: Annotated[str | None, typer.Option(help="Column that orders each user's events, or 'none'.")] = None,
    positive: Annotated[str | None, typer.Option(help="Which events count, such as 'rating >= 4'.")] = None,
    core: Annotated[int, typer.Option(help="Fewest events of each user and each item.")] = 0,
    duplicates: Annotated[str, typer.Option(help="Repeats of user and item: keep, exact, first or last.")] = "keep",
    memory_gb: Annotated[
        float | None, typer.Option(help="Memory for events in flight; the rest waits on disk.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a prepared folder of that name.")] = False,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Read a log in any known form and write it as a prepared folder.

    Example: segue data prepare ratings.csv --positive 'rating >= 4' --core 5
    """
    from segue.data.prepare import prepare as prepare_log
    from segue.data.prepare import readable_name

    named = {
        "source": source, "user": user, "item": item, "time": time, "time_format": time_format, "rating": rating,
        "order": order,
        "positive": positive, "core": core, "duplicates": duplicates, "memory_gb": memory_gb,
    }  # fmt: skip
    preparation = _preparation(path, named, settings)
    folder = out or Path("prepared") / readable_name(path)
    with _Stages(quiet=as_json) as stages:
        dataset = prepare_log(preparation, folder, stages.tell, replace=replace)
    _answer(_facts(dataset) | {"folder": str(folder)}, as_json, f"Prepared in {folder}")


@app.command()
def inspect(
    path: RawPath,
    user: User = None,
    item: Item = None,
    time: Time = None,
    time_format: TimeFormat = None,
    settings: Settings = None,
    check: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Of a prepared folder: read all of it and compare its digest.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Show what a path holds: how it would be read, or what was prepared and whether it is as it was written.

    Example: segue data inspect ml-100k/u.data
    """
    from segue.data.sources import open_log
    from segue.data.store import is_prepared, load, verify

    if is_prepared(path):
        if check:
            verify(path)
        dataset = load(path)
        facts = _facts(dataset) | {"first items": dataset.catalog.table.head(5).to_dicts()}
        _answer(facts, as_json, f"{path} is a prepared dataset")
        return
    named = {"user": user, "item": item, "time": time, "time_format": time_format}
    preparation = _preparation(path, named, settings)
    raw = open_log(path, preparation.asked, preparation.source, preparation.history)
    first = next(iter(raw.read([name for name, kind in raw.further.items() if kind != "text"], 5)), None)
    facts = {
        "source": raw.source,
        "why": raw.why,
        "files": [str(file) for file in raw.files],
        "order": "by a column of its own" if raw.ordered else "by time" if raw.timed else "by the order of the rows",
        "columns": [f"{column}: {role} ({why})" for column, role, why in raw.columns],
        "notes": list(raw.notes),
        "first rows": _first_rows(first, raw.ticks),
    }
    _answer(facts, as_json, f"{path} would be read as '{raw.source}': {raw.why}")


@app.command()
def audit(
    path: RawPath,
    split: Annotated[
        str,
        typer.Option(
            help="leave_one_out, random_holdout, leave_two_out, global_time, rolling_time, by_user, by_ratio or given; "
            "of rankers requests_by_time or last_event."
        ),
    ] = "leave_one_out",
    seed: Annotated[int, typer.Option(help="Seed of the split.")] = 0,
    cache: Annotated[
        Path | None, typer.Option(help="Where a raw path is prepared; in the cache unless given.", show_default=False)
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="NAME=VALUE", help="A setting, such as core=5 or split.ratio=0.8."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for what makes numbers mislead: rows that are sorted, ties, repeats, future items, cold items, overlap.

    Example: segue data audit ml-100k/u.data --split leave_two_out
    """
    from segue.data import given_split, random_holdout, request_split, rolling_split  # noqa: F401 - rules are known once they are imported
    from segue.data.audit import audit as audit_dataset
    from segue.data.cache import cache_folder
    from segue.data.open import open_dataset
    from segue.data.split import SplitRule

    changes = _pairs(settings)
    of_split = {name.removeprefix("split."): value for name, value in changes.items() if name.startswith("split.")}
    rule = SplitRule.parse({"kind": split, **of_split})
    preparation = _preparation(
        path, {name: value for name, value in changes.items() if not name.startswith("split.")}, None
    )
    with _Stages(quiet=as_json) as stages:
        dataset = open_dataset(preparation, cache or cache_folder() / "prepared", stages.tell)
    result = audit_dataset(dataset, rule.cut(dataset, seed))
    if as_json:
        typer.echo(result.model_dump_json(indent=2))
        return
    from rich.console import Console

    Console().print(result.render())


@app.command()
def get(
    name: Annotated[
        str | None, typer.Argument(help="A name from the list; without, the list.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to fill; raw/NAME without.", show_default=False)] = None,
    accept_licence: Annotated[bool, typer.Option("--accept-licence", help="Do not ask about the licence.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch a public set from its publisher, after showing its licence.

    Example: segue data get ml-100k
    """
    from segue.core.errors import DataError
    from segue.data.download import get as get_set
    from segue.data.public_sets import PUBLIC_SETS
    from segue.data.sources.suggest import nearest

    if name is None:
        table = {
            entry.name: {
                "title": entry.title,
                "home": entry.home,
                "licence": entry.licence,
                "checked": entry.manual or entry.checked,
            }
            for entry in PUBLIC_SETS.values()
        }
        if as_json:
            typer.echo(json.dumps(table, indent=2))
        else:
            for entry in PUBLIC_SETS.values():
                typer.echo(f"{entry.name:20} {entry.title}")
        return
    if name not in PUBLIC_SETS:
        raise DataError(
            f"no public set is called '{name}'{nearest(name, PUBLIC_SETS)} Known: {', '.join(PUBLIC_SETS)}."
        )
    chosen = PUBLIC_SETS[name]
    checked = f"\n{chosen.checked}" if chosen.manual is None else ""
    typer.echo(f"{chosen.title}\n{chosen.home}\n{chosen.licence}{checked}", err=True)
    if not accept_licence and chosen.manual is None and not typer.confirm("Do you accept these terms?", err=True):
        raise typer.Exit(1)
    folder = out or Path("raw") / name
    with _Bytes(quiet=as_json) as progress:
        ready = get_set(chosen, folder, progress.tell)
    facts = {"name": name, "folder": str(folder), "path": str(ready)}
    _answer(facts, as_json, f"{ready} is ready; next: segue data prepare {ready}")


def _preparation(path: Path, named: dict[str, Any], settings: list[str] | None) -> Preparation:
    from segue.data.preparation import Preparation

    return Preparation.parse({"path": str(path), **named, **_pairs(settings)})


def _pairs(settings: list[str] | None) -> dict[str, Any]:
    """NAME=VALUE with values as YAML reads them, but columns and conditions as text."""
    import yaml

    from segue.core.errors import SettingsError

    pairs: dict[str, Any] = {}
    for setting in settings or []:
        name, sign, value = setting.partition("=")
        if not sign:
            raise SettingsError(f"--set {setting}: expected NAME=VALUE, such as core=5.")
        parsed = yaml.safe_load(value)
        pairs[name.strip()] = parsed if isinstance(parsed, int | float | bool) else value
    return pairs


def _facts(dataset: Dataset) -> dict[str, Any]:
    import numpy as np

    log = dataset.log
    lengths = np.diff(log.offsets)
    times = log.timestamps
    return {
        "name": dataset.name,
        "digest": dataset.digest,
        "events": len(log),
        "users": len(lengths),
        "items": len(dataset.catalog),
        "events a user": {"least": int(lengths.min()), "median": float(np.median(lengths)), "most": int(lengths.max())},
        "exposures": _exposed(dataset),
        "time": [int(times.min()), int(times.max())] if times is not None else None,
        "columns": {name: str(values.dtype) for name, values in log.columns.items()},
        "item columns": dataset.catalog.table.columns,
        "user columns": log.users.columns,
        "source": dataset.origin.get("source"),
        "why": dataset.origin.get("why"),
        "dropped": dataset.origin.get("dropped", {}),
        "notes": dataset.origin.get("notes", []),
    }


def _first_rows(rows: pl.DataFrame | None, ticks: int) -> list[dict[str, Any]]:
    """The first rows with their times as dates."""
    import polars as pl

    if rows is None:
        return []
    if "time" in rows.columns:
        date = pl.from_epoch(pl.col("time").cast(pl.Float64) * (1e6 / ticks), "us").dt.to_string("%Y-%m-%d %H:%M:%S")
        rows = rows.with_columns(date.alias("time"))
    return rows.head(5).to_dicts()


def _exposed(dataset: Dataset) -> dict[str, Any] | None:
    if dataset.exposures is None:
        return None
    shown, left_out = len(dataset.exposures), dataset.origin.get("exposures", {}).get("left out", 0)
    return {"events": shown, "share taken": round(len(dataset.log) / max(shown, 1), 4), "rows left out": left_out}


def _answer(facts: dict[str, Any], as_json: bool, headline: str) -> None:
    if as_json:
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False, default=str))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None)
    for name, value in facts.items():
        if value not in (None, [], {}):
            table.add_row(Text(name, style="bold"), Text(_shown(value)))
    console = Console()
    console.print(Text(headline, style="green"))
    console.print(table)


def _shown(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ("\n" if any(isinstance(inner, dict | str) for inner in value) else ", ").join(map(str, value))
    return str(value)


class _Stages:
    """Shows the stage a preparation is in."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True)
        self._task: Any = None

    def __enter__(self) -> _Stages:
        self._progress.start()
        self._task = self._progress.add_task("", total=None)
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, stage: str, share: float | None) -> None:
        self._progress.update(
            self._task, description=stage, total=None if share is None else 1.0, completed=share or 0.0
        )


class _Bytes:
    """Shows how much of a file has come."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=Console(stderr=True), disable=quiet)
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> _Bytes:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, name: str, done: int, total: int | None) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total)
        self._progress.update(self._tasks[name], completed=done, total=total)
