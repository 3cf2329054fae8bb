"""What Segue makes of a file, in the plain form that the tests compare: each user's items and times, in order."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from segue.core.errors import SegueError
from segue.core.tables import Dataset
from segue.data.preparation import Preparation
from segue.data.prepare import prepare

Histories = dict[str, list[tuple[str, int | None]]]
"""Of each user the items, oldest first, each with its whole Unix second (None without clock times)."""


@dataclass(frozen=True)
class Refusal:
    """The words of an error that was meant for the user."""

    text: str


def histories_of(dataset: Dataset) -> Histories:
    """A prepared dataset in the plain form."""
    log, found = dataset.log, Histories()
    items = dataset.catalog.ids.gather(log.items).to_list()
    times = [None] * len(log) if log.timestamps is None else [int(time) for time in log.timestamps]
    for row, user in enumerate(log.users["user_id"].to_list()):
        begin, end = int(log.offsets[row]), int(log.offsets[row + 1])
        found[user] = list(zip(items[begin:end], times[begin:end], strict=True))
    return found


def prepared_or_refusal(path: Path, out: Path, settings: Mapping[str, object] | None = None) -> Dataset | Refusal:
    """The file as a dataset in the folder `out`, which must not exist, or the words with which it is refused."""
    try:
        return prepare(Preparation.parse({"path": str(path), **(settings or {})}), out)
    except SegueError as error:
        return Refusal(str(error))


def read_with_segue(path: Path, out: Path, settings: Mapping[str, object] | None = None) -> Histories | Refusal:
    """The histories in a file, or the words with which it is refused; `out` is gone afterwards."""
    found = prepared_or_refusal(path, out, settings)
    try:
        return found if isinstance(found, Refusal) else histories_of(found)
    finally:
        shutil.rmtree(out, ignore_errors=True)
