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
    """One comparison: a column, an operator, a number or a word."""

    column: str
    sign: str
    value: float | str

    def expression(self, *, words: bool) -> pl.Expr:
        """True where the comparison holds; an empty value never does."""
        value = self.value
        if words:
            value = value if isinstance(value, str) else f"{value:g}"
        elif isinstance(value, str):
            raise SettingsError(
                f"positive: column '{self.column}' has numbers, and '{value}' is none; compare it with a number."
            )
        result: pl.Expr = _OPERATORS[self.sign](pl.col(self.column), pl.lit(value))
        return result.fill_null(False)


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


def _value(text: str) -> float | str:
    if text[0] in "'\"":
        return text[1:-1]
    return float(text) if _NUMBER.fullmatch(text) else text
