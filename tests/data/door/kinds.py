"""Kinds of values and faults that every door must treat alike, with the right outcome by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from data.door.doors import DOORS, Door, Row
from data.door.segue_reader import Histories

T = 1_700_000_000
GOOD: tuple[Row, ...] = (
    ("U0001", "B000000001", T),
    ("U0001", "B000000002", T + 10),
    ("U0002", "B000000001", T + 5),
    ("U0002", "B000000003", T + 20),
)
READ: Histories = {
    "U0001": [("B000000001", T), ("B000000002", T + 10)],
    "U0002": [("B000000001", T + 5), ("B000000003", T + 20)],
}
"""What `GOOD` is."""


@dataclass(frozen=True)
class Kind:
    """What is in the file, and what must come of it.

    `right` is None where the file must be refused; the error then has all of `said` in it. `lacking` are the places
    (from 0) of the rows that are dropped and counted.
    """

    name: str
    says: str
    rows: Callable[[Door], Sequence[Row]]
    right: Histories | None
    said: Callable[[Door], Sequence[str]] = lambda door: ()
    lacking: tuple[int, ...] = ()
    change: Callable[[Door], Callable[[str], str | bytes]] | None = None
    fits: Callable[[Door], bool] = lambda door: True
    or_refused: Callable[[Door], bool] = lambda door: False
    """Whether an error with all of `said` is as good as `right`."""


def _is_text(door: Door) -> bool:
    return door.form == "text"


def _has_text_times(door: Door) -> bool:
    return door.form != "parquet"


MISSING = ("", "  ", "NaN", "nan", "NULL", "null", "None", "none", "NA", "na", "N/A", "n/a", "\\N")


def _missing_users(door: Door) -> list[Row]:
    return [*GOOD, *((word, "B000000001", T) for word in MISSING)]


def _missing_items(door: Door) -> list[Row]:
    return [*GOOD[:1], *(("U0001", word, T) for word in MISSING), *GOOD[1:]]


def _missing_times(door: Door) -> list[Row]:
    # A word that says nothing beside many times: far from half of them.
    return [*GOOD, *(("U0002", "B000000001", word) for word in MISSING), *(("U0003", "B000000001", T) for _ in MISSING)]


EXACT = (
    "007",
    "7",
    "+7",
    "-7",
    "9007199254740993",  # 2^53 + 1
    "9007199254740992",
    "9223372036854775807",  # 2^63 - 1
    "9223372036854775808",
    "18446744073709551615",  # 2^64 - 1
    "18446744073709551616",
    "123456789012345678901234567890",
    "1e3",
    "0x1F",
    "Ünïcode 🙂",
    "Infinity",
    "true",
)
"""Ids that must stay as they are written, each another one."""


def _exact_users(door: Door) -> list[Row]:
    return [*GOOD, *((user, "B000000001", T + 100 + place) for place, user in enumerate(EXACT))]


def _exact_items(door: Door) -> list[Row]:
    return [*GOOD, *(("U0003", item, T + 100 + place) for place, item in enumerate(EXACT))]


def _other_unit(door: Door) -> str:
    """A time of the year 2023 that is not in the unit of the door."""
    return str((T + 3) * 1000 if door.unit == 1 else T + 3)


def _long(door: Door) -> Callable[[str], str]:
    def change(text: str) -> str:
        lines = text.split("\n")
        place = door.line(2) - 1
        lines[place] += door.separator + "more"
        return "\n".join(lines)

    return change


def _long_in_front(door: Door) -> Callable[[str], str]:
    def change(text: str) -> str:
        lines = text.split("\n")
        place = door.line(2) - 1
        lines[place] = "more" + door.separator + lines[place]
        return "\n".join(lines)

    return change


def _short(door: Door) -> Callable[[str], str]:
    def change(text: str) -> str:
        lines = text.split("\n")
        place = door.line(2) - 1
        lines[place] = door.separator.join(lines[place].split(door.separator)[:2])
        return "\n".join(lines)

    return change


def _times(*texts: int | str) -> tuple[Row, ...]:
    return tuple(("U0001", f"B{place:09d}", time) for place, time in enumerate(texts))


def _half_missing(lacking: int, of: int) -> tuple[Row, ...]:
    return _times(*("" if place < lacking else T + place for place in range(of)))


KINDS: tuple[Kind, ...] = (
    Kind("plain", "a user, an item and a time in every row", lambda door: GOOD, READ),
    Kind(
        "missing users",
        "rows whose user or item is empty, blank, `NaN`, `NULL`, `None`, `NA`, `N/A` or `\\N` are dropped and counted",
        _missing_users,
        READ,
        lacking=tuple(range(4, 4 + len(MISSING))),
    ),
    Kind("missing items", "", _missing_items, READ, lacking=tuple(range(1, 1 + len(MISSING)))),
    Kind(
        "exact users",
        "whole numbers of any width, leading zeros and signs stay as they are written",
        _exact_users,
        {**READ, **{user: [("B000000001", T + 100 + place)] for place, user in enumerate(EXACT)}},
    ),
    Kind(
        "exact items",
        "",
        _exact_items,
        {**READ, "U0003": [(item, T + 100 + place) for place, item in enumerate(EXACT)]},
    ),
    Kind(
        "blanks around ids",
        "blanks around an id do not belong to it",
        lambda door: (
            (" U0001", "B000000001 ", T),
            ("U0001  ", " B000000002", T + 10),
            ("U0002", "B000000001", T + 5),
            ("  U0002 ", "B000000003", T + 20),
        ),
        READ,
    ),
    Kind(
        "floats that are ids",
        "ids that all look like `71.0` are the whole numbers that they were",
        lambda door: (("71.0", "5.0", T), ("71.0", "6.0", T + 10), ("9.0", "5.0", T + 5)),
        {"71": [("5", T), ("6", T + 10)], "9": [("5", T + 5)]},
    ),
    Kind(
        "floats that are ids, one missing",
        "",
        lambda door: (("71.0", "5.0", T), ("", "6.0", T + 10), ("9.0", "5.0", T + 5)),
        {"71": [("5", T)], "9": [("5", T + 5)]},
        lacking=(1,),
    ),
    Kind(
        "1.0 among others",
        "",
        lambda door: (*GOOD, ("1.0", "B000000001", T)),
        {**READ, "1.0": [("B000000001", T)]},
    ),
    Kind(
        "rows in no order",
        "events are put in order of time; those of one time stay in the order of the rows",
        lambda door: _times(T + 30, T + 10, T + 20, T + 10),
        {"U0001": [("B000000001", T + 10), ("B000000003", T + 10), ("B000000002", T + 20), ("B000000000", T + 30)]},
    ),
    Kind(
        "time missing",
        "a few rows without a time are dropped and counted",
        lambda door: (*GOOD, ("U0002", "B000000001", "")),
        READ,
        lacking=(4,),
    ),
    Kind(
        "missing times in words",
        "",
        _missing_times,
        {**READ, "U0003": [("B000000001", T)] * len(MISSING)},
        lacking=tuple(range(4, 4 + len(MISSING))),
        fits=_has_text_times,
    ),
    Kind(
        "most times missing",
        "a column of times of which more than half is missing",
        lambda door: _half_missing(6, 10),
        None,
        lambda door: (r"6 of 10", r"time"),
    ),
    Kind(
        "fewer than half of the times missing",
        "rows without a time, fewer than half, wherever they are",
        lambda door: _half_missing(4, 10),
        {"U0001": [(f"B{place:09d}", T + place) for place in range(4, 10)]},
        lacking=(0, 1, 2, 3),
    ),
    Kind(
        "no time at first",
        "",
        lambda door: _half_missing(1200, 3000),
        {"U0001": [(f"B{place:09d}", T + place) for place in range(1200, 3000)]},
        lacking=tuple(range(1200)),
    ),
    Kind(
        "two units",
        "epoch numbers of two units in one column: the first line of each is named",
        lambda door: (*GOOD, ("U0002", "B000000001", _other_unit(door)), *GOOD),
        None,
        lambda door: (
            rf"\b{door.line(0)}\b",
            rf"\b{door.line(4)}\b",
            rf"\b{_other_unit(door)}\b",
            rf"\b{door.time(T)}\b",
        ),
    ),
    Kind(
        "two units, far apart",
        "",
        lambda door: (*(GOOD * 500), ("U0002", "B000000001", _other_unit(door)), *GOOD),
        None,
        lambda door: (rf"\b{door.line(0)}\b", rf"\b2,?00{door.line(2000) - 2000}\b", _other_unit(door)),
    ),
    Kind(
        "time out of range",
        "a time outside the years 1900 to 2200",
        lambda door: (*GOOD, ("U0002", "B000000001", "30000000000" + ("" if door.unit == 1 else "000"))),
        None,
        lambda door: (rf"\b{door.line(4)}\b", r"30000000000"),
    ),
    Kind(
        "time far out of range",
        "",
        lambda door: (*GOOD, ("U0002", "B000000001", "9223372036854775807")),
        None,
        lambda door: (rf"\b{door.line(4)}\b", r"9223372036854775807"),
    ),
    Kind(
        "time wider than 64 bits",
        "",
        lambda door: (*GOOD, ("U0002", "B000000001", "10000000000000000000000")),
        None,
        lambda door: (rf"\b{door.line(4)}\b", r"10000000000000000000000"),
        fits=_has_text_times,
    ),
    Kind(
        "a word for a time",
        "a value that is no time, among good ones",
        lambda door: (*GOOD, ("U0002", "B000000001", "yesterday")),
        None,
        lambda door: (rf"\b{door.line(4)}\b", r"'?yesterday'?", r"time"),
        fits=_has_text_times,
    ),
    Kind(
        "a word for a time, late",
        "",
        lambda door: (*(GOOD * 500), ("U0002", "B000000001", "yesterday")),
        None,
        lambda door: (rf"\b2,?00{door.line(2000) - 2000}\b", r"yesterday", r"time"),
        fits=_has_text_times,
    ),
    Kind(
        "Windows lines",
        "line ends of Windows, blank lines and a byte order mark change nothing",
        lambda door: GOOD,
        READ,
        change=lambda door: lambda text: text.replace("\n", "\r\n"),
        fits=_has_text_times,
    ),
    Kind(
        "blank lines",
        "",
        lambda door: GOOD,
        READ,
        change=lambda door: lambda text: text.replace("\n", "\n\n", 3) + "\n\n",
        fits=_has_text_times,
    ),
    Kind(
        "a byte order mark",
        "",
        lambda door: GOOD,
        READ,
        change=lambda door: lambda text: b"\xef\xbb\xbf" + text.encode(),
        fits=_has_text_times,
    ),
    Kind(
        "no last line end",
        "",
        lambda door: GOOD,
        READ,
        change=lambda door: lambda text: text.rstrip("\n"),
        fits=_has_text_times,
    ),
    Kind(
        "UTF-16",
        "text in another encoding: the command that mends it is named",
        lambda door: GOOD,
        None,
        lambda door: (r"iconv -f utf-?16",),
        change=lambda door: lambda text: text.encode("utf-16"),
        fits=_has_text_times,
    ),
    Kind(
        "Latin-1",
        "",
        lambda door: (*GOOD, ("Jérôme", "B000000001", T)),
        None,
        lambda door: (r"iconv -f latin1",),
        change=lambda door: lambda text: text.encode("latin-1"),
        fits=_is_text,
    ),
    Kind(
        "a field too many",
        "a line with a field too many",
        lambda door: GOOD * 3,
        None,
        lambda door: (rf"line {door.line(2)}\b",),
        change=_long,
        fits=_is_text,
    ),
    Kind(
        "a field too many, in front",
        "",
        lambda door: GOOD * 3,
        None,
        lambda door: (rf"line {door.line(2)}\b",),
        change=_long_in_front,
        fits=_is_text,
    ),
    Kind(
        "a line too short",
        "what a line too short lacks is empty, so without a time it is dropped and counted",
        lambda door: GOOD,
        {"U0001": READ["U0001"], "U0002": READ["U0002"][1:]},
        lacking=(2,),
        change=_short,
        fits=_is_text,
    ),
    Kind(
        "quotes around all",
        "fields in quotes may hold separators, line ends and doubled quotes",
        lambda door: tuple((f'"{user}"', f'"{item}"', f'"{door.time(time)}"') for user, item, time in GOOD),
        READ,
        fits=lambda door: door.quoting,
    ),
    Kind(
        "empty in quotes",
        "",
        lambda door: (*GOOD, ('""', "B000000001", T), ('"U0002"', '"  "', T)),
        READ,
        lacking=(4, 5),
        fits=lambda door: door.quoting,
    ),
    Kind(
        "a quoted separator, late",
        "",
        lambda door: (*(GOOD * 300), (f'"U{door.separator}3"', '"say ""hi"""', T)),
        {
            **{user: sorted(items * 300, key=lambda event: event[1] or 0) for user, items in READ.items()},
            "U{separator}3": [('say "hi"', T)],
        },
        fits=lambda door: door.quoting,
    ),
    Kind(
        "a quoted line end, late",
        "",
        lambda door: (*(GOOD * 300), ('"U\n3"', '"B\r\n4"', T)),
        {
            **{user: sorted(items * 300, key=lambda event: event[1] or 0) for user, items in READ.items()},
            "U\n3": [("B\r\n4", T)],
        },
        fits=lambda door: door.quoting,
    ),
    Kind(
        "lone quotes",
        "lone quotes in a text that is not quoted are letters; one cut by commas may be refused with the line",
        lambda door: (*GOOD, ("U0003", '7" disc', T), ("U0003", '"Big', T + 1), *GOOD, ("U0004", 'a "12" disc', T)),
        {
            **{user: sorted(items * 2, key=lambda event: event[1] or 0) for user, items in READ.items()},
            "U0003": [('7" disc', T), ('"Big', T + 1)],
            "U0004": [('a "12" disc', T)],
        },
        lambda door: (rf"line {door.line(5)}\b",),
        fits=_is_text,
        or_refused=lambda door: door.separator == ",",
    ),
    Kind(
        "two lone quotes that look like a pair",
        "rows between two lone quotes are never lost without a word",
        lambda door: (*GOOD, ("U0003", '"Big', T), *GOOD, ("U0004", 'disc 12"', T)),
        {
            **{user: sorted(items * 2, key=lambda event: event[1] or 0) for user, items in READ.items()},
            "U0003": [('"Big', T)],
            "U0004": [('disc 12"', T)],
        },
        lambda door: (rf"line {door.line(4)}\b",),
        fits=_is_text,
        or_refused=lambda door: door.quoting,
    ),
    Kind(
        "an open quote among quoted fields",
        "text that can be read neither with quotes nor without",
        lambda door: (*(GOOD * 5), (f'"U{door.separator}3"', "B000000001", T), ('"U4', "B000000001", T), *(GOOD * 5)),
        None,
        lambda door: (rf"line ({door.line(20)}|{door.line(21)})\b",),
        fits=lambda door: door.quoting,
    ),
)

PAIRS = [
    (door, kind)
    for door in DOORS
    for kind in KINDS
    if kind.fits(door) and (kind.name == "plain" or "gzip" not in door.name)  # what is inside is read as without
]
"""Every kind by every door that it fits."""
