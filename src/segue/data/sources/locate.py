"""Which files a path means: one, those of a folder or of a pattern, a table inside a database or a workbook."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from segue.core.errors import DataError
from segue.data.sources.suggest import nearest

TEXT = (".csv", ".tsv", ".txt", ".dat", ".data", ".tab")
JSON = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet", ".pq")
ARROW = (".feather", ".arrow", ".ipc")
SQLITE = (".sqlite", ".sqlite3", ".db", ".db3")
DUCKDB = (".duckdb", ".ddb")
SHEETS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
READABLE = (*TEXT, *JSON, *PARQUET, *ARROW)
"""What may be one of several files of a log."""
BESIDE = ("items", "item", "movies", "products", "catalog", "catalogue", "users", "user")
_MARK = "::"
_SIGNS = re.compile(r"[*?\[]")


class Found(NamedTuple):
    """The files of a log, and the table inside the only one where the path names it."""

    files: Sequence[Path]
    inside: str | None = None


def suffix_of(file: Path) -> str:
    """The extension of a file, of a packed one that of what is packed."""
    return Path(file.name.removesuffix(".gz")).suffix.lower()


def outside(path: Path) -> tuple[Path, str | None]:
    """A path such as log.sqlite::events as the file and the table in it; any other path as it is."""
    name, mark, inside = str(path).rpartition(_MARK)
    return (Path(name), inside) if mark and inside and not path.exists() else (path, None)


def locate(path: Path) -> Found:
    """The files that a path means, in reading order.

    Raises:
        DataError: there is no such file, or none in the folder that can be read.
    """
    path, inside = outside(path)
    if path.is_dir():
        return Found(_inside(path))
    if path.exists() or inside is not None:
        if not path.is_file():
            what = "is no regular file" if path.exists() else f"does not exist{_near(path)}"
            raise DataError(f"{path} {what}{'' if path.exists() else f' (looked in {Path.cwd()})'}")
        return Found([path], inside)
    if _SIGNS.search(str(path)):
        anchor = Path(path.anchor) if path.is_absolute() else Path()
        found = sorted((f for f in anchor.glob(str(path.relative_to(anchor))) if f.is_file()), key=_natural)
        if not found:
            raise DataError(f"{path}: no file fits this pattern (looked in {Path.cwd()}).")
        return Found(found)
    raise DataError(
        f"{path} does not exist{_near(path)} (looked in {Path.cwd()}). Is the path right? `segue data get` fetches "
        "public sets."
    )


def partition(file: Path, root: Path) -> dict[str, str]:
    """What the folders between `root` and a file say of its rows, as in day=2023-11/part-0.parquet."""
    parts = [part.partition("=") for part in file.parent.relative_to(root).parts]
    return {name: value for name, sign, value in parts if sign and name}


def root_of(files: Sequence[Path]) -> Path:
    """The folder that all files are in."""
    root = files[0].parent
    while not all(file.is_relative_to(root) for file in files):
        root = root.parent
    while "=" in root.name:  # a single partition says what its rows are just as several do
        root = root.parent
    return root


def _inside(folder: Path) -> list[Path]:
    """The tables in a folder and the folders in it, but for what lies beside a log."""
    found = [
        file
        for file in sorted(folder.rglob("*"), key=_natural)
        if file.is_file()
        and suffix_of(file) in READABLE
        and not any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
        and file.name.split(".")[0].lower() not in BESIDE
        and not file.name.lower().startswith("readme")
    ]
    if not found:
        raise DataError(f"{folder} is a folder with no table; give the path of the one that holds the interactions.")
    return found


def _near(path: Path) -> str:
    if not path.parent.is_dir():
        return ""
    return nearest(path.name, [other.name for other in path.parent.iterdir()]).removesuffix(".").removesuffix("?")


def _natural(file: Path) -> list[object]:
    """Names in the order of their numbers: part-2 before part-10."""
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.split(r"(\d+)", str(file))]
