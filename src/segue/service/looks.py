"""What was read out of run folders and is worth keeping, a few results of a kind, while the files stay as they are."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Request

from segue.core.tokenizing import FittedTokenizer
from segue.evaluation.report import PER_USER, REPORT
from segue.service.problems import unavailable
from segue.workflows.runs import RECIPE, WEIGHTS

T = TypeVar("T")
METRICS = "metrics.jsonl"
PATIENCE = 30.0
"""Seconds that a request waits for its turn to read."""


class Kept(Generic[T]):
    """The results that were asked for last. They are made one at a time, so that a crowd asks for one thing once and
    the machine is left to who wants recommendations."""

    def __init__(self, most: int, patience: float = PATIENCE) -> None:
        self.most, self.patience = most, patience
        self._results: OrderedDict[Hashable, T] = OrderedDict()
        self._access, self._turn = threading.Lock(), threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What is kept under this key, or else what `make` makes.

        Raises:
            Problem: others were being made for so long that this one had to give up.
        """
        if known := self._known(key):
            return known[0]
        if not self._turn.acquire(timeout=self.patience):
            raise unavailable("Other runs are being read at the moment; ask again in a few seconds.", seconds=5)
        try:
            if known := self._known(key):
                return known[0]
            made = make()
            with self._access:
                self._results[key] = made
                while len(self._results) > self.most:
                    self._results.popitem(last=False)
            return made
        finally:
            self._turn.release()

    def _known(self, key: Hashable) -> list[T]:
        """What is kept under this key, in a list; an empty one where nothing is."""
        with self._access:
            if key not in self._results:
                return []
            self._results.move_to_end(key)
            return [self._results[key]]


@dataclass(frozen=True)
class Looks:
    """One shelf for each size of result."""

    notes: Kept[Any] = field(default_factory=lambda: Kept(512))
    """Lines of the list of runs, and further small things."""
    answers: Kept[Any] = field(default_factory=lambda: Kept(64))
    """Audits, comparisons, nodes of the tree of codes."""
    tokenizers: Kept[FittedTokenizer] = field(default_factory=lambda: Kept(3))
    """Codes of opened runs, which hold a catalog each."""


def stamp(folder: Path) -> tuple[str, ...]:
    """Says which files a run folder holds and when they were written or replaced: another stamp is another run."""
    found = [str(folder)]
    for name in (RECIPE, WEIGHTS, REPORT, PER_USER, METRICS):
        try:
            status = (folder / name).stat()
            found.append(f"{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_size}")
        except OSError:
            found.append("")
    return tuple(found)


async def _looks(request: Request) -> Looks:
    found: Looks = request.app.state.looks
    return found


LooksOf = Annotated[Looks, Depends(_looks)]
