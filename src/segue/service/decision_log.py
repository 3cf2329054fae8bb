"""What was answered, on its way into the store; no answer waits for it."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from itertools import islice

from segue.core.served import Decision
from segue.service.event_store import EventStore, StoreAway

log = logging.getLogger(__name__)


@dataclass
class Kept:
    """How many decisions went where."""

    written: int = 0
    dropped: int = 0
    """Too many were waiting, or the store could not keep them."""


class DecisionLog:
    """A queue of bounded length with a thread behind it: under pressure decisions are lost, and counted.

    Those that come while the queue is full are the ones that are dropped, so that what is kept has no holes but one.
    """

    def __init__(
        self, store: EventStore, *, most_waiting: int = 50_000, at_once: int = 1_000, every: float = 0.2
    ) -> None:
        """
        Args:
            every: seconds between looks into the queue, and before the next try when the store is away.
        """
        self._store, self._most, self._at_once, self._every = store, most_waiting, at_once, every
        self._queue: deque[Decision] = deque()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._write_on, name="decision-log", daemon=True)
        self._started = False
        self.counts = Kept()

    @property
    def waiting(self) -> int:
        """Decisions that are not written yet."""
        return len(self._queue)

    def note(self, decision: Decision) -> None:
        """Take in a decision, or drop it; returns at once. May be called from any thread."""
        with self._lock:
            if len(self._queue) >= self._most or self._closing.is_set():
                self.counts.dropped += 1
                return
            self._queue.append(decision)
            if not self._started:
                self._started = True
                self._thread.start()

    def close(self, seconds: float = 5.0) -> None:
        """Write what is waiting, for at most so many seconds; the rest counts as dropped."""
        with self._lock:
            self._closing.set()
        if self._started:
            self._thread.join(seconds)
        with self._lock:
            self.counts.dropped += len(self._queue)
            self._queue.clear()

    def _write_on(self) -> None:
        while True:
            closing = self._closing.is_set()
            away = not self._write_all()
            if closing and not away:
                return
            if closing:
                time.sleep(self._every)
            else:
                self._closing.wait(self._every)

    def _write_all(self) -> bool:
        """Whether nothing waits any more."""
        while self._queue:
            with self._lock:
                some = list(islice(self._queue, self._at_once))
            try:
                self._store.note_decisions(some)
                written = len(some)
            except StoreAway:
                return False
            except Exception:
                written = self._one_by_one(some)
            with self._lock:
                if not self._queue:  # given up by `close` meanwhile, and counted there
                    return True
                for _ in some:
                    self._queue.popleft()
                self.counts.written += written
                self.counts.dropped += len(some) - written
        return True

    def _one_by_one(self, decisions: list[Decision]) -> int:
        """How many could be kept: one that cannot takes no other with it."""
        written = 0
        for one in decisions:
            try:
                self._store.note_decisions([one])
                written += 1
            except Exception as error:
                log.warning("a decision cannot be kept: %s", error)
        return written
