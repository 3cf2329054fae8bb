"""What was shown and what was wanted: columns of zeros and ones that say which rows of a log count."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from segue.core.errors import DataError
from segue.core.tables import Dataset
from segue.data.preparation import ALL
from segue.data.sources.raw_log import RawLog

TAKEN = (
    "click", "clicked", "clicks", "purchase", "purchased", "buy", "bought", "order", "ordered", "conversion",
    "converted", "booking", "booked", "taken", "chosen", "consumed", "label",
)  # fmt: skip
"""Columns that can only mean that the item was taken, also with `is_`, `was_` or `has_` before them."""
PERHAPS = (
    "like", "liked", "favorite", "favourite", "fav", "follow", "followed", "share", "shared", "forward", "comment",
    "collect", "save", "saved", "wishlist", "cart", "add_to_cart", "long_view", "finish", "finished", "complete",
    "completed", "watched", "played", "download", "subscribe", "upvote", "thumbs_up", "positive", "engaged",
)  # fmt: skip
"""Columns that may mean it: an item that was not liked may have been taken all the same."""
DISLIKES = (
    "hate", "dislike", "disliked", "skip", "skipped", "not_interested", "negative", "negative_feedback", "report",
    "reported", "block", "blocked", "unfollow", "unsubscribe", "hide", "hidden", "downvote", "thumbs_down", "bounce",
    "returned", "refund", "refunded", "cancelled", "canceled",
)  # fmt: skip
"""Columns of dislike, which never say what was wanted."""


@dataclass(frozen=True)
class Flags:
    """The columns with both zeros and ones and nothing else, by what their names can mean."""

    taken: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()
    dislikes: tuple[str, ...] = ()

    @property
    def positive(self) -> tuple[str, ...]:
        """Those that may say what was wanted."""
        return self.taken + self.perhaps


def flags_of_log(raw: RawLog) -> Flags:
    """The flags of a log that is not read yet: its rows are looked at until each column has shown both values."""
    names = _named(name for name, kind in raw.further.items() if kind == "number")
    seen: dict[str, set[float]] = {name: set() for name in names}
    if seen:
        for batch in raw.read(list(seen), _AT_ONCE):
            for name, values in seen.items():
                values.update(_values(batch[name]))
            if all(len(values) > 1 for values in seen.values()):
                break
    return _sorted({name: seen[name] for name in names})


def flags_of(dataset: Dataset) -> Flags:
    """The flags of the events of a dataset."""
    log = dataset.log
    return _sorted({name: _values(pl.Series(np.asarray(log.columns[name]))) for name in _named(log.columns)})


def positive_of(flags: Flags, where: str) -> str | None:
    """The condition of the events that count: of the one column that can only mean taken; none where no column may.

    Raises:
        DataError: several columns could mean it, or one that may mean it or not.
    """
    if len(flags.taken) == 1:
        return f"{flags.taken[0]} == 1"
    if not flags.positive:
        return None
    many = len(flags.positive) > 1
    columns = ", ".join(flags.positive)
    never = f" ({', '.join(flags.dislikes)} never: that is dislike)" if flags.dislikes else ""
    raise DataError(
        f"{where}: the column{'s' if many else ''} {columns} of zeros and ones {'each ' if many else ''}could say what "
        f"users wanted{never}, and nobody named {'one' if many else 'it'}. Say which rows count: --set "
        f'data.positive="{flags.positive[0]} == 1"{", or another of them" if many else ""}, or --set '
        f"data.positive={ALL} where every row is something wanted."
    )


def _named(names: Iterable[str]) -> list[str]:
    return [name for name in names if _plain(name) in _MEANINGS and re.fullmatch(r"[\w.\-]+", name)]


def _values(column: pl.Series) -> set[float]:
    return set(column.cast(pl.Float64).fill_nan(None).drop_nulls().unique().head(3).to_list())


def _sorted(seen: dict[str, set[float]]) -> Flags:
    both = [name for name, values in seen.items() if values == {0.0, 1.0}]
    kinds = {kind: tuple(name for name in both if _MEANINGS[_plain(name)] == kind) for kind in _LISTS}
    return Flags(kinds["taken"], kinds["perhaps"], kinds["dislikes"])


def _plain(name: str) -> str:
    """`isClick`, `Is Click` and `is_click` as `click`."""
    word = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    word = re.sub(r"[^a-z0-9]+", "_", word.lower()).strip("_")
    return re.sub(r"^(is|was|has|did)_", "", word)


_AT_ONCE = 100_000
_LISTS = {"taken": TAKEN, "perhaps": PERHAPS, "dislikes": DISLIKES}
_MEANINGS = {word: kind for kind, words in _LISTS.items() for word in words}
