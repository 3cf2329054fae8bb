"""Random files of logs, and random damage to them; the same generator of random numbers gives the same file."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

T = 1_700_000_000


@dataclass(frozen=True)
class Sample:
    """A file: its name, which tells the form, its contents, and what text is cut by.

    `whole` is what a damaged file was before.
    """

    name: str
    content: bytes
    separator: str = ","
    whole: bytes | None = None

    @property
    def packed(self) -> bool:
        """Whether its bytes are not those of a text."""
        return self.name.endswith((".parquet", ".gz"))


FORMS = ("csv", "tsv", "semicolons", "bars", "colons", "csv.gz", "jsonl", "jsonl.gz", "array", "parquet")


def sample(rng: Random, form: str | None = None) -> Sample:
    """A file without a fault, in one of the forms."""
    form = form or rng.choice(FORMS)
    rows = rng.choice((1, 3, 12, 25, 40, 60))
    if form == "parquet":
        return Sample("log.parquet", _parquet(rng, rows))
    if form in ("jsonl", "jsonl.gz", "array"):
        text = _json(rng, rows, array=form == "array")
        content = (b"\xef\xbb\xbf" if form == "jsonl" and rng.random() < 0.1 else b"") + text.encode()
        if form == "jsonl.gz":
            return Sample("log.jsonl.gz", gzip.compress(content, mtime=0))
        return Sample("log.json" if form == "array" else "log.jsonl", content)
    separator = {"tsv": "\t", "semicolons": ";", "bars": "|", "colons": "::"}.get(form, ",")
    content = (b"\xef\xbb\xbf" if rng.random() < 0.1 else b"") + _text(rng, rows, separator).encode()
    if form == "csv.gz":
        return Sample("log.csv.gz", gzip.compress(content, mtime=0), separator)
    return Sample("log.tsv" if form == "tsv" else "log.csv", content, separator)


_ID_STYLES: dict[str, Callable[[Random], str]] = {
    "words": lambda rng: rng.choice("abcdefgh") + str(rng.randrange(5)),
    "digits": lambda rng: str(rng.randrange(12)),
    "zeros": lambda rng: rng.choice(("7", "07", "007", "70", "+7", "-7")),
    "wide": lambda rng: str(2**53 + rng.randrange(4)),
    "snowflakes": lambda rng: str(1_234_567_890_123_456_000 + rng.randrange(4)),
    "beyond": lambda rng: str(2**63 - 2 + rng.randrange(4)),
    "huge": lambda rng: str(2**70 + rng.randrange(4)),
    "floats": lambda rng: f"{rng.randrange(12)}.0",
    "letters of the world": lambda rng: rng.choice(("é", "ß", "日本", "🙂", "Ω", "ё")) + str(rng.randrange(3)),
    "inner blanks": lambda rng: rng.choice(("red shoe", "blue shoe", "shoe")),
    "signs": lambda rng: rng.choice(
        ("a-b", "a_b", "a.b", "a:b", "a/b", "#1", "(x)", "100%", "=1+1", "'", "{a}", "[b]")
    ),
}
_MISSING = ("", "", "  ", "NaN", "nan", "NULL", "null", "None", "NA", "N/A", "\\N")


def _id(rng: Random, style: str, missing: float) -> str:
    if rng.random() < missing:
        return rng.choice(_MISSING)
    return _ID_STYLES[style](rng)


def _when(rng: Random) -> dt.datetime:
    """A moment of a few days, so that equal ones occur; the days decide what is day and what is month."""
    moment = dt.datetime(2023, 11, rng.randrange(13, 17), rng.randrange(24), rng.randrange(60), rng.randrange(60))
    return moment.replace(microsecond=rng.choice((0, 1, 250_000, 999_999)))


def _seconds(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1970, 1, 1)) // dt.timedelta(seconds=1)


def _micros(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)


_TIME_STYLES: dict[str, Callable[[Random, dt.datetime], str]] = {
    "s": lambda rng, t: str(_seconds(t)),
    "ms": lambda rng, t: str(_micros(t) // 1000),
    "us": lambda rng, t: str(_micros(t)),
    "ns": lambda rng, t: str(_micros(t) * 1000 + rng.randrange(3)),
    "float s": lambda rng, t: f"{_seconds(t)}.{t.microsecond:06d}",
    "pandas s": lambda rng, t: f"{_seconds(t)}.0",
    "iso": lambda rng, t: t.strftime("%Y-%m-%dT%H:%M:%S"),
    "iso blank": lambda rng, t: t.strftime("%Y-%m-%d %H:%M:%S"),
    "iso us": lambda rng, t: t.strftime("%Y-%m-%d %H:%M:%S.%f"),
    "iso ns": lambda rng, t: t.strftime("%Y-%m-%dT%H:%M:%S.%f") + f"{rng.randrange(3):03d}",
    "iso Z": lambda rng, t: t.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "iso ms Z": lambda rng, t: t.strftime("%Y-%m-%dT%H:%M:%S.") + f"{t.microsecond // 1000:03d}Z",
    "offsets": lambda rng, t: t.strftime("%Y-%m-%dT%H:%M:%S") + rng.choice(("+00:00", "+02:00", "-05:30")),
    "UTC": lambda rng, t: t.strftime("%Y-%m-%d %H:%M:%S UTC"),
    "day": lambda rng, t: t.strftime("%Y-%m-%d"),
    "slashes": lambda rng, t: t.strftime("%Y/%m/%d %H:%M:%S"),
    "German": lambda rng, t: t.strftime("%d.%m.%Y %H:%M"),
    "British": lambda rng, t: t.strftime("%d/%m/%Y %H:%M:%S"),
    "British day": lambda rng, t: t.strftime("%d/%m/%Y"),
    "American": lambda rng, t: t.strftime("%m/%d/%Y %I:%M %p"),
}


def _time(rng: Random, style: str, missing: float) -> str:
    if rng.random() < missing:
        return rng.choice(_MISSING)
    return _TIME_STYLES[style](rng, _when(rng))


def _text(rng: Random, rows: int, separator: str) -> str:
    user, item = rng.choice(list(_ID_STYLES)), rng.choice(list(_ID_STYLES))
    time = rng.choice(list(_TIME_STYLES))
    missing = rng.choice((0.0, 0.0, 0.1))
    blanks = rng.random() < 0.2
    plain = separator == "::"
    titles = rng.random() < 0.6
    names = [
        "user_id",
        "item_id",
        "timestamp",
        *(["rating"] if rng.random() < 0.4 else []),
        *(["title"] if titles else []),
    ]
    rng.shuffle(names)
    first_quote = rng.choice((0, 0, rows // 2, rows - 1))
    body = []
    for row in range(rows):
        pad = rng.choice(("", " ", "  ")) if blanks else ""
        title = rng.choice(("plain", "a title", "42", ""))
        if not plain and row >= first_quote and rng.random() < 0.4:
            title = rng.choice(
                (f"left{separator} right", 'say "hi"', "two\nlines", '"', f"{separator}{separator}", "a\n\nb")
            )
        values = {
            "user_id": pad + _id(rng, user, missing),
            "item_id": _id(rng, item, missing) + pad,
            "timestamp": _time(rng, time, missing),
            "rating": rng.choice(("1", "2.5", "5.0")),
            "title": title,
        }
        body.append([values[name] for name in names])
    end = rng.choice(("\n", "\n", "\r\n"))
    if plain:
        return end.join(separator.join(row) for row in [names, *body]) + rng.choice(("", end))
    sink = io.StringIO()
    quoting = rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    writer = csv.writer(sink, delimiter=separator, lineterminator=end, quoting=quoting)
    for row in [names, *body]:
        writer.writerow(row)
        if rng.random() < 0.03:
            sink.write(end)
    return sink.getvalue() if rng.random() < 0.8 else sink.getvalue().removesuffix(end)


def _json(rng: Random, rows: int, *, array: bool) -> str:
    user, item, time = rng.choice(list(_ID_STYLES)), rng.choice(list(_ID_STYLES)), rng.choice(list(_TIME_STYLES))
    missing = rng.choice((0.0, 0.0, 0.1))
    numbers = rng.random() < 0.7
    further = rng.random() < 0.5
    records = []
    for _ in range(rows):
        record: dict[str, Any] = {
            "user_id": _json_id(_id(rng, user, missing), numbers and user != "zeros"),
            "item_id": _json_id(_id(rng, item, missing), numbers and item != "zeros"),
            "timestamp": _json_time(_time(rng, time, missing), numbers),
        }
        if further:
            record["rating"] = rng.choice((1, 2.5, 5.0, None))
            record["title"] = rng.choice(("plain", 'a "title"', "two\nlines", "é🙂", None))
            record["tags"] = rng.choice(([], ["a", "b"], None))
        records.append(record)
    ascii_only = rng.random() < 0.5
    if array:
        return json.dumps(records, ensure_ascii=ascii_only, indent=rng.choice((None, 2)))
    end = rng.choice(("\n", "\n", "\r\n"))
    return end.join(json.dumps(record, ensure_ascii=ascii_only) for record in records) + rng.choice(("", end))


def _json_id(text: str, numbers: bool) -> str | int | float | None:
    if text in ("", "null"):
        return None
    if numbers and text.isascii() and text.isdigit():
        return int(text)
    if numbers and text.replace(".", "", 1).isdigit() and "." in text:
        return float(text)
    return text


def _json_time(text: str, numbers: bool) -> str | int | float | None:
    if text == "":
        return None
    if numbers and text.replace(".", "", 1).isdigit():
        return float(text) if "." in text else int(text)
    return text


def _parquet(rng: Random, rows: int) -> bytes:
    missing = rng.choice((0.0, 0.0, 0.1))
    table = pa.table(
        {
            "user_id": _parquet_ids(rng, rows, missing),
            "item_id": _parquet_ids(rng, rows, missing),
            "timestamp": _parquet_times(rng, rows, missing),
            "rating": pa.array([rng.choice((1.0, 2.5, None)) for _ in range(rows)], pa.float64()),
        }
    )
    sink = io.BytesIO()
    compression = rng.choice(("snappy", "none", "zstd"))
    pq.write_table(table, sink, compression=compression, row_group_size=rng.choice((7, 1000)))
    return sink.getvalue()


def _parquet_ids(rng: Random, rows: int, missing: float) -> pa.Array:
    dtype = rng.choice(
        (pa.string(), pa.string(), pa.large_string(), pa.int64(), pa.int32(), pa.uint64(), pa.float64(), "words")
    )
    if dtype in (pa.string(), pa.large_string(), "words"):
        style = rng.choice(list(_ID_STYLES))
        values = [
            rng.choice(("  ", "", None)) if rng.random() < missing else _ID_STYLES[style](rng) for _ in range(rows)
        ]
        return pa.array(values).dictionary_encode() if dtype == "words" else pa.array(values, dtype)
    low = {pa.uint64(): 2**63 - 2, pa.int64(): 2**53 - 2}.get(dtype, 5)
    numbers = [None if rng.random() < missing else low + rng.randrange(6) for _ in range(rows)]
    if dtype == pa.float64():
        return pa.array([float("nan") if n is None and rng.random() < 0.5 else n for n in numbers], dtype)
    return pa.array(numbers, dtype)


def _parquet_times(rng: Random, rows: int, missing: float) -> pa.Array:
    moments = [None if rng.random() < missing else _when(rng) for _ in range(rows)]
    unit = rng.choice(("s", "ms", "us", "ns"))
    scale = {"s": 10**6, "ms": 1000, "us": 1, "ns": 1}[unit]
    ticks = [None if t is None else _micros(t) // scale * (1000 if unit == "ns" else 1) for t in moments]
    kind = rng.choice(("timestamp", "zone", "whole", "unsigned", "float", "date", "text"))
    if kind == "date":
        return pa.array([None if t is None else t.date() for t in moments], pa.date32())
    if kind == "text":
        return pa.array([None if t is None else t.strftime("%Y-%m-%dT%H:%M:%S.%fZ") for t in moments], pa.string())
    if kind == "float":
        return pa.array([None if t is None else _micros(t) / 1e6 for t in moments], pa.float64())
    if kind == "unsigned":
        return pa.array(ticks, pa.uint64())
    array = pa.array(ticks, pa.int64())
    if kind == "whole":
        return array
    return array.cast(pa.timestamp(unit, "Europe/Berlin" if kind == "zone" else None))


_BYTES = (*b'",;\t|:\n\r\\{}[]0123456789.-+ eTZuN/', 0, 255, 0xC3, 0xE2)


def spoilt(rng: Random, whole: Sample) -> Sample:
    """The same file with a few bytes or lines changed."""
    content = whole.content
    inside = whole.name.endswith(".gz") and rng.random() < 0.5
    if inside:
        content = gzip.decompress(content)
    text = inside or not whole.name.endswith((".gz", ".parquet"))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        content = rng.choice(_TEXT_DAMAGE if text else _BYTE_DAMAGE)(rng, content, whole.separator)
    content = gzip.compress(content, mtime=0) if inside else content
    return Sample(whole.name, content, whole.separator, None if inside else whole.content)


def _place(rng: Random, content: bytes, *, anywhere: bool = False) -> int:
    """Somewhere in the file, most often behind its first line."""
    first = 0 if anywhere or rng.random() < 0.1 else content.find(b"\n") + 1
    return rng.randrange(first, len(content)) if first < len(content) else 0


def _flip(rng: Random, content: bytes, separator: str) -> bytes:
    if not content:
        return content
    place = _place(rng, content)
    return content[:place] + bytes([content[place] ^ (1 << rng.randrange(8))]) + content[place + 1 :]


def _set(rng: Random, content: bytes, separator: str) -> bytes:
    place = _place(rng, content)
    return content[:place] + bytes([rng.choice(_BYTES)]) + content[place + 1 :]


def _insert(rng: Random, content: bytes, separator: str) -> bytes:
    place = _place(rng, content)
    what = rng.choice((b'"', b'"', separator.encode(), separator.encode(), bytes([rng.choice(_BYTES)]), b'""', b"\n"))
    return content[:place] + what + content[place:]


def _cut_out(rng: Random, content: bytes, separator: str) -> bytes:
    place = _place(rng, content)
    return content[:place] + content[place + rng.choice((1, 1, 2, 5, 40)) :]


def _cut_end(rng: Random, content: bytes, separator: str) -> bytes:
    return content[: _place(rng, content)]


def _lines(change: Callable[[Random, list[bytes], int, str], None]) -> Callable[[Random, bytes, str], bytes]:
    def damage(rng: Random, content: bytes, separator: str) -> bytes:
        lines = content.split(b"\n")
        change(rng, lines, rng.randrange(1, len(lines)) if len(lines) > 1 else 0, separator)
        return b"\n".join(lines)

    return damage


def _double(rng: Random, lines: list[bytes], place: int, separator: str) -> None:
    lines.insert(place, lines[place])


def _swap(rng: Random, lines: list[bytes], place: int, separator: str) -> None:
    other = rng.randrange(min(1, len(lines) - 1), len(lines))
    lines[place], lines[other] = lines[other], lines[place]


def _field_more(rng: Random, lines: list[bytes], place: int, separator: str) -> None:
    lines[place] = rng.choice(
        (
            b"more" + separator.encode() + lines[place],
            lines[place].rstrip(b"\r") + separator.encode() + rng.choice((b"", b"more")),
        )
    )


def _field_less(rng: Random, lines: list[bytes], place: int, separator: str) -> None:
    lines[place] = lines[place].rpartition(separator.encode())[0]


def _value(rng: Random, lines: list[bytes], place: int, separator: str) -> None:
    """One field of a line becomes something else."""
    fields = lines[place].split(separator.encode())
    words = (
        b"",
        b"yesterday",
        b"1700000000000",
        b"1700000000",
        b"99999999999999999999",
        b"-1",
        b"NaN",
        b'"x',
        b"{}",
        b"1e400",
    )
    fields[rng.randrange(len(fields))] = rng.choice(words)
    lines[place] = separator.encode().join(fields)


_BYTE_DAMAGE = (_flip, _flip, _set, _insert, _cut_out, _cut_end)
_TEXT_DAMAGE = (
    *_BYTE_DAMAGE,
    _insert,
    _set,
    *map(_lines, (_double, _swap, _field_more, _field_less, _value, _value, _value)),
)
