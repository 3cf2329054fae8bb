"""What a run has learnt from: enough to know its log again, also when it has grown, and which events were learnt.

Kept beside the weights as a handful of numbers a user. An event is known by its item, its time and its place among the
events of its user; facts about events, users and items are not looked at.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch

from segue.core import checkpoint
from segue.core.errors import DataError, RunError
from segue.core.impressions import RankingSplit
from segue.core.shapes import Bool, Int
from segue.core.tables import Catalog, Dataset, InteractionLog, Split

FILE = "learnt.safetensors"
"""In a run folder, and in a folder of codes that were learnt from events."""
AT_ONCE = 2_000_000
"""Events that are looked at together."""


@dataclass(frozen=True)
class Learnt:
    """The log of a split as it was, and which of its events were learnt, by this run or by one that it began with."""

    data: str
    """Name of the data."""
    digest: str
    """Of the data; two datasets with one digest are the same, but for what was shown."""
    rule: str
    """How it was cut."""
    order: str
    """`taken`, `shown` (the log of what was shown), or `drawn` (an order of events that the split has drawn)."""
    users: Int[np.ndarray, " users"]
    """A hash of each user's id."""
    counts: Int[np.ndarray, " users"]
    """How many events each user had."""
    events: Int[np.ndarray, " users"]
    """A hash of these events, in their order."""
    windows: Int[np.ndarray, "windows 2"]
    """Where what was learnt begins and ends in the log as it was; each window lies within one user, none touch."""

    @classmethod
    def of(cls, split: Split) -> Learnt:
        """What is learnt from a split."""
        order, log = _log_of(split)
        counts = np.diff(log.offsets)
        windows = np.stack([split.train.starts, split.train.ends], axis=1).astype(np.int64)
        if isinstance(split, RankingSplit):
            asked = split.learnt.events[split.learnt.events >= 0]
            windows = np.concatenate([windows, np.stack([asked, asked + 1], axis=1)])
        return cls(
            data=split.dataset.name,
            digest=split.dataset.digest,
            rule=split.rule,
            order=order,
            users=_hashed(log.users["user_id"]),
            counts=counts,
            events=_prefixes(log, split.catalog, counts),
            windows=_merged(windows, log.offsets),
        )

    def write(self, path: Path) -> None:
        """Write it to a file, whole or not at all."""
        state = {"data": self.data, "digest": self.digest, "rule": self.rule, "order": self.order}
        arrays = {"users": self.users, "counts": self.counts, "events": self.events, "windows": self.windows}
        tensors = {name: torch.from_numpy(np.ascontiguousarray(array, np.int64)) for name, array in arrays.items()}
        checkpoint.write(path, tensors, state)

    @classmethod
    def read(cls, path: Path) -> Learnt:
        """What `write` wrote.

        Raises:
            RunError: the file is missing or damaged.
        """
        tensors, state = checkpoint.read(path)
        try:
            data, digest, rule, order = (str(state[name]) for name in ("data", "digest", "rule", "order"))
            users, counts, events, windows = (
                tensors[name].numpy() for name in ("users", "counts", "events", "windows")
            )
        except KeyError as error:
            raise RunError(f"{path} has no {error}, so it does not say what was learnt; fit the run again.") from None
        return cls(data, digest, rule, order, users, counts, events, windows)

    def differs_from(self, log: InteractionLog, catalog: Catalog) -> str | None:
        """What a log lacks to be this one, or a longer one of the same events; None where it is either."""
        rows = self._rows(log)
        gone = int((rows < 0).sum())
        if gone:
            return f"{gone:,} of the {len(rows):,} users it was fitted on are not there"
        had = np.diff(log.offsets)[rows]
        fewer = np.flatnonzero(had < self.counts)
        if len(fewer):
            who = log.users["user_id"][int(rows[fewer[0]])]
            return (
                f"{len(fewer):,} of the {len(rows):,} users it was fitted on have fewer events (user {who!r} had "
                f"{self.counts[fewer[0]]:,} and has {had[fewer[0]]:,})"
            )
        wanted = np.zeros(len(log.offsets) - 1, dtype=np.int64)
        wanted[rows] = self.counts
        other = np.flatnonzero(_prefixes(log, catalog, wanted)[rows] != self.events)
        if len(other):
            who = log.users["user_id"][int(rows[other[0]])]
            return (
                f"{len(other):,} of the {len(rows):,} users it was fitted on have other items, times or another order "
                f"among the events that were there (first: user {who!r})"
            )
        return None

    def grown_by(self, log: InteractionLog) -> int:
        """How many events a longer log has more."""
        return len(log) - int(self.counts.sum())

    def known_again(self, split: Split) -> str | None:
        """What the log of a split lacks to be this one or a longer one; None where it is either."""
        order, log = _log_of(split)
        if order != self.order:
            return f"the order of its events is the one {order}, and the run was fitted on the one {self.order}"
        differs = self.differs_from(log, split.catalog)
        drawn = differs is not None and order == "drawn"
        return (
            f"{differs}, for nobody knows their order, and another is drawn when the log changes" if drawn else differs
        )

    def among(self, split: Split, positions: Int[np.ndarray, " asked"]) -> Bool[np.ndarray, " asked"]:
        """Which of these events of a split were learnt; its log has to be `known_again`."""
        windows = self._placed(_log_of(split)[1])
        if not len(windows):
            return np.zeros(len(positions), dtype=bool)
        place = np.searchsorted(windows[:, 0], positions, side="right") - 1
        return (place >= 0) & (positions < windows[place, 1])

    def refuse_met(self, split: Split, name: str) -> None:
        """Whether somebody who has learnt this may take part in a split; `name` is what it is called.

        Raises:
            DataError: the log is neither this one nor a longer one, or events of the validation or test were learnt.
        """
        differs = self.known_again(split)
        if differs is not None:
            raise DataError(
                f"{name} was fitted on other data: {differs}. Name one that was fitted on the same data, prepared with "
                "the same settings, or on an earlier part of them."
            )
        met = []
        for part, asked in zip(("validation", "test"), asked_of(split), strict=True):
            if some := int(self.among(split, asked).sum()):
                met.append(f"{some:,} of the {len(asked):,} events of the {part}")
        if met:
            raise DataError(
                f"{name} has learnt {' and '.join(met)}, so no number measured here could be believed: it was fitted "
                f"with '{self.rule}', and this split is '{split.rule}'. Name one that was fitted with this split."
            )

    def joined(self, earlier: Learnt, split: Split) -> Learnt:
        """The same with what an earlier run has learnt of the same log, or of a part of it; `self` is of this split."""
        log = _log_of(split)[1]
        windows = np.concatenate([self.windows, earlier._placed(log)])
        return replace(self, windows=_merged(windows, log.offsets))

    def _placed(self, log: InteractionLog) -> Int[np.ndarray, "windows 2"]:
        """Where what was learnt lies in a longer log."""
        before = np.append(0, np.cumsum(self.counts))
        owners = np.searchsorted(before, self.windows[:, 0], side="right") - 1
        moved = self.windows + (log.offsets[self._rows(log)[owners]] - before[owners])[:, None]
        return np.asarray(moved[np.argsort(moved[:, 0])])

    def _rows(self, log: InteractionLog) -> Int[np.ndarray, " users"]:
        """The row of each user in a log, -1 where there is none."""
        users = _hashed(log.users["user_id"])
        if np.array_equal(users[: len(self.users)], self.users):
            return np.arange(len(self.users))
        known, first = np.unique(users, return_index=True)
        place = np.searchsorted(known, self.users).clip(max=len(known) - 1)
        return np.where(known[place] == self.users, first[place], -1) if len(known) else np.full(len(self.users), -1)


