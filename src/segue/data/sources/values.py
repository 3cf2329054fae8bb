"""How the values of a column are read: what is missing, ids as text, numbers as numbers, which type they have."""

from __future__ import annotations

from typing import Any, Literal

import polars as pl

from segue.core.errors import DataError

Role = Literal["id", "integer", "number", "text"]
"""What a column is read for. Tables may give their own types; `ids` and `numbers` make of any type what is meant."""

SAMPLE_ROWS = 1000
MISSING = ("", "NaN", "nan", "NULL", "Null", "null", "None", "none", "NA", "na", "N/A", "n/a", "\\N")
"""Texts that stand for no value, blanks around them left aside."""
_LONGEST = max(map(len, MISSING))
_EXACT = 1 << 53
"""Beyond it float64 does not tell neighbouring whole numbers apart."""


def stripped(values: pl.Series) -> pl.Series:
    """Text without blanks around it, and null where it says that there is nothing."""
    values = values.str.strip_chars()
    short = values.str.len_bytes() <= _LONGEST
    if not short.any():
        return values
    name = values.name
    nothing = pl.col(name).is_in(MISSING)
    return values.to_frame().select(pl.when(nothing).then(None).otherwise(pl.col(name)).alias(name)).to_series()


def present(values: pl.Series) -> pl.Series:
    """The values that are there, of text without the blanks around them."""
    if values.dtype in (pl.Categorical, pl.Enum):
        values = values.cast(pl.String)
    if values.dtype == pl.String:
        values = stripped(values)
    values = values.drop_nulls()
    return values.filter(values.is_not_nan()) if values.dtype.is_float() else values


def looks_like(values: pl.Series) -> Literal["integer", "number", "flag", "text", "time", "other", "empty"]:
    """The type that all values of a sample share."""
    values = present(values)
    if values.is_empty():
        return "empty"
    if values.dtype == pl.Boolean:
        return "flag"
    if values.dtype.is_integer():
        return "integer"
    if values.dtype.is_float() or values.dtype.is_decimal():
        return "number"
    if values.dtype.is_temporal():
        return "time"
    if values.dtype != pl.String:
        return "other"
    if values.str.contains(r"^[+-]?[0-9]+$").all():
        return "integer"
    if values.str.contains(r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$").all():
        return "number"
    return "text"


def has_decimal_commas(sample: pl.Series) -> bool:
    """Whether text is of numbers such as 5,0 or 1.234,50, all of them."""
    values = present(sample)
    if values.dtype != pl.String or values.is_empty() or not values.str.contains(",", literal=True).any():
        return False
    return bool(values.str.contains(r"^[+-]?([0-9]{1,3}(\.[0-9]{3})+|[0-9]+)(,[0-9]+)?$").all())


def are_float_ids(sample: pl.Series) -> bool:
    """Whether ids are whole numbers that a float column made into 71.0, as a missing value in pandas does."""
    values = present(sample)
    if values.dtype.is_float():
        return True
    if values.dtype != pl.String or not values.str.contains(r"\.0+$").any():
        return False
    return bool(values.str.contains(r"^[+-]?[0-9]+(\.0+)?$").all())


def is_wide(sample: pl.Series) -> bool:
    """Whether whole numbers are larger than a float can tell apart, as ids of 19 digits are."""
    values = present(sample)
    if looks_like(values) != "integer":
        return False
    if values.dtype == pl.String:
        return bool((values.str.len_bytes() > 15).any())
    return bool((values.cast(pl.Int128).abs() > _EXACT).any())


def ids(values: pl.Series, where: str, *, floats: bool = False) -> pl.Series:
    """Ids as text or whole numbers, exact at any width; null where there is none.

    Args:
        floats: text such as '71.0' stands for 71.

    Raises:
        DataError: values that cannot be ids, such as lists, or floats that have lost digits.
    """
    dtype = values.dtype
    if dtype in (pl.Categorical, pl.Enum, pl.Binary, pl.Null):
        try:
            values = values.cast(pl.String)
        except pl.exceptions.PolarsError:
            raise DataError(f"{where}: binary values that are not text cannot be ids.") from None
        dtype = values.dtype
    if dtype == pl.String:
        if _plain(values):
            return values
        values = stripped(values)
        return values.str.replace(r"\.0+$", "") if floats else values
    if dtype.is_integer():
        return values.cast(pl.Int64) if dtype not in (pl.UInt64, pl.Int128) else values.cast(pl.String)
    if dtype.is_float():
        return _whole_floats(values, where)
    if isinstance(dtype, pl.List | pl.Array | pl.Struct | pl.Object):
        raise DataError(f"{where}: {_first(values)} is no id; an id is a number or a text, not a list or an object.")
    return values.cast(pl.String)


def numbers(values: pl.Series, *, decimal: str = ".") -> tuple[pl.Series, pl.Series | None]:
    """Numbers (whole ones exact where a 64-bit integer holds them all), and which texts are none, if any."""
    if values.dtype in (pl.Categorical, pl.Enum):
        values = values.cast(pl.String)
    if values.dtype != pl.String:
        if values.dtype.is_integer():
            whole = values.cast(pl.Int64, strict=False)
            if whole.null_count() == values.null_count():
                return whole, None
        return _finite(values.cast(pl.Float64).fill_nan(None))
    before = values.null_count()
    whole = values.cast(pl.Int64, strict=False)
    if whole.null_count() == before:
        return whole, None
    values = stripped(values)
    whole = values.cast(pl.Int64, strict=False)
    if whole.null_count() == values.null_count():
        return whole, None
    if decimal == ",":
        values = values.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    read, endless = _finite(values.cast(pl.Float64, strict=False).fill_nan(None))
    wrong = values.is_not_null() & (read.is_null() if endless is None else read.is_null() | endless)
    return read, wrong if wrong.any() else None


def _plain(values: pl.Series) -> bool:
    """Whether all ids are plain digits, which the cast tells in a tenth of the time of a look at each text."""
    return values.cast(pl.Int64, strict=False).null_count() == values.null_count()


def _finite(values: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    endless = values.is_infinite().fill_null(False)
    if not endless.any():
        return values, None
    return values.replace([float("inf"), float("-inf")], None), endless


def _whole_floats(values: pl.Series, where: str) -> pl.Series:
    values = values.fill_nan(None)
    known = values.drop_nulls()
    if (known.abs() >= _EXACT).any():
        raise DataError(
            f"{where}: ids above {_EXACT:,} are stored as floats, which have lost their last digits; write the column "
            "as text or whole numbers."
        )
    whole = known.cast(pl.Int64)
    if (known == whole).all():
        return values.cast(pl.Int64)
    # Each value for itself, so that 2.0 is '2' whatever stands beside it in its batch.
    name = values.name
    as_text = pl.when(pl.col(name) == pl.col(name).floor()).then(pl.col(name).cast(pl.Int64).cast(pl.String))
    return values.to_frame().select(as_text.otherwise(pl.col(name).cast(pl.String)).alias(name)).to_series()


def _first(values: pl.Series) -> str:
    known: list[Any] = values.drop_nulls().head(1).to_list()
    return f"{known[0]!r:.60}" if known else "a list"
