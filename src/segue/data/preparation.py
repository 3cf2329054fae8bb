"""The settings of a preparation: what to read, which events count, what to leave out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, NonNegativeInt, PositiveFloat
from pydantic_core import PydanticCustomError

from segue.core.errors import SettingsError
from segue.core.part import Part
from segue.data.conditions import Clause, parse_condition
from segue.data.sources import SourceName

ALL = "all"
"""As `positive`: every row counts, whatever its columns say."""


def _readable(text: str | None) -> str | None:
    if text is not None and text != ALL:
        try:
            parse_condition(text)
        except SettingsError as error:
            raise PydanticCustomError("condition", "{why}", {"why": str(error)}) from None
    return text


class Preparation(Part):
    """How a raw log becomes a dataset.

    The steps, in this order: rows without user, item or time are dropped and counted; `positive` chooses the events
    that count; each user's events are put in order of time, and events of equal time stay in the order of the source;
    `duplicates` are resolved; users and items with too few events are dropped until all have enough.

    With `positive` the dataset has exposures too: all rows, taken or not, of the users and items that are left.
    """

    path: str
    """A file or folder: raw, or already prepared."""
    source: SourceName = "guess"
    """The family of the files."""
    user: str | None = None
    """Column of the user, where a guess would be wrong."""
    item: str | None = None
    """Column of the item."""
    time: str | None = None
    """Column of the time; 'none' to go by the order of the rows."""
    rating: str | None = None
    """Column of the rating; 'none' where a guess would find one wrongly."""
    time_format: str | None = None
    """How the time is written, where a guess would be wrong: s, ms, us, ns, iso, dmy, mdy, or a pattern such as
    '%d.%m.%Y %H:%M'."""
    decimal: Literal[".", ","] | None = None
    """The sign before the fraction of numbers in text; found for each column without."""
    header: bool | None = None
    """Whether the first line of a text file has names; found without."""
    order: str | None = None
    """Column of whole numbers that orders each user's events, instead of the time; 'none' to go by time."""
    positive: Annotated[str | None, AfterValidator(_readable)] = None
    """Which events count, such as `rating >= 4 and behavior == 'buy'`. The others are kept beside the log as what users
    were shown. With 'all' every row counts; so it does without, but `fit` then looks for a column that says what was
    taken, such as is_click."""
    core: NonNegativeInt = 0
    """Fewest events of a user and of an item, iterated until it holds for all."""
    user_core: NonNegativeInt | None = None
    """Fewest events of a user, where it differs from `core`."""
    item_core: NonNegativeInt | None = None
    """Fewest events of an item, where it differs from `core`."""
    duplicates: Literal["keep", "exact", "first", "last"] = "keep"
    """Of events with the same user and item keep all, or the first, or the last; 'exact' drops only full repeats, also
    among what was shown."""
    keep_unseen: bool = False
    """Keep items of the item file that no event has."""
    keep_shown: bool = False
    """Keep items that the users left were shown and that no event of the log has, where `positive` says what counts."""
    history: bool = False
    """Read users' earlier events too, where a file beside the log has them (`history.parquet` of KuaiRand): of them
    little is known but what was shown, so they belong to histories and rankers are not asked about them."""
    memory_gb: PositiveFloat | None = None
    """Memory for events in flight, in GB; beyond it they wait on disk. Without, half of what is free. The program
    itself and the tables of users and items come on top."""

    @property
    def clauses(self) -> list[Clause]:
        """What must hold of an event that counts; nothing where every row does."""
        return [] if self.positive in (None, ALL) else parse_condition(str(self.positive))

    @property
    def asked(self) -> dict[str, str | None]:
        """The columns named, by role, and what was said of how they are written."""
        named = {"user": self.user, "item": self.item, "time": self.time, "rating": self.rating, "order": self.order}
        header = None if self.header is None else str(self.header).lower()
        return {**named, "time_format": self.time_format, "decimal": self.decimal, "header": header}
