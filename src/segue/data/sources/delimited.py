"""Text files with one row a line: CSV, TSV, '::' and '|' between the fields, gzip or not.

The fields are cut by DuckDB's reader in its strict mode. Ours is what it cannot know beforehand: whether quotes in a
file are quotes or letters, and a plain copy of what is packed or has line ends of several kinds.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.table import Table
from segue.data.sources.text_files import (
    blocks,
    broken_gzip,
    head,
    is_packed,
    literal_path,
    not_utf8,
    open_text,
)
from segue.data.sources.values import SAMPLE_ROWS, Role

SEPARATORS = (",", "\t", "::", ";", "|", " ")
ALONE: dict[str, Any] = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
"""DuckDB with what it has, and nothing fetched from elsewhere."""
_LOOKED_AT = 4
"""So many blocks tell whether quotes are mostly around fields."""
_LONGEST_FIELD = 16 << 20


class _Plain(NamedTuple):
    """A file as it can be cut: where its text lies, and whether quotes in it are quotes."""

    path: Path
    quote: str
    parallel: bool
    short: bool = True
    """Whether lines may lack fields at their end."""


@dataclass(frozen=True)
class Delimited(Table):
    """Lines of `names`, in one file or several of one form. With `header` the first line of each is skipped."""

    files: Sequence[Path]
    names: Sequence[str]
    separator: str
    header: bool
    quoted: bool | None = None
    """Whether quotes are quotes; each file decides it without."""
    decimal: str | None = None
    """The sign before the fraction of numbers; each column decides it without."""
    _known: dict[Path, _Plain] = field(default_factory=dict, compare=False, repr=False)
    _copies: list[Any] = field(default_factory=list, compare=False, repr=False)

    @cached_property
    def sample(self) -> pl.DataFrame:  # type: ignore[override]
        """The first rows as text."""
        rows = self._cut(self.files[0], list(self.names), SAMPLE_ROWS, limit=SAMPLE_ROWS)
        return pl.concat([pl.DataFrame(schema=dict.fromkeys(self.names, pl.String)), *rows])

    def batches(self, columns: Mapping[str, Role], rows: int) -> Iterator[pl.DataFrame]:
        """The columns asked for, as text.

        Raises:
            DataError: with file and line, where a line does not fit.
        """
        for file in self.files:
            yield from self._cut(file, list(columns), rows)

    def place(self, row: int) -> str:
        """Where a data row, counted over all files from 0, stands."""
        for file in self.files:
            plain = self._plain(file)
            with open_text(plain.path) as lines:
                for line, _ in _records(lines, self.separator, plain.quote, skip=self.header):
                    if row == 0:
                        return f"{file}, line {line}"
                    row -= 1
        return f"{self.files[-1]}, data row {row + 1}"

    def _cut(self, file: Path, columns: Sequence[str], rows: int, limit: int | None = None) -> Iterator[pl.DataFrame]:
        import duckdb

        plain = self._plain(file)
        wanted = [f"c{self.names.index(name)}" for name in columns]
        try:
            relation = self._relation(plain).project(", ".join(wanted))
            if limit is not None:
                relation = relation.limit(limit)
            for batch in relation.to_arrow_reader(rows):
                frame: Any = pl.from_arrow(batch)
                yield frame.rename(dict(zip(wanted, columns, strict=True)))
        except (duckdb.Error, OSError, ValueError) as error:  # Arrow has errors of its own for the middle of a file
            raise self._fault(file, plain, error) from None

    def _relation(self, plain: _Plain) -> Any:
        import duckdb

        return duckdb.connect(config=ALONE).read_csv(
            literal_path(plain.path),
            header=self.header,
            sep=self.separator,
            quotechar=plain.quote,
            escapechar=plain.quote,
            auto_detect=False,
            columns={f"c{i}": "VARCHAR" for i in range(len(self.names))},
            strict_mode=True,
            null_padding=plain.short,
            parallel=plain.parallel,
        )

    def _plain(self, file: Path) -> _Plain:
        if file not in self._known:
            path, quotes, mixed = self._unpacked(file)
            if not quotes or self.quoted is False:
                path = self._with_one_end(path) if mixed else path
                self._known[file] = _Plain(path, "", parallel=True)
            else:
                self._known[file] = self._quoting(file, path, mixed, odd=quotes % 2 == 1)
        return self._known[file]

    def _unpacked(self, file: Path) -> tuple[Path, int, bool]:
        """The file, or an unpacked copy; how many quotes it has, and whether its line ends are of several kinds."""
        packed = is_packed(file)
        quotes = returns = both = ends = 0
        copy = self._new_copy() if packed else None
        with copy.open("wb") if copy else io.BytesIO() as out:
            for block in blocks(file):
                quotes, returns = quotes + block.count(b'"'), returns + block.count(b"\r")
                if returns:
                    both += block.count(b"\r\n")
                    ends += block.count(b"\n")
                if copy:
                    out.write(block)
        return copy or file, quotes, bool(returns) and both < returns + ends - both

    def _with_one_end(self, file: Path) -> Path:
        """A copy whose lines all end in a line feed; a lone return within a line is a blank."""
        copy = self._new_copy()
        feeds = any(b"\n" in block for block in blocks(file))
        with copy.open("wb") as out:
            for block in blocks(file):
                out.write(block.replace(b"\r\n", b"\n").replace(b"\r", b" " if feeds else b"\n"))
        return copy

    def _new_copy(self) -> Path:
        folder = tempfile.TemporaryDirectory(prefix="segue-")
        self._copies.append(folder)  # is removed together with this table
        return Path(folder.name) / "plain.txt"

    def _quoting(self, file: Path, path: Path, mixed: bool, *, odd: bool) -> _Plain:
        """Quotes as quotes where the whole file fits them, otherwise as letters, otherwise an error.

        A file may fit both: then quotes are quotes if most of them stand around a field, for a letter that happens to
        stand where a quote could would swallow lines up to the next one.
        """
        quotes, error = self._fitting(_Plain(path, '"', parallel=True))
        if error is not None and mixed:  # line ends within quotes may be of any kind, those of lines may not
            path = self._with_one_end(path)
            quotes, error = self._fitting(_Plain(path, '"', parallel=True))
        if error is None and odd and self._ends_open(path):
            # DuckDB leaves out a last record whose quote is never closed, if there are line ends in quotes before it.
            error = ValueError("a quote is never closed")
        if error is None and self.quoted:
            return quotes
        around = _are_mostly_around(path, self.separator)
        if error is None and around:
            return quotes
        letters, other = self._fitting(_Plain(path, "", parallel=True, short=False))
        if other is None and not around and (error is None or self.separator != ","):
            return letters
        if error is None:
            return quotes
        raise self._fault(file, quotes if around or self.separator == "," else letters, error)

    def _ends_open(self, path: Path) -> bool:
        try:
            with open_text(path) as lines:
                for _ in _records(lines, self.separator, '"'):
                    pass
        except _BadQuote:
            return True
        return False

    def _fitting(self, plain: _Plain) -> tuple[_Plain, Exception | None]:
        """Whether the whole file can be cut so, and how fast."""
        import duckdb

        try:
            self._relation(plain).aggregate("count(*)").fetchall()
        except duckdb.Error as error:
            if plain.parallel and "quoted new lines" in str(error):
                return self._fitting(plain._replace(parallel=False))
            return plain, error
        return plain, None

    def _fault(self, file: Path, plain: _Plain, error: Exception) -> DataError:
        """What is wrong and where: a slow second reading that stops at the first fault."""
        wanted = len(self.names)
        try:
            with open_text(plain.path) as lines:
                for line, row in _records(lines, self.separator, plain.quote, skip=self.header):
                    if len(row) > wanted and not (len(row) == wanted + 1 and not row[-1]):
                        return DataError(
                            f"{file}, line {line}: {len(row)} fields where {wanted} were expected "
                            f"({', '.join(self.names)}). Mend or remove the line, or quote the field that has "
                            f"the separator {self.separator!r} in it."
                        )
        except _BadQuote as bad:
            return DataError(
                f"{file}, line {bad.line}: a quote that opens a field is not closed rightly ({bad.text!r:.80}). "
                'Mend the line: quotes around a field stand at its very ends, and one inside is written twice ("").'
            )
        except UnicodeDecodeError:
            return not_utf8(file)
        except (EOFError, OSError, zlib.error) as wrong:
            return broken_gzip(file, wrong)
        first = str(error).split("\n")[0]
        if "line size" in str(error).lower():
            first = "a line is longer than 2 MB"
        return DataError(f"{file} could not be read: {first}.")


class _BadQuote(Exception):
    """A quote that does not fit, in the record that begins at `line`."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


