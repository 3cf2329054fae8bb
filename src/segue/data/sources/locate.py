"""Which files a path means: one, those of a folder or of a pattern, a table inside a database or a workbook."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

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
_HIDDEN = (".", "_")
"""How the names of files begin that Spark and others write beside the tables."""
_ABOUT = ("readme", "license", "licence", "copying", "notice", "changelog")
_NOTHING = ("__HIVE_DEFAULT_PARTITION__", "__null__", "")


class Found(NamedTuple):
    """The files of a log, and the table inside the only one where the path names it."""

    files: Sequence[Path]
    inside: str | None = None


def suffix_of(file: Path) -> str:
    """The extension of a file, of a packed one that of what is packed."""
    return Path(file.name.lower().removesuffix(".gz")).suffix


def outside(path: Path) -> tuple[Path, str | None]:
    """A path such as log.sqlite::events as the file and the table in it; any other path as it is."""
    name, mark, inside = str(path).rpartition(_MARK)
    return (Path(name), inside) if mark and inside and not is_there(path) else (path, None)


def is_there(path: Path) -> bool:
    """Whether there is something under this path.

    Raises:
        DataError: nobody can tell: there is no right to look, or the name is too long.
    """
    try:
        return path.exists()
    except (OSError, ValueError) as error:
        raise DataError(
            f"{str(path)[:200]!r} cannot be looked at: {getattr(error, 'strerror', None) or error}."
        ) from None


def locate(path: Path) -> Found:
    """The files that a path means, in reading order.

    Raises:
        DataError: there is no such file, or none in the folder that can be read, or they cannot be one log.
    """
    path, inside = outside(path)
    if not is_there(path) and inside is None and _SIGNS.search(str(path)):
        return Found(_fitting(path))
    if path.is_dir() and inside is None:
        return Found(_inside(path))
    if path.is_file():
        return Found([path], inside)
    if is_there(path):
        raise DataError(f"{path} is no regular file{f', so there is no {inside!r} in it' if inside else ''}.")
    raise DataError(
        f"{path} does not exist{_near(path)} It was looked for in {Path.cwd()}; `segue data get` fetches public sets."
    )


def partition(file: Path, root: Path) -> dict[str, str | None]:
    """What the folders between `root` and a file say of its rows, as in day=2023-11/part-0.parquet."""
    parts = [part.partition("=") for part in file.parent.relative_to(root).parts]
    return {
        unquote(name): None if value in _NOTHING else unquote(value) for name, sign, value in parts if sign and name
    }


def root_of(files: Sequence[Path]) -> Path:
    """The folder that all files are in."""
    root = files[0].parent
    while not all(file.is_relative_to(root) for file in files):
        root = root.parent
    while "=" in root.name:  # a single partition says what its rows are just as several do
        root = root.parent
    return root


def _inside(folder: Path) -> list[Path]:
    """The tables in a folder, and in the folders in it where it has none itself.

    Raises:
        DataError: there are none, or they are of several forms or at several depths.
    """
    found = _tables(folder)
    if not found:
        held = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
        whole = [file for file in held if suffix_of(file) in (*SQLITE, *DUCKDB, *SHEETS)]
        if len(whole) == 1:
            return whole
        has = f" (it has {', '.join(file.name for file in held[:6])})" if held else ""
        raise DataError(
            f"{folder} is a folder with no table{has}; give the path of the one that holds the interactions."
        )
    forms = {suffix_of(file) for file in found}
    depths = {len(file.relative_to(folder).parts) for file in found}
    twice = next((file for file in found if file.with_name(f"{file.name}.gz") in found), None)
    if len(forms) == len(depths) == 1 and twice is None:
        return found
    how = (
        f"of several forms: {', '.join(sorted(forms))}"
        if len(forms) > 1
        else "in it and in folders in it"
        if twice is None
        else f"of which {twice.name} is there a second time as .gz"
    )
    raise DataError(
        f"{folder} is a folder with several tables ({shown(found, folder)}) {how}; give the path of the one that holds "
        f"the interactions, or a pattern such as '{folder / ('*' + suffix_of(found[0]))}'."
    )


def shown(files: Sequence[Path], folder: Path) -> str:
    """The first few files of a folder, for a message."""
    names = [str(file.relative_to(folder)) for file in files[:6]]
    return ", ".join(names) + (f" and {len(files) - 6:,} more" if len(files) > 6 else "")


def _tables(folder: Path) -> list[Path]:
    """What can be read in a folder and below, but for what lies beside a log."""
    return [
        file
        for file in sorted(folder.rglob("*"), key=_natural)
        if file.is_file()
        and suffix_of(file) in READABLE
        and not any(part.startswith(_HIDDEN) for part in file.relative_to(folder).parts)
        and file.name.split(".")[0].lower() not in BESIDE
        and not file.name.lower().startswith(_ABOUT)
    ]


def _fitting(pattern: Path) -> list[Path]:
    """The files that a pattern fits, and the tables in the folders that it fits.

    Raises:
        DataError: there are none.
    """
    root = Path(pattern.anchor)
    try:
        fits = sorted(root.glob(str(pattern.relative_to(root))), key=_natural)
    except (ValueError, NotImplementedError, OSError, re.error) as error:
        raise DataError(f"{pattern} is no pattern that can be used: {error}.") from None
    hidden = pattern.name.startswith(_HIDDEN)
    fits = [fit for fit in fits if hidden or not fit.name.startswith(_HIDDEN)]
    files = [file for fit in fits for file in (_tables(fit) if fit.is_dir() else [fit])]
    if not pattern.suffix:  # everything that can be read, whatever else lies there
        files = [file for file in files if suffix_of(file) in READABLE] or files
    if not files:
        near = next(folder for folder in pattern.parents if not _SIGNS.search(str(folder)) or folder.is_dir())
        held = sorted(other.name for other in near.iterdir())[:6] if near.is_dir() else []
        has = f" {near} has: {', '.join(held)}." if held else "" if near.is_dir() else f" There is no folder {near}."
        raise DataError(f"{pattern}: no file fits this pattern.{has}")
    return list(dict.fromkeys(files))


def _near(path: Path) -> str:
    others = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    return nearest(path.name, others)


def _natural(file: Path) -> list[object]:
    """Names in the order of their numbers: part-2 before part-10."""
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.split(r"(\d+)", str(file))]
