"""Workbooks: .xlsx and its kin, through the extra `excel`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from segue.core.errors import DataError
from segue.core.extras import require
from segue.data.sources.suggest import nearest
from segue.data.sources.table import Table
from segue.data.sources.values import SAMPLE_ROWS, Role


@dataclass(frozen=True)
class Sheet(Table):
    """One sheet of a workbook; a sheet has a million rows at most, so it is held whole."""

    files: Sequence[Path]
    name: str

    @cached_property
    def whole(self) -> pl.DataFrame:
        """All rows, with the types of the cells."""
        try:
            return pl.read_excel(self.files[0], sheet_name=self.name, engine="calamine")
        except Exception as error:  # each engine has errors of its own
            raise _unreadable(self.files[0], error) from None

    @property
    def sample(self) -> pl.DataFrame:  # type: ignore[override]
        """The first rows."""
        return self.whole.head(SAMPLE_ROWS)

    def batches(self, columns: Mapping[str, Role], rows: int) -> Iterator[pl.DataFrame]:
        """The columns asked for."""
        yield from self.whole.select(list(columns)).iter_slices(rows)

    def place(self, row: int) -> str:
        """Where a row, counted from 0, stands."""
        return f"{self.files[0]}::{self.name}, row {row + 2}"


def open_sheet(file: Path, name: str | None) -> Sheet:
    """The sheet of that name, or the only one.

    Raises:
        DataError: there is no such sheet, there are several, or the file is no workbook.
        MissingExtra: the package that reads workbooks is not installed.
    """
    reader = require("fastexcel", extra="excel")
    try:
        names = list(reader.read_excel(str(file)).sheet_names)
    except Exception as error:
        raise _unreadable(file, error) from None
    if name is None and len(names) == 1:
        return Sheet([file], names[0])
    if name in names:
        return Sheet([file], str(name))
    if name is None:
        raise DataError(
            f"{file}: which sheet holds the interactions? It has: {', '.join(names)}. Name it: {file}::{names[0]}"
        )
    raise DataError(f"{file}: there is no sheet '{name}'{nearest(name, names)} It has: {', '.join(names)}.")


def _unreadable(file: Path, error: Exception) -> DataError:
    return DataError(f"{file} could not be read as a workbook: {str(error).splitlines()[0]}.")
