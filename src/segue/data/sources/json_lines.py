"""Files with one JSON object a line, gzip or not."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.delimited import ALONE
from segue.data.sources.table import Table
from segue.data.sources.text_files import blocks, first_lines, is_packed, literal_path, not_utf8
from segue.data.sources.values import SAMPLE_ROWS, Role

_DEEPEST = "too deeply nested"


@dataclass(frozen=True)
class JsonLines(Table):
    """Objects whose fields are columns; fields that nobody asks for are not parsed.

    Values come as text, numbers with the digits that the file has, so that no id loses any.
    """

    files: Sequence[Path]

    @cached_property
    def sample(self) -> pl.DataFrame:  # type: ignore[override]
        """The first rows, with the types that their values share."""
        lines = [(n, line) for n, line in enumerate(first_lines(self.files[0], SAMPLE_ROWS), 1) if line.strip()]
        records = [parse_line(line, self.files[0], number) for number, line in lines]
        return table_of(records)

    def batches(self, columns: Mapping[str, Role], rows: int) -> Iterator[pl.DataFrame]:
        """The columns asked for, as text; objects and lists stay what they are in JSON.

        Raises:
            DataError: with file and line, where a line does not fit.
        """
        for file in self.files:
            yield from read_json(file, list(columns), rows, "newline_delimited")

    def place(self, row: int) -> str:
        """Where a data row, counted over all files from 0, stands."""
        for file in self.files:
            number = 1
            for block in text_blocks(file):
                for line in block[:-1].split(b"\n"):
                    if line.strip():
                        if row == 0:
                            return f"{file}, line {number}"
                        row -= 1
                    number += 1
        return f"{self.files[-1]}, data row {row + 1}"


def read_json(file: Path, names: Sequence[str], rows: int, form: str) -> Iterator[pl.DataFrame]:
    """Some fields of the objects in a JSON file, as text, in batches.

    Args:
        form: 'newline_delimited', or 'array'.

    Raises:
        DataError: with file and line, where an object does not fit.
    """
    import duckdb

    columns = ", ".join(f"{_quoted(name)}: 'VARCHAR'" for name in names)
    packed = ", compression='gzip'" if is_packed(file) else ""
    query = (
        f"select * from read_json(?, format='{form}', columns={{{columns}}}, maximum_object_size={64 << 20}{packed})"
    )
    try:
        for batch in duckdb.connect(config=ALONE).sql(query, params=[literal_path(file)]).to_arrow_reader(rows):
            frame: Any = pl.from_arrow(batch)
            yield frame
    except (duckdb.Error, OSError, ValueError) as error:
        raise _fault(file, error, lines=form != "array") from None


def table_of(records: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """A sample of objects as columns: whole numbers of any width as text, what is nested as JSON."""
    names = dict.fromkeys(name for record in records for name in record)
    return pl.DataFrame([_column(name, [record.get(name) for record in records]) for name in names])


def text_blocks(file: Path) -> Iterator[bytes]:
    """The file in pieces that end where a line ends.

    Raises:
        DataError: the gzip is cut short.
    """
    rest = b""
    for piece in blocks(file):
        cut = piece.rfind(b"\n") + 1
        if cut:
            yield rest + piece[:cut]
            rest = piece[cut:]
        else:
            rest += piece
    if rest.strip():
        yield rest + b"\n"


def parse_line(line: str, file: Path, number: int) -> dict[str, Any]:
    """One object; a Python literal, as in the Amazon files of 2014, is read as well (never executed).

    Raises:
        DataError: the line is neither.
    """
    try:
        record = json.loads(line)
    except RecursionError:
        raise DataError(f"{file}, line {number}: the object is {_DEEPEST}: {line[:60]!r}.") from None
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
    if re.search(r"\\u[dD][89a-fA-F]", line) and any(_is_broken(value) for value in record.values()):
        raise DataError(f"{file}, line {number}: half a letter (a lone surrogate) in {line[:60]!r}.")
    return record


def _column(name: str, values: Sequence[Any]) -> pl.Series:
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, bool) for value in known):
        return pl.Series(name, values, dtype=pl.Boolean)
    if known and all(isinstance(value, int) and not isinstance(value, bool) for value in known):
        if all(-(2**63) <= value < 2**63 for value in known):
            return pl.Series(name, values, dtype=pl.Int64)
    elif known and all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
        return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)
    elif known and all(isinstance(value, dict | list) for value in known):
        return pl.Series(
            name, [None if value is None else [json.dumps(value)] for value in values], dtype=pl.List(pl.String)
        )
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return pl.Series(name, texts, dtype=pl.String)


def _fault(file: Path, error: Exception, *, lines: bool) -> DataError:
    """What is wrong and where: a slow second reading that stops at the first fault."""
    text = str(error).split("\n")[0].replace("Invalid Input Error: ", "")
    if "UTF-8" in text:
        return not_utf8(file)
    number = 1
    for block in text_blocks(file) if lines else ():
        for raw in block[:-1].split(b"\n"):
            if raw.strip():
                found = _wrong_line(raw, file, number)
                if found is not None:
                    return found
            number += 1
    what = text.rsplit(": ", 1)[-1].rstrip(". ")
    return DataError(f"{file}: expected JSON objects ({what}).")


def _wrong_line(raw: bytes, file: Path, number: int) -> DataError | None:
    line = raw.decode("utf-8-sig", errors="replace").strip()
    names: list[str] = []
    try:
        json.loads(line, object_pairs_hook=lambda pairs: names.__setitem__(slice(None), [name for name, _ in pairs]))
        record = parse_line(line, file, number)
    except DataError as error:
        return error
    except (ValueError, RecursionError):
        return DataError(f"{file}, line {number}: expected a JSON object, found {line[:60]!r}.")
    if len(names) > len(record):
        return DataError(f"{file}, line {number}: a field occurs twice in {line[:60]!r}.")
    return None


def _is_broken(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
