"""RecBole's atomic files: NAME.inter with a typed header (`user_id:token`), NAME.item and NAME.user beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.columns import choose
from segue.data.sources.delimited import Delimited
from segue.data.sources.files import tidy_items
from segue.data.sources.mapping import log_of
from segue.data.sources.raw_log import RawLog
from segue.data.sources.text_files import first_lines

_TYPES = ("token", "token_seq", "float", "float_seq")


def recognise(path: Path) -> str | None:
    """Why `path` is a RecBole set, or None."""
    file = _inter(path)
    return None if file is None else f"{file.name} is RecBole's name for interactions"


def read(path: Path, asked: Mapping[str, str | None], why: str) -> RawLog:
    """The interactions; columns are called as in the header, without the type."""
    file = _inter(path)
    if file is None:
        raise DataError(f"{path}: expected a RecBole file such as NAME.inter (or a folder with one).")
    table, _ = _open(file)
    columns = choose(table.sample, asked, where=str(file))
    return log_of(
        table,
        columns,
        source="recbole",
        why=why,
        items=lambda wanted: _beside(file, ".item", columns.item),
        users=lambda: _beside(file, ".user", columns.user),
        beside=[file.with_suffix(".item"), file.with_suffix(".user")],
        time_format=asked.get("time_format"),
    )


def _inter(path: Path) -> Path | None:
    if path.is_file():
        return path if path.name.removesuffix(".gz").endswith(".inter") else None
    found = sorted(path.glob("*.inter"))
    return found[0] if len(found) == 1 else None


def _open(file: Path) -> tuple[Delimited, dict[str, str]]:
    header = first_lines(file, 1)[0]
    separator = "\t" if "\t" in header else ","
    fields = [field.strip().rpartition(":") for field in header.split(separator)]
    typed = {name: kind for name, _, kind in fields}
    for name, kind in typed.items():
        if kind not in _TYPES:
            raise DataError(
                f"{file}, line 1: the header field '{name}:{kind}' should be NAME:TYPE with TYPE one of "
                f"{', '.join(_TYPES)}. Is this a plain table? Then pass source=files and rename it to .tsv."
            )
    return Delimited([file], list(typed), separator, header=True, quoted=False), typed


def _beside(file: Path, suffix: str, key: str) -> pl.DataFrame | None:
    other = file.with_suffix(suffix)
    if not other.is_file():
        return None
    table, typed = _open(other)
    roles = {name: "number" if kind == "float" else "text" for name, kind in typed.items()}
    whole = pl.concat(list(table.batches(roles, 1 << 20)))  # type: ignore[arg-type]
    if key not in whole.columns:
        raise DataError(f"{other}: no column '{key}' to join with {file.name}; it has {', '.join(whole.columns)}.")
    lists = [pl.col(name).str.split(" ") for name, kind in typed.items() if kind.endswith("_seq")]
    whole = whole.with_columns(lists)
    if suffix == ".user":
        return whole.rename({key: "user_id"}).with_columns(pl.col("user_id").cast(pl.String))
    words = {"movie_title": "title", "class": "categories", "genre": "categories"}
    fits = {old: new for old, new in words.items() if old in whole.columns and new not in whole.columns}
    return tidy_items(whole.rename(fits), key)
