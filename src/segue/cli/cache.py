"""`segue cache`: the prepared logs that are kept, and their end."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer

app = typer.Typer(help="Show or empty the cache of prepared logs.", invoke_without_command=True)

AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON, for a program.")]


@app.callback()
def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Show which prepared logs are kept, how large they are and when they were last used.

    Segue prepares a raw log once and finds it again by its contents. The least recently used go first where all are
    larger than SEGUE_CACHE_GB (20). The cache lies in SEGUE_CACHE, or in ~/.cache/segue.

    Example: segue cache
    """
    if context.invoked_subcommand is not None:
        return
    from segue.data.cache import cache_folder, kept

    folder = cache_folder() / "prepared"
    found = kept(folder)
    if as_json:
        rows = [{"folder": str(one.folder), "source": one.source, "bytes": one.size, "used": one.used} for one in found]
        typer.echo(json.dumps({"folder": str(folder), "kept": rows}, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("prepared log", "size", "last used", "made from")
    for one in found:
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.used))
        table.add_row(one.folder.name, f"{one.size / 1e6:,.1f} MB", used, one.source)
    Console().print(table)
    typer.echo(f"{sum(one.size for one in found) / 1e6:,.1f} MB in {folder}; empty it with: segue cache clear")


@app.command()
def clear(
    older_than: Annotated[float, typer.Option(metavar="DAYS", help="Only what was not used for so many days.")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Remove prepared logs from the cache; the next use of a log prepares it again.

    Example: segue cache clear --older-than 30
    """
    from segue.data.cache import cache_folder
    from segue.data.cache import clear as empty

    gone = empty(cache_folder() / "prepared", older_than)
    size = sum(one.size for one in gone)
    if as_json:
        typer.echo(json.dumps({"removed": [str(one.folder) for one in gone], "bytes": size}, indent=2))
    else:
        typer.echo(f"removed {len(gone)} prepared logs, {size / 1e6:,.1f} MB")
