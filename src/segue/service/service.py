"""The service as an object: the systems that answer, what is remembered, and what changes while it runs."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from segue.core.errors import SegueError, SettingsError
from segue.core.served import Decision, Event, ItemNote
from segue.service.decision_log import DecisionLog
from segue.service.event_store import EventStore, StoreAway
from segue.service.host import Host, Hosted
from segue.service.meters import Meters
from segue.service.pipeline import Pipeline
from segue.service.problems import Problem, not_found, unavailable
from segue.service.questions import ForItems, Items, Question, popular
from segue.service.reading import reading
from segue.service.recent_events import RecentEvents
from segue.service.remarks import remarks
from segue.service.same_catalog import difference
from segue.service.schemas import RecommendAnswer
from segue.service.settings import ServiceSettings
from segue.service.shelf import Shelf
from segue.service.traffic_split import TrafficSplit
from segue.service.warm import Warm
from segue.service.writer import Writer

_LOG = logging.getLogger(__name__)
KEPT = {
    "exact": "Histories that were known as they were",
    "extended": "Histories that were read on from where they ended",
    "read": "Histories that were read from the start",
    "evicted": "Histories that had to go for others",
    "nbytes": "Bytes of what is kept of histories",
}
"""What systems count about the histories they keep, in words."""


@dataclass(frozen=True)
class Chosen:
    """Who answers a request, and with what probability it was this one."""

    host: Hosted
    chance: float
    named: bool
    """Whether the request named the system."""


class Service:
    """Everything behind the routes. Systems are loaded by `start`; until then requests are told to come back."""

    def __init__(
        self,
        settings: ServiceSettings,
        shelf: Shelf,
        runs: Sequence[str],
        store: EventStore,
        device: torch.device | None = None,
    ) -> None:
        self.settings, self.shelf, self.store = settings, shelf, store
        self.runs = list(runs)
        self.device = device or torch.device("cpu")
        self.meters = Meters()
        self.writer = Writer(store, deadline=settings.deadline)
        self.decisions = DecisionLog(store)
        self.recent = RecentEvents(store)
        self.hosts: dict[str, Hosted] = {}
        self.split: TrafficSplit | None = None
        self.broken: str | None = None
        """Why the systems could not be loaded."""
        self.remarks: list[str] = []
        """What is odd about the systems that were loaded, for whoever started the service."""
        self._items_seen = 0
        self._changing = asyncio.Lock()
        self._background: list[asyncio.Task[Any]] = []
        self._watch()

    @property
    def ledger(self) -> Path | None:
        """The folder of ledger rows, where one was given."""
        return self.settings.ledger

    async def start(self) -> None:
        """Load the systems in the background, and follow what other processes do to the catalog."""
        self._background = [asyncio.create_task(self._load()), asyncio.create_task(self._follow())]

    async def stop(self) -> None:
        """Answer who waits, write what was taken, and let go of everything."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        for host in self.hosts.values():
            await asyncio.to_thread(host.close)
        await self.writer.close()
        await asyncio.to_thread(self.decisions.close)
        self.recent.close()
        self.store.close()

    async def loaded(self) -> None:
        """Return when the systems answer.

        Raises:
            SegueError: they never will.
        """
        while self.split is None:
            if self.broken is not None:
                raise SegueError(self.broken)
            await asyncio.sleep(0.02)

    def served_runs(self) -> set[str]:
        """The names of the runs that answer at the moment."""
        return {host.warm.run for host in self.hosts.values()}

    def host(self, name: str) -> Hosted:
        """The system of a name.

        Raises:
            Problem: there is none, or none yet.
        """
        self._require_ready()
        if name not in self.hosts:
            raise not_found("system", name, list(self.hosts))
        return self.hosts[name]

    def choose(self, name: str | None, who: str) -> Chosen:
        """Who answers: the named system, or the one that the traffic split gives to whoever asks.

        Raises:
            Problem: there is no such system, or none yet.
        """
        if name is not None:
            return Chosen(self.host(name), 1.0, named=True)
        split = self._require_ready()
        chosen = split.choose(who)
        return Chosen(self.hosts[chosen], split.shares[chosen], named=False)

    async def ask(self, host: Hosted, question: Question) -> Any:
        """The answer of a system within the deadline."""
        return await host.ask(question, self.settings.deadline)

    async def recommend(self, question: ForItems, system: str | None, request_id: str | None = None) -> RecommendAnswer:
        """What somebody should get, noted for offline comparison."""
        request_id = request_id or uuid.uuid4().hex
        chosen = self.choose(system, question.asked.user_id or request_id)
        found: Items = await self.ask(chosen.host, question)
        items, by = found.items, "model"
        if not found.known:
            items, by = await self._fallback(chosen.host, question, found), "fallback"
        self.meters.answers.labels(chosen.host.name, by).inc()
        if self.settings.log_decisions:
            self._note(request_id, chosen, question, found, items, by)
        return RecommendAnswer(
            request_id=request_id,
            system=chosen.host.name,
            answered_by="model" if by == "model" else "fallback",
            user_id=question.asked.user_id,
            history=found.history,
            items=items,
            stale=found.stale,
        )

    async def add_events(self, events: Sequence[Event]) -> list[bool]:
        """Keep events for good; for each whether it was new.

        Raises:
            Problem: the store did not take them in time.
        """
        return await self.writer.add(events)

    async def note_items(self, notes: Sequence[ItemNote]) -> None:
        """Add, withdraw or put back items, for all systems, from the next batch on and for good.

        Raises:
            DataError: what is said of an item does not fit a catalog; nothing was changed.
            Problem: the store is away; nothing was changed.
        """
        self._require_ready()
        kept = self.settings.kept_megabytes
        async with self._changing:
            # Tried first, so that what does not fit is refused before it is kept.
            changed = [(host, await asyncio.to_thread(host.warm.noted, notes, kept)) for host in self._single_runs()]
            try:
                await asyncio.to_thread(self.store.note_items, notes)
            except StoreAway as away:
                raise unavailable(f"{away} Nothing was changed.", name="store-away") from None
            for host, warm in changed:
                host.swap(warm)

    async def swap(self, name: str, run: str, *, other_catalog: bool = False) -> tuple[str, float]:
        """Load a run of the shelf and let it take over a system's name; the run before it, and the seconds it took.

        Args:
            other_catalog: whether the run may have been fitted on other items.

        Raises:
            Problem: there is no such system or run, it cannot be loaded, or it speaks of other items; the system goes
                on as it was.
        """
        host = self.host(name)
        if not isinstance(host, Host):
            raise not_found("system of one run", name, [one.name for one in self._single_runs()])
        folder = self.shelf.folder(run)
        began = time.monotonic()
        async with self._changing:
            notes = await asyncio.to_thread(self.store.items)
            with reading(run, folder):
                warm = await asyncio.to_thread(self._open, run, folder, notes)
            differs = difference(host.warm.own_ids, warm.own_ids, host.warm.added)
            if differs is not None and not other_catalog:
                raise Problem(
                    409, "other-catalog", "Fitted on other items",
                    f"{run} does not have the catalog of {host.warm.run}: {differs}. Nothing was changed. If it is a "
                    'later run on the same data, allow it: {"run": ..., "other_catalog": true}.',
                )  # fmt: skip
            before = host.swap(warm)
        self.meters.swaps.labels(name).inc()
        return before.run, time.monotonic() - began

    async def ready(self) -> tuple[bool, Mapping[str, Any]]:
        """Whether requests can be answered, and each check."""
        checks: dict[str, Any] = {"systems": list(self.hosts) if self.split else (self.broken or "loading")}
        try:
            async with asyncio.timeout(min(2.0, self.settings.deadline)):
                await asyncio.to_thread(self.store.ping)
            checks["store"] = "ok"
        except (StoreAway, TimeoutError) as away:
            checks["store"] = str(away) or "it does not answer"
        return self.split is not None and checks["store"] == "ok", checks

    def _require_ready(self) -> TrafficSplit:
        if self.broken is not None:
            raise unavailable(f"The systems could not be loaded: {self.broken}", seconds=60, name="broken")
        if self.split is None:
            raise unavailable("The systems are being loaded.", seconds=2, name="loading")
        return self.split

    async def _load(self) -> None:
        try:
            await asyncio.to_thread(self._load_all)
        except SegueError as error:
            self.broken = str(error)
        except Exception as error:
            self.broken = f"{type(error).__name__}: {error}"
            _LOG.exception("the systems could not be loaded")

    def _load_all(self) -> None:
        torch.set_num_threads(self.settings.threads)
        settings, hosts = self.settings, dict[str, Hosted]()
        asked: dict[str, Any] = {
            "batch": settings.batch, "waiting": settings.waiting, "watch": self.meters.watch_batch,
        }  # fmt: skip
        notes = self.store.items()
        for run in self.runs:
            hosts[run] = Host(run, self._open(run, self.shelf.folder(run), notes), **asked)
        if settings.retriever or settings.ranker:
            retriever, ranker = (_single(hosts, name) for name in (settings.retriever, settings.ranker))
            pipeline = Pipeline(retriever, ranker, candidates=settings.candidates, **asked)
            hosts = {pipeline.name: pipeline, **hosts}
        if settings.fallback not in ("popularity", "nothing", *hosts):
            raise SettingsError(
                f"--fallback {settings.fallback}: expected popularity, nothing, or one of {', '.join(hosts)}."
            )
        split = TrafficSplit(settings.traffic, list(hosts))
        self._items_seen = max((note.place for note in notes), default=0)
        self.remarks = remarks(hosts.values())
        self.hosts, self.split = hosts, split

    def _open(self, run: str, folder: Path, notes: Sequence[ItemNote]) -> Warm:
        return Warm.open(
            run, folder, self.recent, notes, kept_megabytes=self.settings.kept_megabytes, device=self.device
        )

    async def _follow(self) -> None:
        """Take over, now and then, what other processes on the same store noted of items."""
        while True:
            await asyncio.sleep(self.settings.refresh)
            if self.split is not None:
                try:
                    await self._take_notes()
                except StoreAway as away:
                    _LOG.warning("%s", away)
                except Exception:
                    _LOG.exception("the notes of items could not be taken over")

    async def _take_notes(self) -> None:
        async with self._changing:
            notes = await asyncio.to_thread(self.store.items, self._items_seen)
            if notes:
                for host in self._single_runs():
                    host.swap(await asyncio.to_thread(host.warm.replayed, notes, self.settings.kept_megabytes))
                self._items_seen = max(note.place for note in notes)

    async def _fallback(self, host: Hosted, question: ForItems, found: Items) -> Any:
        who = self.settings.fallback
        if who == "nothing":
            return []
        if who == "popularity" or who == host.name:
            return await asyncio.to_thread(popular, host.warm, question)
        other: Items = await self.ask(self.hosts[who], question)
        return other.items

    def _note(
        self, request_id: str, chosen: Chosen, question: ForItems, found: Items, items: Sequence[Any], by: str
    ) -> None:
        rules: dict[str, Any] = {
            **({"seen": True} if question.seen else {}),
            **({"allow": list(question.allow)} if question.allow is not None else {}),
            **({"deny": list(question.deny)} if question.deny else {}),
            **({"where": [one.model_dump() for one in question.where]} if question.where else {}),
            **({"system": chosen.host.name} if chosen.named else {}),
        }
        self.decisions.note(
            Decision(
                request_id=request_id,
                time=int(time.time()),
                user_id=question.asked.user_id,
                system=chosen.host.name,
                chance=chosen.chance,
                k=question.k,
                items=tuple(one.item_id for one in items),
                history=question.asked.history,
                seen_place=found.place,
                rules=rules,
                answered_by=by,
                run=_run_of(chosen.host),
                shares={} if chosen.named or self.split is None else self._shares(self.split),
                noted_place=self._items_seen,
            )
        )

    def _shares(self, split: TrafficSplit) -> dict[str, float]:
        """The share of the traffic of each run that has some."""
        return {_run_of(self.hosts[name]): share for name, share in split.shares.items() if share}

    def _single_runs(self) -> list[Host]:
        return [host for host in self.hosts.values() if isinstance(host, Host)]

    def _watch(self) -> None:
        """Let the meters read what is counted elsewhere."""
        read, events, decisions = self.meters.read, self.writer.counts, self.decisions.counts
        read("segue_events", "Reported events by what became of them.", "outcome", lambda: {
            name: getattr(events, name) for name in ("accepted", "duplicates", "refused")
        })  # fmt: skip
        read("segue_store_transactions", "Commits of events.", "outcome", lambda: {
            "kept": events.transactions, "failed": events.failures,
        })  # fmt: skip
        read("segue_decisions", "Answers by whether they were kept for comparison.", "outcome", lambda: vars(decisions))
        read("segue_store_away", "1 while the store does not answer.", "store", lambda: {"events": self.recent.away})
        read("segue_waiting_requests", "Requests that wait for a system.", "system", self._waiting)
        for what, words in KEPT.items():
            read(f"segue_histories_{what}", f"{words}, by system.", "system", partial(self._kept, what))

    def _waiting(self) -> dict[str, float]:
        return {name: len(host.batches) for name, host in self.hosts.items()}

    def _kept(self, what: str) -> dict[str, float]:
        kept = {host.name: host.warm.memory_of_histories for host in self._single_runs()}
        return {name: getattr(memory, what) for name, memory in kept.items() if memory is not None}


def _single(hosts: Mapping[str, Hosted], name: str | None) -> Host:
    found = hosts.get(name or "")
    if not isinstance(found, Host):
        raise SettingsError(
            f"--retriever and --ranker belong together and name runs that are served: {', '.join(hosts)} "
            f"(came: {name})."
        )
    return found


def _run_of(host: Hosted) -> str:
    """The run that answers for a system; of a pipeline its own name, for no single run could answer so."""
    return host.warm.run if isinstance(host, Host) else host.name
