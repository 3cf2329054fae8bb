"""When an event happened, however the file says it: epoch in seconds to nanoseconds, or a date."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.values import Role, looks_like

_FORMATS = (
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%Y/%m/%d %H:%M:%S%.f",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
    "%Y%m%d %H:%M:%S",
    "%a %b %d %H:%M:%S %z %Y",
    "%m %d, %Y",
)


@dataclass(frozen=True)
class Clock:
    """How one time column is read (`role`) and turned into whole ticks, `ticks` a second."""

    role: Role
    ticks: int
    format: str | None = None
    scale: float = 1.0

    def expression(self, column: str) -> pl.Expr:
        """The ticks as Int64; null where there is no time."""
        value = pl.col(column)
        if self.format is None:
            if self.role == "number":
                return (value * self.scale).round().cast(pl.Int64)
            return value
        return _parsed(value, self.format)


def clock_of(sample: pl.Series, *, where: str) -> Clock | None:
    """The clock that fits a sample, or None where it is no time at all.

    Raises:
        DataError: the sample is empty of values.
    """
    kind = looks_like(sample)
    values = sample.drop_nulls()
    if kind == "empty":
        raise DataError(
            f"{where}: the time column has no values in the first rows. Name another with time=..., or none."
        )
    if kind == "integer":
        return Clock(role="integer", ticks=_ticks(float(values.cast(pl.Int64, strict=False).median() or 0)))  # type: ignore[arg-type]
    if kind == "number":
        numbers = values.str.strip_chars().cast(pl.Float64) if values.dtype == pl.String else values.cast(pl.Float64)
        ticks = _ticks(float(numbers.median() or 0))  # type: ignore[arg-type]
        return Clock(role="number", ticks=max(ticks, 1000), scale=max(ticks, 1000) / ticks)
    if kind == "time":
        return Clock(role="integer", ticks=1_000_000, format="native")
    if kind != "text":
        return None
    frame = pl.DataFrame({"t": values})
    for form in _FORMATS:
        if frame.select(_parsed(pl.col("t"), form).is_not_null().all()).item():
            return Clock(role="text", ticks=1_000_000, format=form)
    return None


def _parsed(value: pl.Expr, form: str) -> pl.Expr:
    if form == "native":
        return value.cast(pl.Int64)
    text = value.str.strip_chars().str.replace(r"^(\d{4}-\d\d-\d\d)T", "${1} ").str.replace(r"Z$|\s*UTC$", "+00:00")
    if "z" not in form:
        text = text.str.replace(r"\+00:00$", "")
    if "H" not in form:
        return text.str.to_date(form, strict=False).cast(pl.Datetime("us")).cast(pl.Int64)
    if "z" in form:
        return text.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False).cast(pl.Int64)
    return text.str.to_datetime(form, time_unit="us", strict=False).cast(pl.Int64)


def _ticks(value: float) -> int:
    """Ticks a second of an epoch of this size: 1e9 s, 1e12 ms, 1e15 us and 1e18 ns are all the year 2001."""
    size = abs(value)
    return 1 if size < 1e11 else 1_000 if size < 1e14 else 1_000_000 if size < 1e17 else 1_000_000_000
