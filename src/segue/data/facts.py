"""What rankers are told of items, users and shown places: the values of columns as categories or numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple, cast

import numpy as np
import polars as pl
from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from segue.core.errors import DataError
from segue.core.impressions import Field
from segue.core.shapes import Num
from segue.core.tables import Catalog, InteractionLog
from segue.data.sources.suggest import nearest

CATEGORIES = ("categories", "category_id", "category", "tag")
"""Columns of a catalog that say what kind of item it is; the first of them is told unless other facts are named."""
FAMILIES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (  # KuaiRand, arXiv:2208.08696: the tables of its description
        ("place:is_click", "place:is_rand", "place:tab"),
        (
            "category:video_type",
            "category:upload_type",
            "user:category:user_active_degree",
            "user:category:is_live_streamer",
            "user:category:is_video_author",
            "user:category:follow_user_num_range",
            "user:category:fans_user_num_range",
            "user:category:friend_user_num_range",
            "user:category:register_days_range",
            "place:category:tab",
        ),
    ),
    (("user:gender", "user:age", "user:occupation"), ("user:category:gender", "user:category:occupation")),  # MovieLens
)
"""Families by the columns that only they have together, and their documented categories."""
MISSING = ("", "-", "--", "?", "na", "n/a", "nan", "null", "none")
"""Words that stand where there is no number, in small letters."""
_PLACES = ("item", "user", "place")
_KINDS = ("category", "number")


class Fact(NamedTuple):
    """A column that is told, of what it is one, and as what it is told where its type shall not decide."""

    of: Literal["item", "user", "place"]
    told: Literal["category", "number"] | None
    column: str


def fact_of(text: str) -> Fact:
    """`price`, `category:author_id`, `user:age`, `place:number:position` as what it means."""
    of, told, column = "item", None, text
    head, _, rest = column.partition(":")
    if rest and head in _PLACES:
        of, column = head, rest
    head, _, rest = column.partition(":")
    if rest and head in _KINDS:
        told, column = head, rest
    return Fact(cast("Literal['item']", of), cast("Literal['number'] | None", told), column)


def _unique(texts: tuple[str, ...]) -> tuple[str, ...]:
    names = [(fact.of, fact.column) for fact in map(fact_of, texts)]
    if len(set(names)) < len(names):
        raise PydanticCustomError("facts", "the same column is named twice")
    return texts


Facts = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: tuple(one.strip() for one in value.split(",")) if isinstance(value, str) else value),
    AfterValidator(_unique),
]
"""Columns of the catalog, or of the users as `user:COLUMN`, or of what was shown as `place:COLUMN`. Text, lists, truth
values and whole numbers are categories and other numbers are numbers; `number:COLUMN` and `category:COLUMN` (behind
`user:` or `place:`) say otherwise."""


@dataclass(frozen=True)
class Told:
    """The fields of a schema and their values, by name of the field; `notes` say what was taken as missing."""

    fields: tuple[Field, ...]
    items: Mapping[str, Num[np.ndarray, " items"]]
    users: Mapping[str, Num[np.ndarray, " users"]]
    places: Mapping[str, Num[np.ndarray, " events"]]
    notes: tuple[str, ...] = ()


def well_known(catalog: Catalog) -> tuple[str, ...]:
    """The column that says what kind of item it is, where there is one."""
    return next(((f"category:{name}",) for name in CATEGORIES if name in catalog.table.columns), ())


def documented(catalog: Catalog, log: InteractionLog) -> tuple[str, ...]:
    """What is told unless facts are named: the kind of item, and of a known family the columns that its description
    calls categories."""
    known = {"item": set(catalog.table.columns), "user": set(log.users.columns), "place": set(log.columns)}
    found = list(well_known(catalog))
    for marks, facts in FAMILIES:
        if all(mark.column in known[mark.of] for mark in map(fact_of, marks)):
            found += [fact for fact in facts if (one := fact_of(fact)).column in known[one.of]]
    return tuple(found)


def offered(facts: Sequence[str], catalog: Catalog, log: InteractionLog) -> list[str]:
    """Further columns that could be told, as `split.facts` names them."""
    told = {(fact.of, fact.column) for fact in map(fact_of, facts)}
    columns = [("item", name) for name in catalog.table.columns if name not in ("item_id", "title", "description")]
    columns += [("user", name) for name in log.users.columns if name != "user_id"]
    columns += [("place", name) for name in log.columns if name != "request"]
    return [name if of == "item" else f"{of}:{name}" for of, name in columns if (of, name) not in told]


def read_facts(
    facts: Sequence[str],
    catalog: Catalog,
    log: InteractionLog,
    words: Mapping[str, Sequence[str]],
    *,
    fewest: int,
    name: str,
) -> Told:
    """The facts by name.

    Categories are numbered in their own order from 1 on; 0 stands for unknown ones and for those that fewer than
    `fewest` items, users or events share. Numbers are standardised over all items, users or events that have one.

    Raises:
        DataError: there is no such column, or it is not a number and was to be told as one.
    """
    fields: list[Field] = []
    notes: list[str] = []
    values: dict[str, dict[str, np.ndarray]] = {"item": {}, "user": {}, "place": {}}
    for fact in map(fact_of, facts):
        column, number = _column(fact, catalog, log, words, name)
        if number and not column.dtype.is_numeric():
            ids = {"item": catalog.ids, "user": log.users["user_id"]}.get(fact.of)
            column, note = _numbers(column, fact, ids, name)
            notes += [note] if note else []
        found, size = (_standard(column), 0) if number else _codes(column, fewest)
        if fact.of == "place" and size:
            found = found.astype(np.int32)  # there are many places
        field = Field(fact.column.replace(".", "_"), fact.of, size)
        fields.append(field)
        values[fact.of][field.name] = found
    return Told(tuple(fields), values["item"], values["user"], values["place"], tuple(notes))


def _column(
    fact: Fact, catalog: Catalog, log: InteractionLog, words: Mapping[str, Sequence[str]], name: str
) -> tuple[pl.Series, bool]:
    """The values of a column, and whether they are told as numbers."""
    table = {"item": catalog.table, "user": log.users}.get(fact.of)
    known = list(log.columns) if table is None else table.columns
    if fact.column not in known:
        where = {"item": "the catalog has", "user": "users have", "place": "what was shown has"}[fact.of]
        raise DataError(
            f"{name}: {where} no column '{fact.column}' to be told of{nearest(fact.column, known)} The columns are: "
            f"{', '.join(known) or 'none'}."
        )
    meant = words.get(fact.column) if table is None else None
    if table is not None:
        column = table[fact.column]
    else:
        array = np.asarray(log.columns[fact.column])
        column = (
            pl.Series(fact.column, np.where(array < 0, 0, array + 1)).replace(0, None)
            if meant
            else pl.Series(fact.column, array)
        )
    if column.dtype.is_float():
        column = column.fill_nan(None)
    number = _is_number(column, counted=table is None) if fact.told is None else fact.told == "number"
    if number and meant:
        raise DataError(
            f"{name}: '{fact.column}' was to be told as a number and has words such as {meant[0]!r}; write it without "
            "'number:'."
        )
    return column, number


def _is_number(column: pl.Series, *, counted: bool) -> bool:
    """Whether a column holds numbers and not whole ones, which are categories.

    A log keeps whole numbers as fractions where one is missing (`counted`); tables keep their types.
    """
    if not column.dtype.is_float():
        return False
    told = column.drop_nulls()
    whole = counted and 0 < len(told) < len(column) and bool((told == told.floor()).all())
    return not whole


def _numbers(column: pl.Series, fact: Fact, ids: pl.Series | None, name: str) -> tuple[pl.Series, str]:
    """Text as the numbers that it spells, and what is to be said of values that are missing.

    Raises:
        DataError: a value is no number.
    """
    if column.dtype != pl.String:
        shown = column.drop_nulls()[:1].to_list()
        raise DataError(
            f"{name}: '{fact.column}' was to be told as a number and has values such as {shown}; write it without "
            "'number:'."
        )
    text = column.str.strip_chars()
    numbers = text.cast(pl.Float64, strict=False)
    numbers = numbers.set(~numbers.is_finite().fill_null(True), None)
    absent = text.str.to_lowercase().is_in(MISSING)
    wrong = numbers.is_null() & column.is_not_null() & ~absent
    if wrong.any():
        row = int(wrong.arg_max() or 0)
        whose = f" of {fact.of} {ids[row]!r}" if ids is not None else f" in row {row + 1:,}"
        raise DataError(
            f"{name}: '{fact.column}' was to be told as a number, and {column[row]!r}{whose} is none, as are "
            f"{int(wrong.sum()):,} of {len(column):,} values; mend them, or write it without 'number:'."
        )
    if not absent.any():
        return numbers, ""
    first = column[int(absent.arg_max() or 0)]
    return (
        numbers,
        f"'{fact.column}': {int(absent.sum()):,} of {len(column):,} values are {first!r} or the like: missing",
    )


def _codes(column: pl.Series, fewest: int) -> tuple[np.ndarray, int]:
    """The number of each value and how many numbers there are; 0 where there is none or it is rare."""
    if isinstance(column.dtype, pl.List):
        column = column.cast(pl.List(pl.String)).list.drop_nulls().list.join(" > ").replace("", None)
    if column.dtype.is_float():
        column = column.fill_nan(None)
    values = column.rename("value").to_frame()
    counts = values.drop_nulls().group_by("value").len().filter(pl.col("len") >= fewest).sort("value")
    counts = counts.select("value", pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("code"))
    codes = values.join(counts, on="value", how="left", maintain_order="left")["code"].fill_null(0)
    return codes.to_numpy(), counts.height + 1


def _standard(column: pl.Series) -> np.ndarray:
    """The values with mean 0 and deviation 1; 0 where there is none."""
    values = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    known = np.isfinite(values)
    mean, deviation = (values[known].mean(), values[known].std()) if known.any() else (0.0, 1.0)
    return np.where(known, (values - mean) / (deviation or 1.0), 0.0).astype(np.float32)