def asked_of(split: Split) -> tuple[Int[np.ndarray, " validated"], Int[np.ndarray, " tested"]]:
    """Where the held-out events of a split lie in its log: those of validation and those of the test."""
    if isinstance(split, RankingSplit):
        validated, tested = split.validated.events, split.asked.events
        return validated[validated >= 0], tested[tested >= 0]
    return split.validation.targets.positions()[0], split.test.targets.positions()[0]


def other_catalog(ours: Catalog, theirs: Catalog) -> str | None:
    """What differs between the items of a run and those of its data, in words; None where they are the same."""
    one, other = ours.ids.cast(pl.String), theirs.ids.cast(pl.String)
    if one.equals(other):
        return None
    gone, new = (some.filter(~some.is_in(those.implode())) for some, those in ((one, other), (other, one)))
    if not len(gone) and not len(new):
        return f"the same {len(one):,} items are in another order"
    words = [
        f"{len(some):,} are {what} (first: {some[0]!r})" for some, what in ((gone, "gone"), (new, "new")) if len(some)
    ]
    return f"there are {len(other):,} items where it has {len(one):,}, {' and '.join(words)}"


def _log_of(split: Split) -> tuple[str, InteractionLog]:
    """The log that a split is made of windows of, and what its order is."""
    dataset = split.dataset
    if dataset.exposures is not None and split.train.items is dataset.exposures.items:
        return "shown", dataset.exposures
    return order_of(dataset), dataset.log


