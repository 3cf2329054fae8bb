"""Which column is the user, the item, the time: by the names people give them, then by type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.suggest import nearest
from segue.data.sources.values import looks_like

USER = ("user_id", "userid", "user", "uid", "reviewerid", "customer_id", "customerid", "visitorid", "visitor_id",
        "member_id", "session_id", "sessionid", "account_id", "person_id")  # fmt: skip
ITEM = ("item_id", "itemid", "item", "iid", "parent_asin", "asin", "movieid", "movie_id", "video_id", "videoid",
        "product_id", "productid", "business_id", "venue_id", "venueid", "track_id", "song_id", "book_id", "article_id",
        "news_id", "isbn", "gmap_id", "anime_id", "recipe_id", "movie", "product", "video")  # fmt: skip
TIME = ("time_ms", "timestamp_ms", "timestamp", "time", "unixreviewtime", "ts", "date", "datetime", "event_time",
        "created_at", "reviewtime", "unix_time", "utc_time", "time_stamp")  # fmt: skip
RATING = ("rating", "overall", "stars", "score", "rate")
ORDER = ("position", "order")


@dataclass(frozen=True)
class Columns:
    """The names, in the file, of the columns that have a meaning of their own; None where there is none."""

    user: str
    item: str
    time: str | None = None
    rating: str | None = None
    order: str | None = None


def choose(sample: pl.DataFrame, asked: Mapping[str, str | None], *, where: str, named: bool = True) -> Columns:
    """The columns asked for, and for the rest the ones whose names, or else types, fit.

    Args:
        asked: what the person named, by role; the word 'none' means that there is no such column.
        named: the file has names of its own; without, only types and places can tell.

    Raises:
        DataError: a column asked for is not there, or user and item cannot be told.
    """
    names = sample.columns
    found: dict[str, str | None] = {}
    for role, name in asked.items():
        if name is not None and name.lower() != "none" and name not in names:
            raise DataError(
                f"{where}: there is no column '{name}' (asked for as {role}){nearest(name, names)} "
                f"The columns are: {', '.join(names)}."
            )
        found[role] = name if name is None or name in names else None
    refused = {role for role, name in asked.items() if name is not None and name.lower() == "none"}
    taken = {name for name in found.values() if name}
    for role, known in (("user", USER), ("item", ITEM), ("time", TIME), ("rating", RATING)):
        if not found.get(role) and role not in refused:
            found[role] = _by_name(names, known, taken) if named else None
            taken |= {found[role]} if found[role] else set()  # type: ignore[arg-type]
    if not named or not (found["user"] and found["item"]):
        _by_type(sample, found, refused, taken, where)
    if not (found["user"] and found["item"]):
        missing = " and ".join(role for role in ("user", "item") if not found[role])
        raise DataError(
            f"{where}: cannot tell which column is the {missing}; the columns are: {', '.join(names)}. "
            f"Name it, for example user={names[0]} item={names[min(1, len(names) - 1)]}."
        )
    return Columns(
        user=str(found["user"]),
        item=str(found["item"]),
        time=found.get("time"),
        rating=found.get("rating"),
        order=found.get("order"),
    )


def _by_name(names: Sequence[str], known: Sequence[str], taken: set[str]) -> str | None:
    plain = {name.lower().strip().replace(" ", "_").replace("-", "_"): name for name in reversed(names)}
    for word in known:
        if word in plain and plain[word] not in taken:
            return plain[word]
    return None


def _by_type(
    sample: pl.DataFrame, found: dict[str, str | None], refused: set[str], taken: set[str], where: str
) -> None:
    """Without names: the first two columns that could be ids, an epoch-like column, a small number beside them.

    Only when the file has few columns; in a wide table a guess by type is a wrong guess.
    """
    free = [name for name in sample.columns if name not in taken]
    kinds = {name: looks_like(sample[name]) for name in free}
    if len(sample.columns) > 6:
        return
    for name in free:
        if not found.get("time") and "time" not in refused and _epoch_like(sample[name], kinds[name]):
            found["time"] = name
            kinds.pop(name)
            break
    for role in ("user", "item"):
        for name in [name for name in free if name in kinds]:
            if not found.get(role) and kinds[name] in ("integer", "text"):
                found[role] = name
                kinds.pop(name)
    for name in [name for name in free if name in kinds]:
        small = kinds[name] in ("integer", "number") and sample[name].cast(pl.Float64, strict=False).is_between(0, 100)
        if not found.get("rating") and "rating" not in refused and small is not False and bool(small.all()):
            found["rating"] = name


def _epoch_like(values: pl.Series, kind: str) -> bool:
    """Between 1985 and 2065, in any unit."""
    if kind == "time":
        return True
    if kind not in ("integer", "number"):
        return False
    size = values.cast(pl.Float64, strict=False).drop_nulls()
    return any(bool(size.is_between(4.7e8 * unit, 3e9 * unit).all()) for unit in (1, 1e3, 1e6, 1e9))
