"""Workbooks: .xlsx and its kin, through the extra `excel`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from segue.core.errors import DataError
from segue.core.extras import require
from segue.data.sources.suggest import nearest
from segue.data.sources.table import Table
from segue.data.sources.values import SAMPLE_ROWS, Role, is_wide

_NAMELESS = re.compile(r"__UNNAMED__(\d+)")


@dataclass(frozen=True)
class Sheet(Table):
    """One sheet of a workbook; a sheet has a million rows at most, so it is held whole."""

    files: Sequence[Path]
    name: str

    @cached_property
    def whole(self) -> pl.DataFrame:
        """All rows, each column with the type that all its cells share, or as text."""
        found = _read(self.files[0], self.name)
        if not found.height:
            raise DataError(f"{self.files[0]}::{self.name} has no rows; a log has at least one.")
        return found

    @property
    def sample(self) -> pl.DataFrame:  # type: ignore[override]
        """The first rows."""
        return self.whole.head(SAMPLE_ROWS)

    def batches(self, columns: Mapping[str, Role], rows: int) -> Iterator[pl.DataFrame]:
        """The columns asked for.

        Raises:
            DataError: ids are too wide for a workbook, which has fifteen digits.
        """
        for name, role in columns.items():
            if role == "id" and self.whole[name].dtype.is_numeric() and is_wide(self.whole[name]):
                raise DataError(
                    f"{self.files[0]}::{self.name}, column '{name}': ids of more than 15 digits, whose last digits a "
                    "workbook loses. Write the column as text, or take the log from where the sheet came from."
                )
        yield from self.whole.select(list(columns)).iter_slices(rows)

    def place(self, row: int) -> str:
        """Where a row, counted from 0, stands."""
        return f"{self.files[0]}::{self.name}, row {row + 2}"


def open_sheet(file: Path, name: str | None) -> Sheet:
    """The sheet of that name, or the only one that is not empty.

    Raises:
        DataError: there is no such sheet, there are several, or the file is no workbook.
        MissingExtra: the package that reads workbooks is not installed.
    """
    reader = require("fastexcel", extra="excel")
    try:
        names = list(reader.read_excel(str(file)).sheet_names)
    except Exception as error:  # the engine has errors of its own for each kind of file
        raise _unreadable(file, error) from None
    if name in names:
        return Sheet([file], str(name))
    if name is not None:
        raise DataError(f"{file}: there is no sheet '{name}'{nearest(name, names)} It has: {', '.join(names)}.")
    full = names if len(names) == 1 else [sheet for sheet in names if _read(file, sheet).height]
    if len(full) == 1:
        return Sheet([file], full[0])
    if not full:
        raise DataError(f"{file}: all its sheets are empty ({', '.join(names)}).")
    raise DataError(
        f"{file}: which sheet holds the interactions? It has: {', '.join(full)}. Name it: {file}::{full[0]}"
    )


def _read(file: Path, sheet: str) -> pl.DataFrame:
    try:
        found = pl.read_excel(file, sheet_name=sheet, engine="calamine", infer_schema_length=None, raise_if_empty=False)
    except Exception as error:
        raise _unreadable(file, error) from None
    names = {name: _NAMELESS.fullmatch(name) for name in found.columns}
    # The first without a name is the index of pandas; the others are called by their place, as in text.
    return found.rename(
        {name: f"column_{int(mark[1]) + 1}" if int(mark[1]) else "" for name, mark in names.items() if mark}
    )


def _unreadable(file: Path, error: Exception) -> DataError:
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return DataError(f"{file} could not be read as a workbook: {first}. Is it whole, and does its name say its form?")
