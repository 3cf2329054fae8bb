"""When an event happened, however the file says it: an epoch in seconds to nanoseconds, a date, a typed time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.values import looks_like, numbers, present, stripped

UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
"""Ticks a second of each unit of an epoch."""
_NAMES = {1: "seconds", 1_000: "milliseconds", 1_000_000: "microseconds", 1_000_000_000: "nanoseconds"}
_SIZES = {1: (0.0, 1e11), 1_000: (1e11, 1e14), 1_000_000: (1e14, 1e17), 1_000_000_000: (1e17, 1e20)}
"""How large the numbers of an epoch are: 1e9 seconds, 1e12 ms, 1e15 us and 1e18 ns are all the year 2001."""
_FIRST, _LAST = -2_208_988_800, 7_258_118_400
"""The years 1900 and 2200; a time outside is a fault of the file, or of its reading."""
_FAR = 9 * 10**18
"""More ticks than any time has, within 64 bits."""
_MICRO = 1_000_000

Family = Literal["iso", "dmy", "mdy", "ymd", "words"]


def _clocked(day: str) -> tuple[str, ...]:
    """A date alone and with the forms that a time of the day has."""
    return (day, *(f"{day} {hour}" for hour in ("%H:%M:%S%.f", "%H:%M", "%I:%M:%S %p", "%I:%M %p")))


_FAMILIES: dict[Family, tuple[str, ...]] = {
    "iso": ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M%#z", "%Y-%m-%d"),
    "ymd": (*_clocked("%Y/%m/%d"), *_clocked("%Y.%m.%d"), "%Y%m%d %H:%M:%S", "%Y%m%d", "%Y%m%d%H%M%S"),
    "dmy": tuple(form for mark in "./-" for year in "Yy" for form in _clocked(f"%d{mark}%m{mark}%{year}")),
    "mdy": tuple(form for mark in "./-" for year in "Yy" for form in _clocked(f"%m{mark}%d{mark}%{year}")),
    "words": (
        *_clocked("%d %b %Y"), *_clocked("%d %B %Y"), *_clocked("%d-%b-%Y"), *_clocked("%b %d, %Y"),
        *_clocked("%B %d, %Y"), "%a %b %d %H:%M:%S %z %Y", "%a, %d %b %Y %H:%M:%S %z", "%m %d, %Y",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Clock:
    """How one time column becomes whole ticks, `ticks` of them a second.

    Numbers count `unit` ticks a second (`native` ones are typed and need no look); texts have one of `forms`, tried in
    turn. Where the first rows leave open whether day or month comes first, `other` are the forms of the other reading.
    """

    ticks: int = 1
    unit: int = 1
    native: bool = False
    forms: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    said: bool = False
    """The person said the unit, so that numbers of any size are right."""

    def read(self, values: pl.Series) -> tuple[pl.Series, pl.Series]:
        """The ticks as Int64, null where there is no time, and which values are no times at all."""
        if self.native:
            return _native(values), pl.repeat(False, len(values), eager=True)
        if self.forms:
            text = stripped(values if values.dtype == pl.String else values.cast(pl.String))
            ticks = _parsed(text, self.forms, self.ticks)
            return ticks, ticks.is_null() & text.is_not_null()
        told, wrong = numbers(values)
        wrong = pl.repeat(False, len(values), eager=True) if wrong is None else wrong
        scale = self.ticks // self.unit
        if told.dtype == pl.Float64:
            told = (told * scale).round().clip(-_FAR, _FAR).cast(pl.Int64)
        elif scale > 1:  # what is too large to be multiplied stays out of range
            told = told.clip(-_FAR // scale, _FAR // scale) * scale
        return told, wrong

    def fault(self, ticks: pl.Series) -> int | None:
        """The first row whose time is out of range or counted in another unit, if there is one."""
        low, high = ticks.min(), ticks.max()
        if low is None or (_FIRST * self.ticks <= low and high <= _LAST * self.ticks and not self._mixed(low, high)):  # type: ignore[operator]
            return None
        wrong = (ticks < _FIRST * self.ticks) | (ticks > _LAST * self.ticks)
        if not self._sure and self.unit > 1:
            wrong |= ticks.abs() < self._least
        return int(wrong.fill_null(False).arg_max() or 0)

    @property
    def _sure(self) -> bool:
        """Whether the unit is known otherwise than by the size of the numbers."""
        return self.native or bool(self.forms) or self.said

    @property
    def _least(self) -> int:
        """Below this many ticks a number is of a larger unit (as seconds among milliseconds)."""
        return int(_SIZES[self.unit][0] * (self.ticks // self.unit) / 10)

    def _mixed(self, low: object, high: object) -> bool:
        if self._sure or self.unit == 1:
            return False
        return bool(low < self._least and high > -self._least)  # type: ignore[operator]

    @cached_property
    def says(self) -> str:
        """In words what the numbers count, for messages."""
        return _NAMES[self.unit]


def epoch(unit: int) -> Clock:
    """Whole numbers of so many ticks a second."""
    return Clock(ticks=unit, unit=unit)


def unit_of(value: float) -> str:
    """In words what a number of this size counts, if it is an epoch."""
    return next((_NAMES[unit] for unit, (low, high) in _SIZES.items() if low <= abs(value) < high), "nothing known")


def clock_of(sample: pl.Series, *, where: str, form: str | None = None) -> Clock | None:
    """The clock that fits most of a sample, or None where it is no time at all.

    Args:
        form: what the person said of it: s, ms, us, ns, iso, dmy, mdy, or a pattern such as '%d.%m.%Y %H:%M'.

    Raises:
        DataError: the sample is empty of values, or `form` is not one of these.
    """
    kind, values = looks_like(sample), present(sample)
    if kind == "empty":
        raise DataError(f"{where}: the time column has no values. Name another with time=..., or none.")
    if form is not None:
        return _asked(form, where)
    if kind == "time":
        return None if values.dtype in (pl.Time, pl.Duration) else Clock(ticks=_native_ticks(values.dtype), native=True)
    if kind in ("flag", "other"):
        return None
    told, _ = numbers(values)
    numeric = told.is_not_null()
    if 2 * int(numeric.sum()) > len(values):
        # Text whose first thousand numbers are whole may have fractions later; typed whole numbers have none.
        return _counted(told.drop_nulls(), whole=told.dtype == pl.Int64, typed=values.dtype != pl.String)
    if values.dtype != pl.String:
        return None
    return _worded(values)


def settled(
    clock: Clock, column: Callable[[], Iterator[pl.Series]], where: str, place: Callable[[int], str] = str
) -> Clock:
    """The clock whose forms read the whole column, where the first rows left open if day or month comes first.

    Args:
        place: where a row of the column, counted from 0, stands.

    Raises:
        DataError: no row decides it, or two rows decide it differently.
    """
    if not clock.other:
        return clock
    some, row = None, 0
    only: list[tuple[int, str] | None] = [None, None]
    for values in column():
        text = stripped(values)
        one, two = (_parsed(text, forms, clock.ticks) for forms in (clock.forms, clock.other))
        for number, alone in enumerate((one.is_not_null() & two.is_null(), two.is_not_null() & one.is_null())):
            if only[number] is None and alone.any():
                first = int(alone.arg_max() or 0)
                only[number] = row + first, str(text[first])
        row += len(text)
        known = text.drop_nulls()
        some = some or (str(known[0]) if len(known) else None)
    one_way, other_way = only
    if one_way and other_way:
        raise DataError(
            f"{where}: day and month stand in another order in {one_way[1]!r} ({place(one_way[0])}) than in "
            f"{other_way[1]!r} ({place(other_way[0])}). Write the column in one form."
        )
    if one_way:
        return replace(clock, other=())
    if other_way:
        return replace(clock, forms=clock.other, other=())
    raise DataError(
        f"{where}: no row tells whether the day or the month comes first in dates such as {some!r}. "
        "Say it: --set data.time_format=dmy or mdy."
    )


def _asked(form: str, where: str) -> Clock:
    if form in UNITS:
        unit = UNITS[form]
        return Clock(ticks=max(unit, _MICRO), unit=unit, said=True)
    if form in ("iso", "dmy", "mdy"):
        return Clock(ticks=_MICRO, forms=_FAMILIES[form])  # type: ignore[index]
    if "%" not in form:
        raise DataError(
            f"{where}: time_format={form!r} is not known. Write one of {', '.join(UNITS)}, iso, dmy, mdy, or a pattern "
            "such as '%d.%m.%Y %H:%M'."
        )
    return Clock(ticks=_MICRO, forms=(form,))


def _counted(values: pl.Series, *, whole: bool, typed: bool) -> Clock:
    """Numbers: an epoch by its size, or dates written as 20240531."""
    digits = values.cast(pl.Int64, strict=False).cast(pl.String)
    for length, form in ((8, "%Y%m%d"), (14, "%Y%m%d%H%M%S")):
        if whole and bool((digits.str.len_bytes() == length).all()):
            dates = _parsed(digits, (form,), _MICRO) // _MICRO
            if bool(dates.is_between(_FIRST, _LAST).fill_null(False).all()):
                return Clock(ticks=_MICRO, forms=(form,))
    middle = abs(float(values.median() or 0))  # type: ignore[arg-type]
    unit = next((unit for unit, (low, high) in _SIZES.items() if low <= middle < high), 1_000_000_000)
    return Clock(ticks=unit if whole and typed else max(unit, _MICRO), unit=unit)


def _worded(values: pl.Series) -> Clock | None:
    """The forms of the family that reads most of the sample, if it is more than half of it."""
    ticks = 1_000_000_000 if values.str.contains(r"\.\d{7,}").any() else _MICRO
    found: dict[Family, tuple[int, tuple[str, ...]]] = {}
    for family, forms in _FAMILIES.items():
        read = [(form, _parsed(values, (form,), ticks)) for form in forms]
        fits = [(form, times) for form, times in read if bool(times.is_not_null().any())]
        if fits:
            fits.sort(key=lambda one: one[1].null_count())
            together = pl.DataFrame([times.alias(str(i)) for i, (_, times) in enumerate(fits)])
            best = together.select(pl.coalesce(pl.all())).to_series()
            fitting = [form for form, _ in fits]
            rest = [form for form in forms if form not in fitting]
            found[family] = (len(best) - best.null_count(), (*fitting, *rest))
    if not found:
        return None
    family = max(found, key=lambda name: found[name][0])
    count, forms = found[family]
    if 2 * count <= len(values):
        return None
    if family in ("dmy", "mdy"):
        rival = found.get("mdy" if family == "dmy" else "dmy")
        if rival is not None and rival[0] == count:
            return Clock(ticks=ticks, forms=forms, other=rival[1])
    return Clock(ticks=ticks, forms=forms)


def _parsed(values: pl.Series, forms: Sequence[str], ticks: int) -> pl.Series:
    """Times by the first of the forms that reads them."""
    text = (
        values.str.replace(r"^(\d{4}-\d\d-\d\d)T", "${1} ")
        .str.replace(r"(?i)\s*(Z|UTC|GMT)$", "+00:00")
        .str.replace(r"(?i)\s*\b([ap])\.?m\.?$", " ${1}m")
    )
    out = _strptime(text, forms[0], ticks)
    for form in forms[1:]:
        left = out.is_null() & text.is_not_null()
        if not left.any():
            break
        rows = left.arg_true()
        out = out.scatter(rows, _strptime(text.gather(rows), form, ticks))
    return out


def _strptime(text: pl.Series, form: str, ticks: int) -> pl.Series:
    unit: Literal["us", "ns"] = "ns" if ticks > _MICRO else "us"
    zoned = re.search(r"%#?z", form) is not None
    if not zoned:
        text = text.str.replace(r"\+00:00$", "")
    if "%H" in form and "%M" not in form:  # an hour alone is no time of the day to the parser
        text, form = text + " 00", f"{form} %M"
    if re.search(r"%-?[HIT]", form) is None:
        read = text.str.to_date(form, strict=False).cast(pl.Datetime(unit)).cast(pl.Int64)
    else:
        zone = "UTC" if zoned else None
        read = text.str.to_datetime(form, time_unit=unit, time_zone=zone, strict=False).cast(pl.Int64)
        if unit == "ns":  # 64 bits of nanoseconds wrap round beyond the year 2262
            rough = text.str.to_datetime(form, time_unit="us", time_zone=zone, strict=False).cast(pl.Int64)
            read = read.zip_with((read // 1000 == rough).fill_null(False), pl.Series([None], dtype=pl.Int64))
    # '%Y' reads the 23 of 18.12.23 as the year 23; that form does not fit then.
    within = read.is_between(_FIRST * ticks, _LAST * ticks).fill_null(False)
    return read if within.all() else read.zip_with(within, pl.Series([None], dtype=pl.Int64))


def _native_ticks(dtype: Any) -> int:
    return UNITS[dtype.time_unit] if isinstance(dtype, pl.Datetime) else 1


def _native(values: pl.Series) -> pl.Series:
    if values.dtype == pl.Date:
        return values.cast(pl.Int32).cast(pl.Int64) * 86_400
    return values.cast(pl.Int64)
