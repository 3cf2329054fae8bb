"""What users did, as zeros and ones: the actions that rankers predict and that histories tell of."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
import polars as pl
from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from segue.core.errors import DataError, SettingsError
from segue.core.impressions import UNKNOWN
from segue.core.shapes import Bool, Int
from segue.core.tables import InteractionLog
from segue.data.conditions import Clause, parse_condition
from segue.data.sources.suggest import nearest

WELL_KNOWN = (
    "click", "is_click", "long_view", "like", "is_like", "follow", "is_follow", "cart", "favourite", "purchase", "buy",
)  # fmt: skip
"""Columns that are actions wherever they occur, the most frequent first."""
WORDS = ("behavior", "behaviour", "action", "event_type", "event")
"""Columns whose words are actions: each event is one of them."""
_NAME = re.compile(r"[\w.\-]+")


def _readable(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        try:
            _clauses(name)
        except SettingsError as error:
            raise PydanticCustomError("action", "{why}", {"why": str(error)}) from None
    if len(set(names)) < len(names):
        raise PydanticCustomError("actions", "the same action is named twice")
    return names


Actions = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: tuple(one.strip() for one in value.split(",")) if isinstance(value, str) else value),
    AfterValidator(_readable),
]
"""Columns of zeros and ones, or conditions such as `rating >= 4` or `behavior == 'buy'`; text is cut at its commas."""


def well_known(log: InteractionLog) -> tuple[str, ...]:
    """The columns that are actions by their name, in a fixed order."""
    return tuple(name for name in WELL_KNOWN if name in log.columns)


def words_as_actions(log: InteractionLog, words: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """A condition for each word of the column that says what an event was; none where there is no such column."""
    for column in WORDS:
        if column in log.columns and words.get(column):
            return tuple(f"{column} == '{word}'" for word in words[column])
    return ()


def answers(
    log: InteractionLog, names: Sequence[str], words: Mapping[str, Sequence[str]], name: str
) -> Int[np.ndarray, "events actions"]:
    """For each event and action 1, 0, or `UNKNOWN` where a column has no value.

    Args:
        words: what the numbers of a column of words stand for, as the `origin` of a prepared dataset says.
        name: of the dataset, for errors.

    Raises:
        DataError: there is no such column, it is not one of zeros and ones, or a word never occurs.
    """
    found = np.empty((len(log), len(names)), dtype=np.int8)
    for place, action in enumerate(names):
        clauses = _clauses(action)
        if clauses is None:
            found[:, place] = _column(log, action, words, name)
            continue
        holds, known = np.ones(len(log), dtype=bool), np.ones(len(log), dtype=bool)
        for clause in clauses:
            true, told = _holds(log, clause, words, name)
            holds &= true
            known &= told
        found[:, place] = np.where(known, holds, UNKNOWN)
    return found


def columns_of(names: Sequence[str]) -> set[str]:
    """The columns that these actions are read from."""
    return {clause.column for action in names for clause in _clauses(action) or [Clause(action, "==", 1.0)]}


def _clauses(action: str) -> list[Clause] | None:
    """The clauses of a condition, None of the name of a column."""
    if _NAME.fullmatch(action):
        return None
    try:
        return parse_condition(action)
    except SettingsError as error:
        raise SettingsError(str(error).removeprefix("positive: ")) from None


def _column(log: InteractionLog, action: str, words: Mapping[str, Sequence[str]], name: str) -> np.ndarray:
    values = _values(log, action, name)
    if words.get(action):
        raise DataError(
            f"{name}: '{action}' holds words ({', '.join(words[action][:4])}) and an action is a column of zeros and "
            f"ones; write a condition, such as {action} == '{words[action][0]}'."
        )
    known = ~np.isnan(values) if values.dtype.kind == "f" else np.ones(len(values), dtype=bool)
    strange = known & (values != 0) & (values != 1)
    if strange.any():
        raise DataError(
            f"{name}: an action is a column of zeros and ones, and '{action}' has {values[np.argmax(strange)]:g} (in "
            f"{int(strange.sum()):,} of {len(values):,} events); write a condition, such as '{action} >= "
            f"{float(np.median(values[known])):g}'."
        )
    return np.where(known, values == 1, UNKNOWN).astype(np.int8)


def _holds(
    log: InteractionLog, clause: Clause, words: Mapping[str, Sequence[str]], name: str
) -> tuple[Bool[np.ndarray, " events"], Bool[np.ndarray, " events"]]:
    """Where a comparison is true, and where it can be known."""
    values, meant = _values(log, clause.column, name), words.get(clause.column)
    if not meant:
        if isinstance(clause.value, str):
            raise DataError(
                f"{name}: column '{clause.column}' has numbers, and '{clause.value}' is none; compare it with a number."
            )
        table = pl.DataFrame({clause.column: np.asarray(values)})
        true = table.select(clause.expression(words=False)).to_series().to_numpy()
        return true, ~np.isnan(values) if values.dtype.kind == "f" else np.ones(len(values), dtype=bool)
    wanted = clause.word
    if wanted not in meant:
        raise DataError(
            f"{name}: '{clause.column}' is never '{wanted}'{nearest(wanted, meant)} "
            f"It is one of: {', '.join(meant[:10])}."
        )
    of_word = pl.DataFrame({clause.column: list(meant)}).select(clause.expression(words=True)).to_series().to_numpy()
    known = values >= 0
    return of_word[np.maximum(values, 0)] & known, known


def _values(log: InteractionLog, column: str, name: str) -> np.ndarray:
    if column not in log.columns:
        known = ", ".join(log.columns) or "none"
        raise DataError(
            f"{name}: there is no column '{column}' to take an action from{nearest(column, log.columns)} "
            f"The columns are: {known}."
        )
    return np.asarray(log.columns[column])
