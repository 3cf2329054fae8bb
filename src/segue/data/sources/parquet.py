"""Parquet and Feather files, one or several of one form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.table import Table
from segue.data.sources.values import SAMPLE_ROWS, Role

_FAULTS = (pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException)
"""What reading a damaged file may raise; polars' reader of Parquet panics on some."""


@dataclass(frozen=True)
class Parquet(Table):
    """Columns with types of their own."""

    files: Sequence[Path]

    @cached_property
    def sample(self) -> pl.DataFrame:  # type: ignore[override]
        """The first rows."""
        try:
            return self.scan(self.files[0]).head(SAMPLE_ROWS).collect()
        except _FAULTS as error:
            raise _unreadable(self.files[0], error) from None

    def batches(self, columns: Mapping[str, Role], rows: int) -> Iterator[pl.DataFrame]:
        """The columns asked for, in their own types."""
        for file in self.files:
            try:
                frame = self.scan(file).select(list(columns))
                yield from frame.collect_batches(chunk_size=rows, maintain_order=True, engine="streaming")
            except _FAULTS as error:
                raise _unreadable(file, error) from None

    def place(self, row: int) -> str:
        """Where a data row, counted over all files from 0, stands."""
        for file in self.files:
            height = int(self.scan(file).select(pl.len()).collect().item())
            if row < height:
                return f"{file}, data row {row + 1}"
            row -= height
        return f"{self.files[-1]}, data row {row + 1}"

    @staticmethod
    def scan(file: Path) -> pl.LazyFrame:
        """The rows of one file."""
        return pl.scan_parquet(file, glob=False, hive_partitioning=False)


class Feather(Parquet):
    """Files of Arrow's own form: .feather, .arrow, .ipc."""

    @staticmethod
    def scan(file: Path) -> pl.LazyFrame:
        """The rows of one file."""
        return pl.scan_ipc(file, glob=False)


def read_parquet(file: Path) -> pl.DataFrame:
    """A whole small table.

    Raises:
        DataError: the file is not a readable Parquet file.
    """
    try:
        return pl.read_parquet(file, glob=False)
    except _FAULTS as error:
        raise _unreadable(file, error) from None


def _form(file: Path) -> str:
    return "Parquet" if file.suffix.lower() in (".parquet", ".pq") else "an Arrow file"


def _unreadable(file: Path, error: BaseException) -> DataError:
    first = (str(error).splitlines() or [""])[0]
    return DataError(f"{file} could not be read as {_form(file)}: {first}. Is the file whole?")
