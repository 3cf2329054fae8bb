"""A second reader of logs, for the tests alone: plain Python, slow, and written without a look at Segue's own.

It knows where a file's columns are (`user_id`, `item_id`, `timestamp`, all named in it) and nothing of guessing names.
What the documentation leaves open it leaves open too: an answer may allow several readings, a refusal beside them, or
anything that is no crash.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import math
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data.door.segue_reader import Histories, Refusal

csv.field_size_limit(1 << 30)

NAMES = ("user_id", "item_id", "timestamp")
MISSING = {"", "nan", "null", "none", "na", "n/a", "\\n"}
SECOND = 10**9
_EARLIEST = int(dt.datetime(1900, 1, 1, tzinfo=dt.UTC).timestamp()) * SECOND
_LATEST = int(dt.datetime(2201, 1, 1, tzinfo=dt.UTC).timestamp()) * SECOND


@dataclass(frozen=True)
class Table:
    """The columns that matter, as the file has them (text, numbers, None), and whether a refusal is right as well."""

    users: list[Any]
    items: list[Any]
    times: list[Any]
    ratings: list[Any]
    refused: bool = False


class Refused(Exception):
    """Such a file must be refused."""


class Open(Exception):
    """The documentation does not say what such a file means."""


class Nameless(Open):
    """The first line has not the names of the columns, once each."""


@dataclass(frozen=True)
class Right:
    """What may come of a file."""

    readings: tuple[Histories, ...] = ()
    refused: bool = False
    anything: bool = False

    def allows(self, found: Histories | Refusal) -> bool:
        """Whether an outcome is among them."""
        return self.anything or (self.refused if isinstance(found, Refusal) else found in self.readings)

    def or_refused(self) -> Right:
        """The same, or a refusal."""
        return replace(self, refused=True)

    def or_anything(self) -> Right:
        """Nothing is known."""
        return replace(self, anything=True)

    def or_as(self, other: Right) -> Right:
        """The same, or one of the readings of another."""
        return replace(self, readings=(*self.readings, *other.readings))


def right_of(path: Path, separator: str = ",") -> Right:
    """What may come of a file; its form is told by its name, and text is cut by `separator`."""
    try:
        tables, refused = _tables(path, separator)
    except Refused:
        return Right(refused=True)
    except Open:
        return Right(anything=True)
    readings: list[Histories] = []
    for table in tables:
        try:
            found, unsure = _histories(table)
        except Refused:
            refused = True
            continue
        except Open:
            return Right(anything=True)
        readings += found
        refused |= unsure or table.refused or not all(map(_is_rating, table.ratings))
    return Right(tuple(readings), refused)


def _tables(path: Path, separator: str) -> tuple[list[Table], bool]:
    """The possible tables in a file, and whether it may be refused for all that."""
    content = path.read_bytes()
    name = path.name
    if name.endswith(".parquet"):
        return [_parquet(path)], False
    if name.endswith(".gz"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise Refused from error
        name = name.removesuffix(".gz")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused from error
    if re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xa0\u1680\u2000-\u200f\u2028\u2029\u202f\u205f\u3000\ufeff]", text):
        raise Open  # which of these are blanks, line ends or nothing is nobody's business
    if name.endswith(".jsonl"):
        return [_json(_each_line(text))], False
    if name.endswith(".json"):
        return [_json(_array(text))], False
    return _text(text, separator)


def _text(text: str, separator: str) -> tuple[list[Table], bool]:
    if re.search(r"\r(?!\n)", text):
        raise Open
    plain = [line.split(separator) for line in text.replace("\r\n", "\n").split("\n") if line.strip()]
    if '"' not in text or separator == "::":
        return [_columns(plain)], '"' in text
    blank, cut = " " if separator == "\t" else "[ \t]", re.escape(separator)
    if re.search(rf'(^|[\n{cut}]){blank}+"|"{blank}+($|[\r\n{cut}])|\\"', text):
        raise Open  # blanks around quotes, and another way to write a quote in quotes
    literal = _if_fits(lambda: _columns(plain))
    quoted = _if_fits(lambda: _columns(_quoted(text, separator)))
    if quoted is None and literal is None:
        if set(NAMES) <= {name.strip().strip('"') for name in plain[0]}:
            raise Refused
        raise Nameless
    pure = quoted is not None and _whole_fields_only(text, separator)
    if quoted is None or literal is None:
        return [table for table in (quoted, literal) if table is not None], not pure
    # Line ends in quotes, or lines between two lone quotes? Where each line is whole without quotes, the latter.
    if len(quoted.users) != len(literal.users) and all(len(row) == len(plain[0]) for row in plain):
        return [literal], True
    return ([quoted] if pure else [quoted, literal]), not pure


def _if_fits(read: Callable[[], Table]) -> Table | None:
    try:
        return read()
    except (Refused, Nameless):
        return None


def _quoted(text: str, separator: str) -> list[list[str]]:
    try:
        return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True) if row]
    except csv.Error as error:
        raise Refused from error


def _whole_fields_only(text: str, separator: str) -> bool:
    """Whether every quote is at the ends of a field or doubled within one, as RFC 4180 wants it."""
    cut = re.escape(separator)
    field = rf'(?:"(?:[^"]|"")*"|[^"\r\n{cut}]*)'
    return re.fullmatch(rf"(?:{field}(?:{cut}|\r?\n|$))*", text) is not None


def _columns(rows: Sequence[Sequence[str]]) -> Table:
    if not rows:
        raise Refused
    header = [name.strip() for name in rows[0]]
    if any(header.count(name) != 1 for name in NAMES) or len(set(header)) < len(header):
        raise Nameless  # they are found by other rules
    if "" in header or "Unnamed: 0" in header:
        raise Open
    body = rows[1:]
    if not body or any(any(cell.strip() for cell in row[len(header) :]) for row in body):
        raise Refused
    users, items, times, ratings = (
        _cells(body, header.index(name)) if name in header else [] for name in (*NAMES, "rating")
    )
    behind = any(len(row) > len(header) for row in body)  # empty cells behind the last column
    objects = any(cell.strip()[:1] in ("{", "[") for cell in (*users, *items))
    return Table(users, items, times, ratings, behind or objects)


def _cells(rows: Sequence[Sequence[str]], place: int) -> list[str]:
    return [row[place] if place < len(row) else "" for row in rows]


def _each_line(text: str) -> list[Any]:
    return [_parsed(line) for line in text.replace("\r\n", "\n").split("\n") if line.strip()]


def _array(text: str) -> list[Any]:
    if not text.lstrip().startswith("["):
        raise Open
    found = _parsed(text)
    assert isinstance(found, list)
    return found


def _parsed(text: str) -> Any:
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(found)) < len(found):
            raise Open
        return dict(found)

    def constant(name: str) -> Any:
        raise Open

    try:
        return json.loads(text, object_pairs_hook=pairs, parse_float=Decimal, parse_constant=constant)
    except (json.JSONDecodeError, RecursionError) as error:
        try:
            json.loads(text, strict=False)
        except (ValueError, RecursionError):
            raise Refused from error
        raise Open from error
    except (ValueError, InvalidOperation) as error:  # numbers of thousands of digits
        raise Open from error


def _json(records: list[Any]) -> Table:
    if not records or not all(isinstance(record, dict) for record in records):
        raise Refused
    if any(name not in records[0] for name in NAMES):
        raise Open  # columns are found by the names of the first rows
    known = set(records[0]) | set(NAMES)
    for record in records:
        if any(name not in NAMES and _strange(value) for name, value in record.items()):
            raise Open
    users, items, times, ratings = ([record.get(name) for record in records] for name in (*NAMES, "rating"))
    others = any(not known.issuperset(record) for record in records)  # a new name may be one of the time, too
    return Table(users, items, times, ratings, others)


def _strange(value: Any) -> bool:
    """What a further column may have and what nobody has to read: lone surrogates, endless numbers."""
    if isinstance(value, str):
        return any("\ud800" <= letter <= "\udfff" for letter in value)
    return isinstance(value, Decimal) and math.isinf(float(value))


def _parquet(path: Path) -> Table:
    try:
        table = pq.ParquetFile(path).read()
        table.validate(full=True)
    except Exception as error:
        raise Refused from error
    if any(table.column_names.count(name) != 1 for name in NAMES):
        raise Open
    users, items = (_typed_ids(table.column(name)) for name in NAMES[:2])
    return Table(users, items, _typed_times(table.column(NAMES[2])), [])


def _typed_ids(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    values = column.to_pylist()
    if pa.types.is_floating(column.type):
        return [None if value is None or math.isnan(value) else Decimal(value) for value in values]
    return values


@dataclass(frozen=True)
class _Moment:
    """A time that the file itself gives a unit: nanoseconds since 1970."""

    ns: int


def _typed_times(column: pa.ChunkedArray) -> list[Any]:
    kind = column.type
    if pa.types.is_timestamp(kind):
        scale = {"s": SECOND, "ms": 10**6, "us": 1000, "ns": 1}[kind.unit]
        ticks = column.cast(pa.int64()).to_pylist()
        return [None if value is None else _Moment(value * scale) for value in ticks]
    if pa.types.is_date32(kind):
        days = column.cast(pa.int32()).to_pylist()
        return [None if value is None else _Moment(value * 86_400 * SECOND) for value in days]
    if pa.types.is_floating(kind):
        return [None if value is None or math.isnan(value) else Decimal(value) for value in column.to_pylist()]
    return column.to_pylist()


def _histories(table: Table) -> tuple[list[Histories], bool]:
    """The readings of a table, and whether it may be refused as well."""
    users, items = _ids(table.users), _ids(table.items)
    times, unsure = _times(table.times)
    lacking = sum(time is None for time in times)
    if lacking * 2 > len(times):
        raise Refused
    rows = [row for row in zip(users, items, times, strict=True) if None not in row]
    if not rows:
        raise Refused
    exact = _ordered(rows, 1)
    rough = _ordered(rows, 1000)  # numbers with fractions are promised to a microsecond
    return [exact] if exact == rough else [exact, rough], unsure


def _is_rating(value: Any) -> bool:
    """Whether it is missing or a number that everybody reads; a refusal is right elsewhere."""
    if isinstance(value, str):
        return value.strip().lower() in MISSING or re.fullmatch(r"\s*[+-]?\d{1,9}(\.\d{1,9})?\s*", value) is not None
    return value is None or (isinstance(value, int | Decimal) and not isinstance(value, bool) and abs(value) < 10**9)


def _ordered(rows: Sequence[tuple[Any, Any, Any]], step: int) -> Histories:
    found: dict[str, list[tuple[int, str]]] = {}
    for user, item, time in rows:
        found.setdefault(user, []).append((time, item))
    return {
        user: [(item, time // SECOND) for time, item in sorted(events, key=lambda event: event[0] // step)]
        for user, events in found.items()
    }


def _ids(values: Sequence[Any]) -> list[str | None]:
    """Ids as text, None where one is missing."""
    known = [value.strip() if isinstance(value, str) else value for value in values]
    known = [None if isinstance(value, str) and value.lower() in MISSING else value for value in known]
    there = [value for value in known if value is not None]
    if any(isinstance(value, dict | list) for value in there):
        raise Refused
    if any(isinstance(value, bool) for value in there):
        raise Open
    if any(isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value) for value in there):
        raise Refused
    if any(isinstance(value, str) and re.search(r"\r(?!\n)", value) for value in there):
        raise Open
    floats = [_is_float(value) for value in there]
    if there and all(floats):
        return [None if value is None else _whole(value) for value in known]
    if any(isinstance(value, Decimal) for value in there):
        raise Open
    if any(floats) and all(
        one or re.fullmatch(r"[+-]?\d+", str(value)) for one, value in zip(floats, there, strict=True)
    ):
        raise Open  # '71.0' beside '71'
    return [None if value is None else str(value) for value in known]


def _is_float(value: Any) -> bool:
    return isinstance(value, Decimal) or (isinstance(value, str) and re.fullmatch(r"[+-]?\d+\.\d*", value) is not None)


def _whole(value: Any) -> str:
    number = Decimal(value)
    text = str(value)
    if (
        number != number.to_integral_value()
        or abs(number) > 2**53
        or text.startswith(("+", "-"))
        or re.match("0[0-9]", text)
    ):
        raise Open
    if isinstance(value, str) and not re.fullmatch(r"\d+\.0", value):
        raise Open
    return str(int(number))


_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
_ISO = re.compile(
    r"(?P<y>\d{4})(?P<cut>[-/])(?P<m>\d\d)(?P=cut)(?P<d>\d\d)"
    r"(?:(?P<t>[T ])(?P<H>\d\d):(?P<M>\d\d)(?::(?P<S>\d\d)(?:\.(?P<f>\d{1,9}))?)?(?P<z>Z| UTC|[+-]\d\d:?\d\d)?)?"
)
_PLACED = re.compile(
    r"(?P<a>\d\d)(?P<cut>[./-])(?P<b>\d\d)(?P=cut)(?P<y>\d{4})"
    r"(?: (?P<H>\d\d):(?P<M>\d\d)(?::(?P<S>\d\d))?(?: (?P<half>AM|PM))?)?"
)
_NEARLY = re.compile(r"[\d./:+\-eE, ]*|.*\d.*[TZtzUuAaPp].*|[A-Za-z]{3} [A-Za-z]{3} .*", re.DOTALL)
"""What some reader of dates may take for one."""


def _times(values: Sequence[Any]) -> tuple[list[int | None], bool]:
    """Nanoseconds, None where a time is missing, and whether the column may be refused as well."""
    known = [value.strip() if isinstance(value, str) else value for value in values]
    known = [None if isinstance(value, str) and value.lower() in MISSING else value for value in known]
    there = [value for value in known if value is not None]
    if not there or any(isinstance(value, dict | list | bool) for value in there):
        raise Refused
    if all(isinstance(value, _Moment) for value in there):
        found: list[int | None] = [None if value is None else value.ns for value in known]
        unsure = False
    elif numbers := [_number(value) for value in there if _number(value) is not None]:
        if len(numbers) < len(there):
            raise Refused
        found, unsure = _epochs([None if value is None else _number(value) for value in known])
    else:
        found, unsure = _dates(known)
    if any(time is not None and not _EARLIEST <= time < _LATEST for time in found):
        raise Refused
    return found, unsure


def _number(value: Any) -> Fraction | None:
    if isinstance(value, int | Decimal):
        return Fraction(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        if len(value) > 40:
            raise Open
        return Fraction(value)
    return None


def _epochs(values: Sequence[Fraction | None]) -> tuple[list[int | None], bool]:
    def scale(value: Fraction) -> int:
        return next(
            scale
            for scale, most in ((SECOND, 10**11), (10**6, 10**14), (1000, 10**17), (1, 10**40))
            if abs(value) < most
        )

    there = [value for value in values if value is not None]
    if any(abs(value) >= 10**40 for value in there):
        raise Refused
    scales = {scale(value) for value in there}
    if len(scales) > 1:
        # What is near 1970 in one unit is small in all of them.
        large = {scale(value) for value in there if abs(value) > 10**8}
        if len(large) > 1:
            raise Refused
        raise Open
    (one,) = scales
    return [None if value is None else math.floor(value * one) for value in values], False


def _dates(values: Sequence[Any]) -> tuple[list[int | None], bool]:
    there = [value for value in values if value is not None]
    for form, read in ((_ISO, _iso), (_PLACED, _placed)):
        fits = [form.fullmatch(value) for value in there]
        if all(fits):
            shapes = {
                (
                    match["cut"],
                    *(key in match.groupdict() and match[key] is not None for key in ("t", "H", "S", "f", "half", "z")),
                )
                for match in fits
                if match
            }
            if len({match["cut"] for match in fits if match}) > 1:
                raise Open
            return read([None if value is None else form.fullmatch(value) for value in values], len(shapes) > 1)
    odd = [value for value in there if not _ISO.fullmatch(value) and not _PLACED.fullmatch(value)]
    if not odd or any(_NEARLY.fullmatch(value) for value in odd):
        raise Open
    raise Refused


def _moment(year: int, month: int, day: int, match: re.Match[str]) -> int:
    hour, minute, second = (int(match[key] or 0) for key in "HMS")
    half = match.groupdict().get("half")
    if half:
        if not 1 <= hour <= 12:
            raise Open
        hour = hour % 12 + (12 if half == "PM" else 0)
    if second == 60 or hour == 24:
        raise Open
    try:
        whole = dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    except ValueError as error:
        raise Refused from error
    return (whole - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(seconds=1) * SECOND


def _iso(matches: Sequence[re.Match[str] | None], unsure: bool) -> tuple[list[int | None], bool]:
    found: list[int | None] = []
    for match in matches:
        if match is None:
            found.append(None)
            continue
        zone, fraction = match["z"], (match["f"] or "").ljust(9, "0")
        if match["y"] == "0000":
            raise Refused
        time = _moment(int(match["y"]), int(match["m"]), int(match["d"]), match) + int(fraction)
        if zone and zone[0] in "+-":
            hours, minutes = int(zone[1:3]), int(zone[-2:])
            if hours > 14 or minutes > 59:
                raise Open
            time -= (1 if zone[0] == "+" else -1) * (hours * 3600 + minutes * 60) * SECOND
        found.append(time)
    return found, unsure


def _placed(matches: Sequence[re.Match[str] | None], unsure: bool) -> tuple[list[int | None], bool]:
    there = [match for match in matches if match is not None]
    day_first = any(int(match["a"]) > 12 for match in there)
    month_first = any(int(match["b"]) > 12 for match in there)
    if day_first and month_first:
        raise Refused
    if not day_first and not month_first:
        if there[0]["cut"] == ".":
            raise Open
        raise Refused
    day, month = ("a", "b") if day_first else ("b", "a")
    return [
        None if match is None else _moment(int(match["y"]), int(match[month]), int(match[day]), match)
        for match in matches
    ], unsure