def split_line(line: str, separator: str, quoted: bool = True) -> list[str]:
    """The fields of one line."""
    if len(separator) > 1 or not quoted:
        return line.split(separator)
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:  # a field of more than 128 kB
        return line.split(separator)


def head_records(file: Path, separator: str, count: int) -> list[list[str]]:
    """The first records that are not blank, cut at this separator, with quotes as quotes where they fit."""
    text = head(file)
    for quote in ('"', ""):
        try:
            records = [row for _, row in _records(io.StringIO(text, newline=""), separator, quote)]
        except _BadQuote as bad:
            if bad.line > count:  # the text is cut somewhere
                continue
            records = []
        if records:
            return records[:count]
    return []


def _records(lines: Any, separator: str, quote: str, skip: bool = False) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with the line where it begins; without the first with `skip`."""
    records = _quoted_records(lines, separator) if quote and len(separator) == 1 else _split_lines(lines, separator)
    for line, row in records:
        if row and any(row):
            if not skip:
                yield line, row
            skip = False
        elif len(row) > 1 and not skip:  # separators alone are a row of nothing
            yield line, row


def _split_lines(lines: Any, separator: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(lines, 1):
        yield number, line.rstrip("\r\n").split(separator)


def _quoted_records(lines: Any, separator: str) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(_LONGEST_FIELD)
    text = ""

    def remembered() -> Iterator[str]:
        nonlocal text
        for line in lines:
            text = text or line
            yield line

    reader = csv.reader(remembered(), delimiter=separator, strict=True, skipinitialspace=True)
    begin = 1
    while True:
        try:
            row = next(reader, None)
        except csv.Error:
            raise _BadQuote(begin, text.rstrip("\r\n")) from None
        if row is None:
            return
        yield begin, row
        begin, text = reader.line_num + 1, ""


def _are_mostly_around(file: Path, separator: str) -> bool:
    """Whether the quotes of a file are mostly pairs around whole fields."""
    mark = re.escape(separator)
    around = re.compile(rf'(?:^|{mark}) *"(?:[^"\n]|"")*"(?={mark}|\r?$)', re.MULTILINE)
    pairs = single = 0
    for block in itertools.islice(blocks(file), _LOOKED_AT):
        text = block.decode("utf-8", errors="replace").removeprefix("\ufeff")
        found = around.findall(text)
        within = sum(one.count('"') for one in found)
        pairs, single = pairs + within, single + text.count('"') - within
    return pairs > single