def order_of(dataset: Dataset) -> str:
    """Whether the order of a dataset's events was drawn by a split."""
    return "drawn" if dataset.origin.get("ordered") == "drawn" else "taken"


def _merged(windows: Int[np.ndarray, "some 2"], offsets: Int[np.ndarray, " bounds"]) -> Int[np.ndarray, "windows 2"]:
    """The same events as the fewest windows, none of which reaches from one user to another; sorted."""
    windows = windows[windows[:, 1] > windows[:, 0]]
    if not len(windows):
        return windows.reshape(0, 2)
    windows = windows[np.argsort(windows[:, 0], kind="stable")]
    starts, stops = windows[:, 0], np.maximum.accumulate(windows[:, 1])
    owners = np.searchsorted(offsets, starts, side="right")
    fresh = np.append(True, (starts[1:] > stops[:-1]) | (owners[1:] != owners[:-1]))
    first = np.flatnonzero(fresh)
    return np.stack([starts[first], stops[np.append(first[1:], len(starts)) - 1]], axis=1)


def _hashed(ids: pl.Series) -> Int[np.ndarray, " ids"]:
    """A number for each id, the same on any machine and with any version of any library."""
    words = (hashlib.blake2b(one.encode(), digest_size=8).digest() for one in ids.cast(pl.String).to_list())
    return np.frombuffer(b"".join(words), dtype="<i8").astype(np.int64)


def _prefixes(log: InteractionLog, catalog: Catalog, counts: Int[np.ndarray, " users"]) -> Int[np.ndarray, " users"]:
    """A hash of the first so many events of each user: the sum of one for each event and its place."""
    items = _hashed(catalog.ids).view(np.uint64)
    sums = np.zeros(len(counts), dtype=np.uint64)
    first = 0
    while first < len(counts):
        last = int(np.searchsorted(log.offsets, log.offsets[first] + AT_ONCE, side="right")) - 1
        last = min(max(last, first + 1), len(counts))
        begin, end = int(log.offsets[first]), int(log.offsets[last])
        bounds = np.asarray(log.offsets[first : last + 1]) - begin
        lengths = np.diff(bounds)
        places = np.arange(end - begin) - np.repeat(bounds[:-1], lengths)
        hashes = _mixed(items[log.items[begin:end]] ^ _mixed(_clock(log, begin, end)))
        hashes = _mixed(hashes + _mixed(places.view(np.uint64)))
        hashes[places >= np.repeat(counts[first:last], lengths)] = 0
        running = np.append(np.uint64(0), np.cumsum(hashes, dtype=np.uint64))
        sums[first:last] = running[bounds[1:]] - running[bounds[:-1]]
        first = last
    return sums.view(np.int64)


def _clock(log: InteractionLog, begin: int, end: int) -> np.ndarray:
    if log.timestamps is None:
        return np.zeros(end - begin, dtype=np.uint64)
    times = np.asarray(log.timestamps[begin:end])
    return times.astype(np.int64 if times.dtype.kind in "iu" else np.float64).view(np.uint64)


def _mixed(values: np.ndarray) -> np.ndarray:
    """Numbers of 64 bits stirred, so that sums of them tell sets apart (the finaliser of SplitMix64)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))
