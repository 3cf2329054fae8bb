"""Which events count, as a short sentence: `rating >= 4 and behavior == 'buy'`. No code is ever run."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import polars as pl

from segue.core.errors import SettingsError

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_CLAUSE = re.compile(r"\s*([\w.\-]+)\s*(>=|<=|==|!=|>|<)\s*('[^']*'|\"[^\"]*\"|[^\s'\"<>=!]+)\s*")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class Clause(NamedTuple):
    """One comparison: a column, an operator, a number (a whole one exact at any width) or a word."""

    column: str
    sign: str
    value: int | float | str

    def expression(self, *, words: bool) -> pl.Expr:
        """True where the comparison holds; an empty value never does."""
        value, column = self.value, pl.col(self.column)
        if words and not isinstance(value, str) and self.sign not in ("==", "!="):
            column = column.cast(pl.Int128 if isinstance(value, int) else pl.Float64, strict=False)
        elif words:
            value = self.word
        elif isinstance(value, str):
            raise SettingsError(
                f"positive: column '{self.column}' has numbers, and '{value}' is none; compare it with a number."
            )
        dtype = pl.Int128 if isinstance(value, int) and abs(value) >= 2**63 else None
        result: pl.Expr = _OPERATORS[self.sign](column, pl.lit(value, dtype=dtype))
        return result.fill_null(False)

    @property
    def word(self) -> str:
        """The value as it stands in a column of words."""
        return f"{self.value:g}" if isinstance(self.value, float) else str(self.value)


def parse_condition(text: str) -> list[Clause]:
    """The clauses of a condition, all of which must hold.

    Raises:
        SettingsError: the text is not of the form COLUMN OPERATOR VALUE, joined by 'and'.
    """
    clauses: list[Clause] = []
    place = 0
    while True:
        match = _CLAUSE.match(text, place)
        if match is None:
            raise SettingsError(
                f"positive: cannot read {text[place:]!r} in {text!r}. Write COLUMN OPERATOR VALUE, joined by 'and', "
                f"with one of {' '.join(_OPERATORS)}; for example: rating >= 4 and behavior == 'buy'"
            )
        column, sign, value = match.groups()
        clauses.append(Clause(column, sign, _value(value)))
        place = match.end()
        if place == len(text):
            return clauses
        joint = re.compile(r"and\b", re.IGNORECASE).match(text, place)
        if joint is None:
            raise SettingsError(f"positive: expected 'and' before {text[place:]!r} in {text!r}.")
        place = joint.end()


def _value(text: str) -> int | float | str:
    if text[0] in "'\"":
        return text[1:-1]
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text
