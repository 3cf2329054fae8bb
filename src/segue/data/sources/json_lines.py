"""Files with one JSON object a line, gzip or not."""

from __future__ import annotations

import ast
import gzip
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.delimited import broken_gzip, first_lines
from segue.data.sources.values import SAMPLE_ROWS, Role

_BLOCK = 16 << 20
"""Bytes of text parsed at a time: small against any memory, large against the cost of a call."""


@dataclass(frozen=True)
class JsonLines:
    """Objects whose fields are columns; fields that nobody asks for are not parsed."""

    files: Sequence[Path]

    @cached_property
    def sample(self) -> pl.DataFrame:
        """The first rows."""
        lines = [line for line in first_lines(self.files[0], SAMPLE_ROWS) if line.strip()]
        records = [parse_line(line, self.files[0], number) for number, line in enumerate(lines, 1)]
        return pl.DataFrame(records, infer_schema_length=None, strict=False)

    def batches(self, columns: Mapping[str, Role], rows: int) -> Iterator[pl.DataFrame]:
        """The columns asked for.

        Raises:
            DataError: with file and line, where a line does not fit.
        """
        schema = {name: self._type(name, role) for name, role in columns.items()}
        numbers: dict[Role, Any] = {"integer": pl.Int64, "number": pl.Float64}
        casts = [
            pl.col(name).cast(numbers[role])
            for name, role in columns.items()
            if role in numbers and schema[name] == pl.String
        ]
        for file in self.files:
            first = 1
            for block in text_blocks(file):
                try:
                    frame = pl.read_ndjson(io.BytesIO(block), schema=schema).with_columns(casts)
                except pl.exceptions.PolarsError as error:
                    raise _fault(file, first, block, columns, error) from None
                first += block.count(b"\n")
                yield from frame.iter_slices(rows)

    def _type(self, name: str, role: Role) -> Any:
        if role in ("integer", "number") and self.sample.schema[name] == pl.String:
            return pl.String
        if role == "id":
            return pl.Int64 if self.sample.schema[name].is_integer() else pl.String
        if role == "number":
            return pl.Boolean if self.sample.schema[name] == pl.Boolean else pl.Float64
        return pl.Int64 if role == "integer" else pl.String


def text_blocks(file: Path) -> Iterator[bytes]:
    """The file in pieces that end where a line ends.

    Raises:
        DataError: the gzip is cut short.
    """
    rest = b""
    try:
        with gzip.open(file, "rb") if file.suffix == ".gz" else open(file, "rb") as raw:
            while piece := raw.read(_BLOCK):
                cut = piece.rfind(b"\n") + 1
                if cut:
                    yield rest + piece[:cut]
                    rest = piece[cut:]
                else:
                    rest += piece
    except (EOFError, gzip.BadGzipFile) as error:
        raise broken_gzip(file, error) from None
    if rest.strip():
        yield rest + b"\n"


def parse_line(line: str, file: Path, number: int) -> dict[str, Any]:
    """One object; a Python literal, as in the Amazon files of 2014, is read as well (never executed).

    Raises:
        DataError: the line is neither.
    """
    try:
        record = json.loads(line)
    except ValueError:
        try:
            record = ast.literal_eval(line)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise DataError(
                f"{file}, line {number}: expected a JSON object, found {line[:60]!r}. "
                'One object a line, such as {"user": 1, "item": 2}.'
            ) from None
    if not isinstance(record, dict):
        raise DataError(f"{file}, line {number}: expected a JSON object, found {line[:60]!r}.")
    return record


def _fault(file: Path, first: int, block: bytes, columns: Mapping[str, Role], error: Exception) -> DataError:
    for number, raw in enumerate(block.split(b"\n"), first):
        if not raw.strip():
            continue
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError as wrong:
            return DataError(f"{file}, line {number}: byte {raw[wrong.start]:#04x} is not UTF-8 text.")
        try:
            record = json.loads(line)
        except ValueError:
            return DataError(f"{file}, line {number}: expected a JSON object, found {line[:60]!r}.")
        for name, role in columns.items():
            value = record.get(name) if isinstance(record, dict) else None
            if role in ("integer", "number") and not _fits(value, role):
                what = "a whole number" if role == "integer" else "a number"
                return DataError(f"{file}, line {number}, field '{name}': expected {what}, found {value!r:.60}.")
    return DataError(f"{file}, from line {first} on: {error}")


def _fits(value: Any, role: Role) -> bool:
    if value is None or isinstance(value, int | float):
        return True
    try:
        int(value) if role == "integer" else float(value)
    except (ValueError, TypeError):
        return False
    return True
