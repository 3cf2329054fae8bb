"""How a text table is cut: its separator and its header, guessed from its first records where nobody says them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.columns import is_index, is_known
from segue.data.sources.delimited import SEPARATORS, Delimited, head_records
from segue.data.sources.text_files import head
from segue.data.sources.times import clock_of
from segue.data.sources.values import looks_like

_RECORDS = 50


def open_delimited(files: Sequence[Path], asked: Mapping[str, str | None] | None = None) -> Delimited:
    """A text table of one form, whose separator and header are guessed from the first records of its first file.

    Args:
        asked: columns that the person named, by role; and under `header` 'true' or 'false', under `decimal` '.' or ','.

    Raises:
        DataError: there is one column only, or two are called alike.
    """
    file, told = files[0], asked or {}
    separator = _separator(file)
    records = head_records(file, separator, _RECORDS)
    first = [field.strip() for field in records[0]]
    header = _told_header(told.get("header"), file)
    if header is None:
        roles = ("user", "item", "time", "rating", "order", "id", "title")
        wanted = {name for role, name in told.items() if role in roles and name is not None}
        header = not wanted.isdisjoint(first) or _is_header(first, records[1:], str(file))
    names = _names(first) if header else [f"column_{i}" for i in range(1, len(first) + 1)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{file}, line 1: two columns are called '{twice}'. Give each column a name of its own.")
    decimal = told.get("decimal")
    if decimal not in (None, ".", ","):
        raise DataError(f"decimal={decimal!r}: the sign before the fraction of a number is '.' or ','.")
    return Delimited(files, names, separator, header, decimal=decimal)


def _told_header(told: str | None, file: Path) -> bool | None:
    if told is None:
        return None
    if told.lower() not in ("true", "false"):
        raise DataError(f"{file}: header={told!r} should be true (the first line has names) or false.")
    return told.lower() == "true"


def _names(first: Sequence[str]) -> list[str]:
    """The names of a header; a column without one gets one by its place, but for the index that pandas writes first."""
    return [name if name or i == 0 else f"column_{i + 1}" for i, name in enumerate(first)]


def _separator(file: Path) -> str:
    """The separator that cuts most of the first records like the very first, and it into the most fields."""
    best, most = "", (0.0, 1)
    for separator in SEPARATORS:
        widths = [len(record) for record in head_records(file, separator, 20)]
        # A line may be cut short, or a text field hold the separator: nine of ten lines decide, or else the best.
        equal = sum(width == widths[0] for width in widths) / max(len(widths), 1)
        if widths and widths[0] > 1 and (min(equal, 0.9), widths[0]) > most:
            best, most = separator, (min(equal, 0.9), widths[0])
    if not best:
        line = head(file).strip().splitlines()[0]
        raise DataError(
            f"{file}, line 1: found one column in {line[:60]!r}; a log needs at least a user and an item, "
            f"separated by one of {' '.join(repr(separator) for separator in SEPARATORS)}."
        )
    return best


def _is_header(first: Sequence[str], rest: Sequence[Sequence[str]], where: str) -> bool:
    """A well-known name, or words above numbers or dates."""
    if any(field and is_known(field) for field in first):
        return True
    if any(not field for field in first[1:]):
        return False
    for i, field in enumerate(first):
        below = pl.Series([row[i] for row in rest if i < len(row)], dtype=pl.String)
        kind = looks_like(below)
        if is_index(field) or kind == "empty" or looks_like(pl.Series([field])) != "text" or _is_date(field, where):
            continue
        if kind in ("integer", "number") or (kind == "text" and clock_of(below, where=where) is not None):
            return True
    return False


def _is_date(field: str, where: str) -> bool:
    return clock_of(pl.Series([field]), where=where) is not None
