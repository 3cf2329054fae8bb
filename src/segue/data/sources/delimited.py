"""Text files with one row a line: CSV, TSV, '::' and '|' between the fields, gzip or not."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.values import SAMPLE_ROWS, Role

SEPARATORS = (",", "\t", "::", ";", "|", " ")
_TYPES: dict[Role, Any] = {"id": pl.String, "integer": pl.Int64, "number": pl.Float64, "text": pl.String}


@dataclass(frozen=True)
class Delimited:
    """Lines of `names`, in one file or several of one form. With `header` the first line of each is skipped."""

    files: Sequence[Path]
    names: Sequence[str]
    separator: str
    header: bool
    quoted: bool = True

    @cached_property
    def sample(self) -> pl.DataFrame:
        """The first rows as text."""
        lines = first_lines(self.files[0], SAMPLE_ROWS + 1)
        rows = [split_line(line, self.separator, self.quoted) for line in lines[1 if self.header else 0 :]]
        width = len(self.names)
        rows = [row for row in rows if row]
        return pl.DataFrame(
            [[row[i] or None if i < len(row) else None for row in rows] for i in range(width)],
            schema=dict.fromkeys(self.names, pl.String),
        )

    def batches(self, columns: Mapping[str, Role], rows: int) -> Iterator[pl.DataFrame]:
        """The columns asked for.

        Raises:
            DataError: with file and line, where a line does not fit.
        """
        for file in self.files:
            try:
                yield from self._scan(file, columns).collect_batches(
                    chunk_size=rows, maintain_order=True, engine="streaming"
                )
            except (pl.exceptions.PolarsError, OSError) as error:
                raise self._fault(file, columns, error) from None

    def _scan(self, file: Path, columns: Mapping[str, Role]) -> pl.LazyFrame:
        names = list(self.names)
        if len(self.separator) > 1:
            # Polars wants one byte between fields; with ':' the fields of '1::2::3' are every second one.
            names = [part for i, name in enumerate(names) for part in ((f"\0{i}", name) if i else (name,))]
        schema = {name: _TYPES[columns[name]] if name in columns else pl.String for name in names}
        return pl.scan_csv(
            file,
            has_header=False,  # the names are known, and '::' cannot cut the line that has them
            skip_lines=1 if self.header else 0,
            separator=self.separator[0],
            schema=schema,
            quote_char='"' if self.quoted else None,
            glob=False,
        ).select(list(columns))

    def _fault(self, file: Path, columns: Mapping[str, Role], error: Exception) -> DataError:
        """What is wrong and where: a slow second reading that stops at the first fault."""
        expected = {self.names.index(name): (name, role) for name, role in columns.items() if role != "text"}
        line = 0
        try:
            with open_text(file) as lines:
                for line, row in _rows(lines, self.separator, self.quoted):
                    if self.header and line == 1:
                        continue
                    if len(row) > len(self.names):
                        return DataError(
                            f"{file}, line {line}: {len(row)} fields where {len(self.names)} were expected "
                            f"({', '.join(self.names)}). Mend or remove the line, or quote the field that has "
                            f"the separator {self.separator!r} in it."
                        )
                    for position, (name, role) in expected.items():
                        value = row[position].strip() if position < len(row) else ""
                        if value and not _fits(value, role):
                            what = "a whole number" if role == "integer" else "a number"
                            return DataError(
                                f"{file}, line {line}, column '{name}': expected {what}, found {value!r}. "
                                f"Mend the line, or name another column."
                            )
        except UnicodeDecodeError:
            return not_utf8(file)
        except (EOFError, gzip.BadGzipFile, OSError) as wrong:
            return broken_gzip(file, wrong)
        return DataError(f"{file} could not be read: {error}")


def split_line(line: str, separator: str, quoted: bool = True) -> list[str]:
    """The fields of one line."""
    if len(separator) > 1 or not quoted:
        return line.split(separator)
    return next(csv.reader([line], delimiter=separator), [])


def open_text(file: Path, encoding: str = "utf-8") -> io.TextIOWrapper:
    """The file as text, unpacked when its name ends in .gz."""
    raw: Any = gzip.GzipFile(file) if file.suffix == ".gz" else file.open("rb")  # the wrapper closes it
    return io.TextIOWrapper(raw, encoding=encoding, newline="")


def first_lines(file: Path, count: int) -> list[str]:
    """The first lines without their ends.

    Raises:
        DataError: the file is empty, not text, or its gzip is broken.
    """
    lines: list[str] = []
    try:
        with open_text(file, "utf-8-sig") as text:
            for line in text:
                lines.append(line.rstrip("\r\n"))
                if len(lines) == count:
                    break
    except UnicodeDecodeError:
        raise not_utf8(file) from None
    except (EOFError, OSError) as wrong:
        if file.suffix != ".gz":
            raise DataError(f"{file} could not be read: {wrong}") from None
        raise broken_gzip(file, wrong) from None
    if not any(line.strip() for line in lines):
        raise DataError(f"{file} is empty; a log has at least one row.")
    return lines


def not_utf8(file: Path) -> DataError:
    """The error for a file that is not UTF-8, with the line where it first is not."""
    with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as wrong:
                return DataError(
                    f"{file}, line {number}: byte {line[wrong.start]:#04x} is not UTF-8 text. Convert the file first, "
                    f"for example: iconv -f latin1 -t utf8 {file.name} > converted.csv"
                )
    return DataError(f"{file} ends within a letter of UTF-8; is it whole?")


def broken_gzip(file: Path, error: Exception) -> DataError:
    """The error for a gzip file that stops early or is none."""
    return DataError(
        f"{file}: the gzip data is broken or cut short ({error or type(error).__name__}). Copy or download it again; "
        f"`gzip -t {file.name}` tests it."
    )


def _rows(lines: io.TextIOWrapper, separator: str, quoted: bool) -> Iterator[tuple[int, list[str]]]:
    if len(separator) > 1 or not quoted:
        for number, line in enumerate(lines, 1):
            yield number, line.rstrip("\r\n").split(separator)
        return
    reader = csv.reader(lines, delimiter=separator)
    for row in reader:
        yield reader.line_num, row


def _fits(value: str, role: Role) -> bool:
    if role == "id":
        return True
    try:
        int(value) if role == "integer" else float(value)
    except ValueError:
        return False
    return True
