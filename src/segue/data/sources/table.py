"""What every kind of file is read as: rows of named columns, in batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from segue.data.sources.values import Role


class Table(ABC):
    """Rows of named columns, in one file or several of one form."""

    files: Sequence[Path]
    """In reading order."""
    sample: pl.DataFrame
    """The first rows; text files have text only."""

    @abstractmethod
    def batches(self, columns: Mapping[str, Role], rows: int) -> Iterator[pl.DataFrame]:
        """The columns asked for, in types of the table's own or as text, about so many rows at a time."""

    def place(self, row: int) -> str:
        """Where a data row, counted over all files from 0, stands: the file and the line."""
        return f"{self.files[0]}, data row {row + 1}"
