"""Many callers who wait, few transactions: events on their way into the store."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from segue.core.served import Event
from segue.service.event_store import EventStore, StoreAway, refuse_unkeepable
from segue.service.problems import Problem, unavailable

log = logging.getLogger(__name__)


@dataclass
class Counts:
    """What a writer has done so far."""

    accepted: int = 0
    """Events that were new."""
    duplicates: int = 0
    refused: int = 0
    """Events whose callers heard that they had to try again."""
    transactions: int = 0
    failures: int = 0
    """Transactions that the store did not answer."""


@dataclass
class _Waiting:
    events: Sequence[Event]
    answer: asyncio.Future[list[bool]]


class Writer:
    """A bounded queue in front of a store, for callers on one event loop.

    While a transaction is on its way, those who come meanwhile gather, and the next one takes all of them: under load
    one sync to the disk serves many. Nobody hears that an event was accepted before it is durable. While the store is
    away the writer tries again until the deadlines of those who wait; then they hear 503, and whether their events
    were kept is unknown. They may report them again: an id is kept once. A caller who gives up harms nobody.
    """

    def __init__(
        self,
        store: EventStore,
        *,
        deadline: float = 5.0,
        most_waiting: int = 20_000,
        at_once: int = 5_000,
        pauses: tuple[float, float] = (0.02, 0.5),
    ) -> None:
        """
        Args:
            deadline: seconds that a caller waits at most.
            most_waiting: events in the queue, beyond which callers are turned away at once.
            at_once: events in one transaction (more where one caller brings more).
            pauses: seconds before the first next try, and the most that doubling makes of them.
        """
        self._store, self._deadline = store, deadline
        self._most_waiting, self._at_once, self._pauses = most_waiting, at_once, pauses
        self._queue: deque[_Waiting] = deque()
        self._waiting = 0
        self._wake = asyncio.Event()
        self._closing = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._task: asyncio.Task[None] | None = None
        self.counts = Counts()

    @property
    def waiting(self) -> int:
        """Events that are in the queue or on their way."""
        return self._waiting

    async def add(self, events: Sequence[Event], deadline: float | None = None) -> list[bool]:
        """Keep the events, all or none; for each whether its id was new. Returns when they are durable.

        Args:
            deadline: seconds to wait at most, where not as always.

        Raises:
            DataError: an event cannot be kept at all.
            Problem: 503; the queue is full, the store stayed away until the deadline, or the service is closing.
        """
        refuse_unkeepable(events)
        if not events:
            return []
        if self._closing:
            self.counts.refused += len(events)
            raise unavailable("The service is closing and takes in no more events; report them again in a moment.")
        if self._waiting + len(events) > self._most_waiting:
            self.counts.refused += len(events)
            raise unavailable(
                f"{self._waiting} events are waiting to be kept already; report these again in a moment.",
                name="overloaded",
            )
        if self._task is None:
            self._task = asyncio.create_task(self._write_on(), name="store-writer")
        one = _Waiting(events, asyncio.get_running_loop().create_future())
        self._queue.append(one)
        self._waiting += len(events)
        self._wake.set()
        try:
            async with asyncio.timeout(self._deadline if deadline is None else deadline):
                return await one.answer
        except TimeoutError:
            self.counts.refused += len(events)
            raise _too_late() from None

    async def close(self) -> None:
        """Take in no more, and wait until everybody who waits has an answer."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        self._thread.shutdown(wait=False)

    async def _write_on(self) -> None:
        """One transaction after another, as long as somebody waits or may come."""
        pause, most = self._pauses
        while True:
            batch = self._next()
            if not batch:
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            try:
                await self._keep(batch)
                pause = self._pauses[0]
            except StoreAway as error:
                self.counts.failures += 1
                log.warning("events wait, and are tried again in %g s: %s", pause, error)
                self._queue.extendleft(reversed(batch))
                await asyncio.sleep(pause)
                pause = min(2 * pause, most)

    def _next(self) -> list[_Waiting]:
        """Those whose turn it is; who has gone meanwhile is passed over."""
        batch: list[_Waiting] = []
        events = 0
        while self._queue and (not batch or events + len(self._queue[0].events) <= self._at_once):
            one = self._queue.popleft()
            if one.answer.done():
                self._waiting -= len(one.events)
                continue
            batch.append(one)
            events += len(one.events)
        return batch

    async def _keep(self, batch: Sequence[_Waiting]) -> None:
        """One transaction for all of them; if it fails for another reason than the store's absence, one for each.

        Raises:
            StoreAway: nothing is known to be kept.
        """
        events = [event for one in batch for event in one.events]
        loop = asyncio.get_running_loop()
        try:
            fresh = await loop.run_in_executor(self._thread, self._store.add, events)
        except StoreAway:
            raise
        except Exception as error:
            if len(batch) > 1:
                for one in batch:
                    await self._keep_alone(one)
                return
            self._answer(batch[0], error)
            return
        self.counts.transactions += 1
        first = 0
        for one in batch:
            self._answer(one, fresh[first : first + len(one.events)])
            first += len(one.events)

    async def _keep_alone(self, one: _Waiting) -> None:
        try:
            await self._keep([one])
        except StoreAway:
            self.counts.failures += 1
            self._answer(one, _too_late())

    def _answer(self, one: _Waiting, answer: list[bool] | Exception) -> None:
        self._waiting -= len(one.events)
        if isinstance(answer, list):
            self.counts.accepted += sum(answer)
            self.counts.duplicates += len(answer) - sum(answer)
        if one.answer.done():
            return
        if isinstance(answer, Exception):
            one.answer.set_exception(answer)
        else:
            one.answer.set_result(answer)


def _too_late() -> Problem:
    return unavailable(
        "The store of events does not answer in time. Whether the events were kept is unknown; report them again with "
        "the same ids."
    )
