"""From a raw log to a dataset on disk: read in batches, group by user, order, filter, write."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from segue.core.errors import DataError
from segue.core.shapes import Int
from segue.core.tables import Dataset
from segue.data.events import Intake, Span, in_order, without_repeats
from segue.data.ids import TakenFirst
from segue.data.k_core import k_core
from segue.data.preparation import Preparation
from segue.data.shelf import Piece, Shelf
from segue.data.sources import open_log
from segue.data.sources.raw_log import RawLog
from segue.data.store import DatasetWriter, LogWriter, load, new_folder

log = logging.getLogger(__name__)

Progress = Callable[[str, float | None], None]
"""Is told the stage and, where known, the share of it that is done."""

_MOST_ROWS = 1_000_000
_HASHED_BYTES = 200_000_000
_MOST_WORDS = 100_000
_PLAIN_NAMES = ("u", "ratings", "interactions", "sequences", "raw", "data", "log", "events", "reviews")


def prepare(
    preparation: Preparation,
    out: Path,
    progress: Progress | None = None,
    *,
    replace: bool = False,
    name: str | None = None,
) -> Dataset:
    """Reads the log that `preparation` names, writes it to the folder `out`, and gives it back mapped from there.

    Args:
        replace: a prepared dataset that is in `out` already gives way.
        name: what the dataset is called; the name of `out` without.

    Raises:
        DataError: the log cannot be read, or nothing is left of it; `out` is untouched then.
    """
    raw = open_log(Path(preparation.path), preparation.asked, preparation.source, preparation.history)
    tell = progress or (lambda stage, share: None)
    with new_folder(out, replace=replace) as draft:
        kitchen = _Kitchen(preparation, raw, draft / "work", tell)
        kitchen.read()
        kitchen.group()
        kitchen.order()
        kitchen.filter()
        kitchen.write(draft, name or out.name)
        kitchen.work.rmdir()
    for note in kitchen.notes:
        log.info("%s: %s", out.name, note)
    return load(out)


@dataclass
class _Kitchen:
    """The state between the steps. Events lie on shelves, which go to disk when memory does not suffice."""

    preparation: Preparation
    raw: RawLog
    work: Path
    tell: Progress
    dropped: dict[str, int] = field(default_factory=dict)
    shown: int = 0

    def __post_init__(self) -> None:
        clauses = self.preparation.clauses
        self.raw.check_columns([clause.column for clause in clauses])
        asked = {clause.column for clause in clauses}
        kinds = {name: kind for name, kind in self.raw.further.items() if kind != "text" or name in asked}
        self.intake = Intake(self.raw.timed, self.raw.ordered, kinds, clauses)
        self.exposed = bool(clauses)
        self.notes: list[str] = list(self.raw.notes)
        limit = self.preparation.memory_gb
        self.budget = limit * 1e9 if limit else 0.5 * free_memory()
        self.work.mkdir()
        # Beside the shelf there are the batch that is read, its copy in order, and one mask.
        self.arrivals = Shelf(self.work / "arrivals", self.intake.dtypes, 0.5 * self.budget)
        self.rows = int(np.clip(self.budget / (16 * self.arrivals.row_bytes), 1_000, _MOST_ROWS))

    def read(self) -> None:
        """Pass one: the batches, numbered, in the order they came."""
        total = sum(file.stat().st_size for file in self.raw.files)
        self.tell(f"reading {total / 1e6:,.0f} MB", None)
        self.batches = 0
        for batch in self.raw.read(list(self.intake.kinds), self.rows):
            piece = self.intake.take(batch)
            if len(piece["user"]):
                self.arrivals.put(self.batches, piece)
                self.batches += 1
        intake = self.intake
        self.notes += self.raw.afterwards()
        if intake.incomplete:
            if intake.untimed * 2 > intake.rows:
                raise DataError(
                    f"{self.raw.files[0]}: {intake.untimed:,} of {intake.rows:,} rows have no time. Name another "
                    "column with time=..., or pass time=none to go by the order of the rows."
                )
            self.dropped["incomplete"] = intake.incomplete
            self.notes.append(
                f"{intake.incomplete:,} rows lack a user, an item or a time and were dropped "
                f"(first: data row {intake.first_incomplete:,} of {self.raw.files[0].name})"
            )
        if intake.negative:
            self.dropped["not positive"] = intake.negative
        if not intake.users.taken:
            what = f"none of its {intake.rows:,} rows is a whole event" + (
                f" with {self.preparation.positive}" if self.preparation.positive else ""
            )
            raise DataError(f"{self.raw.files[0]}: {what}.")

    def group(self) -> None:
        """Pass two: the events of neighbouring users side by side, as many users a group as fit a batch."""
        self.tell("grouping by user", None)
        settled, self.users = self.intake.settle(), self.intake.users.taken
        counts = np.zeros(self.users, dtype=np.int64)
        for place in range(self.batches):
            user = settled(self.arrivals.get(place, ["user"]))["user"]
            counts += np.bincount(user[user < self.users], minlength=self.users)
        group_of = (np.cumsum(counts) - counts) // self.rows
        group_of = np.unique(group_of, return_inverse=True)[1].astype(
            np.uint16 if group_of.max() < 65_536 else np.int64
        )
        self.groups = int(group_of.max()) + 1
        limit = 0.0 if self.arrivals.on_disk else self.arrivals.limit
        self.shelf = Shelf(self.work / "groups", self.intake.dtypes, limit)
        self.spans = {name: Span() for name in self.intake.kept}
        self.shown_spans = {name: Span() for name in self.intake.kept}
        for place in range(self.batches):
            piece = settled(self.arrivals.take(place))
            known = piece["user"] < self.users
            if not known.all():  # somebody who took nothing is not in the dataset
                piece = {name: values[known] for name, values in piece.items()}
            for name, span in self.spans.items():
                values = piece[f"column:{name}"]
                span.see(values[piece["taken"]] if self.exposed else values)
                self.shown_spans[name].see(values)
            groups = group_of[piece["user"]]
            order = np.argsort(groups, kind="stable")  # of 16-bit numbers a radix sort
            bounds = np.searchsorted(groups[order], np.arange(self.groups + 1))
            for group in np.flatnonzero(np.diff(bounds)):
                rows = order[bounds[group] : bounds[group + 1]]
                self.shelf.put(int(group), {name: values[rows] for name, values in piece.items()})
        self.arrivals.folder.rmdir()

    def order(self) -> None:
        """Each user's events by time, and the repeats out of the log."""
        key = "order" if self.raw.ordered else "time" if self.raw.timed else None
        repeats = backwards = 0
        self.sorted = Shelf(self.work / "sorted", self.intake.dtypes, 0.0 if self.shelf.on_disk else self.shelf.limit)
        for group in range(self.groups):
            self.tell("ordering by time", group / self.groups)
            piece = self.shelf.take(group)
            order = in_order(piece, key)
            piece = {name: values[order] for name, values in piece.items()}
            if self.raw.ordered and self.raw.timed:
                backwards += int(((np.diff(piece["time"]) < 0) & (np.diff(piece["user"]) == 0)).sum())
            if self.preparation.duplicates != "keep":
                before = len(self._taken(piece))
                piece = self._without_repeats(piece)
                repeats += before - len(self._taken(piece))
            self.sorted.put(group, piece)
        self.shelf.folder.rmdir()
        if self.preparation.duplicates != "keep":
            self.dropped["repeated"] = repeats
        if backwards:
            self.notes.append(
                f"in {backwards:,} places the time goes back where the order column goes on; it was followed"
            )

    def _without_repeats(self, piece: Piece) -> Piece:
        policy = self.preparation.duplicates
        if policy == "exact" or not self.exposed:
            stays = without_repeats(piece, policy)
            return {name: values[stays] for name, values in piece.items()}
        # What was shown twice was shown twice, though it counts but once.
        taken, counts = self._taken(piece), np.zeros(len(piece["user"]), dtype=bool)
        counts[taken[without_repeats({name: values[taken] for name, values in piece.items()}, policy)]] = True
        return piece | {"taken": counts}

    def filter(self) -> None:
        """Users and items with too few events, until none is left."""
        self.tell("filtering", None)
        core = self.preparation.core

        def pairs(group: int) -> tuple[np.ndarray, np.ndarray]:
            piece = self.sorted.get(group, ["user", "item", *(["taken"] if self.exposed else [])])
            taken = self._taken(piece)
            return piece["user"][taken], piece["item"][taken]

        self.stays, self.user_counts, self.item_counts = k_core(
            pairs,
            range(self.groups),
            users=self.users,
            items=len(self.intake.items),
            user_core=core if self.preparation.user_core is None else self.preparation.user_core,
            item_core=core if self.preparation.item_core is None else self.preparation.item_core,
        )
        self.events = int(self.user_counts.sum())
        falls = sum(len(mask) for mask in self.stays) - self.events
        if falls:
            self.dropped["below the core"] = falls
        if not self.events:
            raise DataError(
                f"{self.raw.files[0]}: no user and item have that many events with each other (core={core}"
                f", user_core={self.preparation.user_core}, item_core={self.preparation.item_core}); ask for fewer."
            )

    def write(self, draft: Path, name: str) -> None:
        """Arrays, tables, manifest."""
        catalog = self._catalog()
        rows = _rows(self.intake.items.ids(), catalog["item_id"])
        shown = self._count_shown(rows) if self.exposed else None
        writer = DatasetWriter(draft, events=self.events, exposures=None if shown is None else int(shown[-1]))
        self._open(writer.log, self.spans)
        if writer.exposures is not None:
            self._open(writer.exposures, self.shown_spans)
        for group in range(self.groups):
            self.tell("writing", group / self.groups)
            piece, stays = self.sorted.take(group), self.stays[group]
            piece["item"] = rows[piece["item"]]
            self._put(writer.log, piece, self._taken(piece)[stays])
            if writer.exposures is not None:
                self._put(writer.exposures, piece, self._left(piece))
        self.sorted.folder.rmdir()
        self.tell("writing the tables", None)
        writer.finish(
            name, _offsets(self.user_counts[self.user_counts > 0]), self._users(), catalog, self._origin(), shown
        )

    def _open(self, writer: LogWriter, spans: Mapping[str, Span]) -> None:
        writer.open("items", np.int32)
        if self.raw.timed:
            writer.open("timestamps", np.int64)
        for column, span in spans.items():
            writer.open(column, span.dtype)

    def _put(self, writer: LogWriter, piece: Piece, chosen: Int[np.ndarray, " events"]) -> None:
        writer.write("items", piece["item"][chosen])
        if self.raw.timed:
            writer.write("timestamps", piece["time"][chosen] // self.raw.ticks)
        for column in self.intake.kept:
            writer.write(column, piece[f"column:{column}"][chosen])

    def _taken(self, piece: Piece) -> Int[np.ndarray, " events"]:
        """The rows of a piece that the log may have."""
        return np.flatnonzero(piece["taken"]) if self.exposed else np.arange(len(piece["user"]))

    def _left(self, piece: Piece) -> Int[np.ndarray, " events"]:
        """The rows of a piece, with items as rows of the catalogue or -1, whose user and item are in the dataset."""
        return np.flatnonzero((self.user_counts[piece["user"]] > 0) & (piece["item"] >= 0))

    def _count_shown(self, rows: Int[np.ndarray, " items"]) -> Int[np.ndarray, " bounds"]:
        """Where the exposures of each user will begin."""
        counts = np.zeros(self.users, dtype=np.int64)
        for group in range(self.groups):
            piece = self.sorted.get(group, ["user", "item"])
            piece["item"] = rows[piece["item"]]
            counts += np.bincount(piece["user"][self._left(piece)], minlength=self.users)
        self.shown = int(counts.sum())
        return _offsets(counts[self.user_counts > 0])

    def _users(self) -> pl.DataFrame:
        ids = self.intake.users.ids()[: self.users].filter(pl.Series(self.user_counts > 0))
        return _joined(pl.DataFrame({"user_id": ids}), self.raw.users(), "user_id")

    def _catalog(self) -> pl.DataFrame:
        listed = np.flatnonzero(self.item_counts > 0)
        if self.exposed and self.preparation.keep_shown:
            listed = np.concatenate([listed, self._only_shown()])
        ids = pl.DataFrame({"item_id": self.intake.items.ids().gather(listed)})
        known = self.raw.items(None if self.preparation.keep_unseen else ids["item_id"].to_list())
        if known is None:
            return ids
        lacking = ids.height - ids.join(known, on="item_id", how="semi").height
        if lacking:
            self.notes.append(f"{lacking:,} of {ids.height:,} items are not in the item file")
        if self.preparation.keep_unseen:
            unseen = known.join(ids, on="item_id", how="anti", maintain_order="left").select("item_id")
            ids = pl.concat([ids, unseen.unique(maintain_order=True)])
        return _joined(ids, known, "item_id")

    def _only_shown(self) -> Int[np.ndarray, " items"]:
        """Items that the users left were shown, and that are not in the log."""
        counts = np.zeros(len(self.item_counts), dtype=np.int64)
        for group in range(self.groups):
            piece = self.sorted.get(group, ["user", "item"])
            counts += np.bincount(piece["item"][self._left(piece)], minlength=len(counts))
        return np.flatnonzero((counts > 0) & (self.item_counts == 0))

    def _origin(self) -> dict[str, Any]:
        settings = {name: value for name, value in self.preparation.dump().items() if name not in ("kind", "memory_gb")}
        exposures = {"events": self.shown, "left out": self.intake.rows - self.intake.incomplete - self.shown}
        return {
            "settings": settings,
            "source": self.raw.source,
            "why": self.raw.why,
            "files": [file_identity(file) for file in self.raw.files],
            "rows": self.intake.rows,
            "dropped": self.dropped,
            **({"exposures": exposures} if self.exposed else {}),
            "ties": "by time; events of equal time in the order of the source"
            if not self.raw.ordered
            else "by the order column",
            "ordered": "order column" if self.raw.ordered else "time" if self.raw.timed else "rows",
            "columns": [column._asdict() for column in self.raw.columns],
            "words": {name: words.ids().to_list() for name, words in self.intake.words.items() if _listed(name, words)},
            "notes": self.notes,
        }


def _listed(name: str, words: TakenFirst) -> bool:
    """Whether the words of a column are told: of requests, which may be as many as events, only that they differ."""
    return name != "request" or len(words) <= _MOST_WORDS


def file_identity(file: Path, *, content: bool = True) -> dict[str, Any]:
    """What tells a file from a changed one: its sha256, or for a large file its size and time of change."""
    stat = file.stat()
    identity: dict[str, Any] = {"path": str(file), "bytes": stat.st_size}
    if not content or stat.st_size > _HASHED_BYTES:
        return identity | {"modified_ns": stat.st_mtime_ns}
    with file.open("rb") as stream:
        return identity | {"sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def readable_name(path: Path) -> str:
    """A name for the data at `path`: 'ml-100k' for ml-100k/raw/u.data, 'my_log' for my_log.csv.gz."""
    for part in (path, *path.absolute().parents):
        word = part.name if part.is_dir() else part.name.split(".")[0]
        if word and not set(word) & set("*?[") and word.lower() not in _PLAIN_NAMES:
            return word
    return "data"


def free_memory() -> float:
    """Bytes of memory that are free, by the operating system's word."""
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (ValueError, OSError, AttributeError):
        return 4e9


def _rows(ids: pl.Series, catalog: pl.Series) -> Int[np.ndarray, " ids"]:
    """Where each id is in the catalogue; -1 for those that are not."""
    known = pl.DataFrame({"id": catalog, "row": np.arange(len(catalog), dtype=np.int32)})
    found = pl.DataFrame({"id": ids}).join(known, on="id", how="left", maintain_order="left")["row"]
    return found.fill_null(-1).to_numpy()


def _offsets(counts: Int[np.ndarray, " users"]) -> Int[np.ndarray, " bounds"]:
    return np.concatenate([[0], np.cumsum(counts)])


def _joined(ids: pl.DataFrame, known: pl.DataFrame | None, key: str) -> pl.DataFrame:
    if known is None:
        return ids
    known = known.unique(key, keep="first", maintain_order=True)
    return ids.join(known, on=key, how="left", maintain_order="left")
