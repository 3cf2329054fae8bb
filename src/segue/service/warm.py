"""A run in memory, ready to be asked: its system, its items by id, and what users did before and since."""

from __future__ import annotations

import copy
import json
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import torch

from segue.core.errors import DataError
from segue.core.ranking import NOTHING, Rules
from segue.core.ranking_recipe import Ranker
from segue.core.recipe import FittedModel, Recommender
from segue.core.served import ItemNote
from segue.core.shapes import Int
from segue.core.tables import Dataset, Histories
from segue.core.text_recipe import FittedText
from segue.data.request_rule import RequestRule
from segue.data.where import between, having
from segue.evaluation.code_words import ItemTerms
from segue.service.history_memory import HistoryMemory
from segue.service.kept_histories import memory_of, with_kept_histories
from segue.service.live_memory import LiveMemory
from segue.service.live_requests import LiveRequests
from segue.service.problems import invalid, not_found
from segue.service.recent_events import RecentEvents
from segue.service.schemas import AnyOf, Between
from segue.workflows.belonging import check_data
from segue.workflows.experiment import Experiment
from segue.workflows.grow import Enlarged, with_new_items
from segue.workflows.recommend import asking_now
from segue.workflows.runs import WEIGHTS, dataset_of, open_run

_LOG = logging.getLogger(__name__)
Form = Literal["scores", "codes", "words", "ranks", "pipeline"]


@dataclass(frozen=True)
class Asked:
    """Whose history, by id or given on the spot."""

    user_id: str | None
    history: tuple[str, ...] = ()


@dataclass(frozen=True)
class Past:
    """The histories of some who ask together, and what is known about how fresh they are."""

    histories: Histories
    places: Sequence[int]
    """The newest live event that each one knows, by its place in the store; 0 for none."""
    stale: bool


class Warm:
    """A fitted system that answers, with everything that turns ids into rows and back.

    Items that were added while serving lie behind those of the run; `grown` and `withdrawn` make a new `Warm` that
    shares everything else. One thread at a time may use the system: who asks it holds `lock`.
    """

    def __init__(
        self,
        run: str,
        folder: Path,
        experiment: Experiment,
        recommender: Recommender,
        dataset: Dataset,
        recent: RecentEvents,
        *,
        added: frozenset[str] = frozenset(),
        withdrawn: frozenset[str] = frozenset(),
        reasons: Mapping[str, str] = {},
        own: Recommender | None = None,
    ) -> None:
        self.run, self.folder, self.experiment, self.dataset, self.recent = run, folder, experiment, dataset, recent
        self.recommender, self.added, self.withdrawn = recommender, added, withdrawn
        self.own = own or recommender
        """The system as it was fitted, without items that came later."""
        self.reasons = dict(reasons)
        """Of items that came later and cannot be recommended: why."""
        self.memory = LiveMemory(dataset, recommender.catalog, recent)
        self.requests: LiveRequests | None = None
        """What rankers are asked about users; None for other systems."""
        if isinstance(experiment.split, RequestRule) and isinstance(recommender, Ranker):
            self.requests = LiveRequests(dataset, recommender.catalog, experiment.split, recent)
        self.lock = threading.Lock()
        self.where = lru_cache(maxsize=64)(self._where)
        self._denied = self._rows_of(withdrawn)

    @classmethod
    def open(
        cls,
        run: str,
        folder: Path,
        recent: RecentEvents,
        notes: Sequence[ItemNote],
        *,
        kept_megabytes: float,
        device: torch.device,
    ) -> Warm:
        """Load a run and its data, take over what was noted of items, and answer once, so that nothing is cold.

        Raises:
            SegueError: the folder is no finished run, or its data has changed or is gone.
        """
        experiment, fitted = open_run(folder, device)
        dataset = dataset_of(experiment)
        check_data(folder, dataset, fitted.catalog)
        recommender = with_kept_histories(fitted, kept_megabytes) if kept_megabytes else fitted
        warm = cls(run, folder, experiment, recommender, dataset, recent, own=fitted)
        warm = warm.replayed(notes, kept_megabytes)
        warm.warm_up()
        return warm

    @property
    def catalog_size(self) -> int:
        """All items, those that came later too."""
        return len(self.recommender.catalog)

    @cached_property
    def own_ids(self) -> list[str]:
        """The ids of the items that it was fitted on."""
        return self.dataset.catalog.ids.cast(pl.String).to_list()

    @property
    def newest(self) -> int | None:
        """When the last event of the log was, in Unix seconds; None where there are no times."""
        times = self.dataset.log.timestamps
        return None if times is None or not len(times) else int(times.max())

    @property
    def system(self) -> str:
        """The name of the recipe."""
        return self.experiment.recipe.name

    @property
    def form(self) -> Form:
        """How the system answers."""
        system = self.own.inner if isinstance(self.own, Enlarged) else self.own
        if isinstance(system, Ranker):
            return "ranks"
        if isinstance(system, FittedText):
            return "words"
        return "codes" if isinstance(system, FittedModel) and system.tokenizer is not None else "scores"

    @property
    def tasks(self) -> list[str]:
        """The actions whose probability it says."""
        return list(self.own.schema.tasks) if isinstance(self.own, Ranker) else []

    @cached_property
    def row_of(self) -> dict[str, int]:
        """The row of each item id."""
        return {item: row for row, item in enumerate(self.ids)}

    @cached_property
    def ids(self) -> list[str]:
        """The id of each row."""
        return self.recommender.catalog.ids.cast(pl.String).to_list()

    @cached_property
    def titles(self) -> list[str]:
        """The title of each row."""
        return self.recommender.catalog.names().to_list()

    @cached_property
    def popularity(self) -> Int[np.ndarray, " items"]:
        """The rows of the run's own items, those with most events first."""
        return np.argsort(-self.popular_counts, kind="stable")

    @cached_property
    def popular_counts(self) -> Int[np.ndarray, " items"]:
        """How many events each of the run's own items has."""
        return np.bincount(np.asarray(self.dataset.log.items), minlength=len(self.dataset.catalog))

    @cached_property
    def terms(self) -> ItemTerms | None:
        """The words of the catalog, for systems whose explanations tell what codes mean."""
        return ItemTerms.of(self.own.catalog) if self.form == "codes" else None

    @property
    def memory_of_histories(self) -> HistoryMemory | None:
        """What the system keeps of histories it has read, where it keeps anything."""
        return memory_of(self.recommender)

    @property
    def fitted(self) -> float:
        """When its weights were written, in Unix seconds."""
        return (self.folder / WEIGHTS).stat().st_mtime

    def warm_up(self) -> None:
        """Answer once for a stranger and once for a short history."""
        first = Histories.from_lists([[], [0] if self.catalog_size else []])
        if not isinstance(self.recommender, Ranker):
            self.recommender.recommend(self._timed(first), min(10, self.catalog_size), Rules(seen=True))

    def rows(self, ids: Sequence[str], field: str) -> list[int]:
        """The rows of some ids.

        Raises:
            Problem: an item is unknown.
        """
        known = self.row_of
        try:
            return [known[item] for item in ids]
        except KeyError:
            missing = [item for item in ids if item not in known]
            raise invalid(
                f"{len(missing)} of {len(ids)} item ids are not in the catalog of {self.run} (first: {missing[0]!r}).",
                field=field,
                name="unknown-item",
                title="Unknown item",
            ) from None

    def item(self, item_id: str) -> int:
        """The row of one item.

        Raises:
            Problem: it is unknown.
        """
        if item_id not in self.row_of:
            raise not_found("item", item_id)
        return self.row_of[item_id]

    def past(self, asked: Sequence[Asked]) -> Past:
        """What those who ask did, all by id or all by a history given on the spot."""
        if asked and asked[0].user_id is None:
            lists = [self.rows(one.history, "body.history") for one in asked]
            return Past(self._timed(Histories.from_lists(lists)), [0] * len(lists), False)
        histories, places, stale = self.memory.histories([str(one.user_id) for one in asked])
        return Past(self._timed(histories), places, stale)

    def rules(self, seen: bool, allow: Sequence[int] | None, deny: Sequence[int]) -> Rules:
        """What may be recommended, without items that were withdrawn."""
        denied = np.union1d(self._denied, np.asarray(deny, dtype=np.int64)) if len(deny) else self._denied
        return Rules(
            seen=seen,
            allow=None if allow is None else np.unique(np.asarray(allow, dtype=np.int64)),
            deny=denied if len(denied) else None,
        )

    def grown(self, notes: Sequence[ItemNote], kept_megabytes: float) -> Warm:
        """The same with further items behind the others; of those that are known nothing changes.

        Raises:
            DataError: what is said of an item does not fit the catalog; which is left out.
        """
        known = self.row_of
        new = {note.item_id: dict(note.facts or {}) for note in notes if note.facts and note.item_id not in known}
        if not new:
            return self
        own, reasons = with_new_items(self.own, _frame([{"item_id": item, **facts} for item, facts in new.items()]))
        return Warm(
            self.run,
            self.folder,
            self.experiment,
            with_kept_histories(own, kept_megabytes) if kept_megabytes else own,
            self.dataset,
            self.recent,
            added=self.added.union(new),
            withdrawn=self.withdrawn,
            reasons={**self.reasons, **reasons},
            own=own,
        )

    def noted(self, notes: Sequence[ItemNote], kept_megabytes: float) -> Warm:
        """The same after everything that these notes say of items.

        Raises:
            DataError: what is said of an item does not fit the catalog.
        """
        warm = self.grown(notes, kept_megabytes)
        withdrawn = set(warm.withdrawn)
        for note in notes:
            if note.item_id in warm.row_of:
                (withdrawn.discard if note.available else withdrawn.add)(note.item_id)
        if withdrawn == warm.withdrawn:
            return warm
        again = copy.copy(warm)  # with the same living system, its lock, and its memory
        again.withdrawn = frozenset(withdrawn)
        again._denied = again._rows_of(again.withdrawn)
        return again

    def replayed(self, notes: Sequence[ItemNote], kept_megabytes: float) -> Warm:
        """`noted`, for notes that are kept already: what does not fit the catalog of this run is left out."""
        try:
            return self.noted(notes, kept_megabytes)
        except DataError:
            warm = self
            for note in notes:
                try:
                    warm = warm.noted([note], kept_megabytes)
                except DataError as error:
                    _LOG.warning("%s: the note on item %r is left out: %s", self.run, note.item_id, error)
            return warm

    def _timed(self, histories: Histories) -> Histories:
        return asking_now(self.own, histories)

    def _rows_of(self, ids: frozenset[str]) -> Int[np.ndarray, " some"]:
        return np.array(sorted(self.row_of[item] for item in ids if item in self.row_of), dtype=np.int64)

    def _where(self, filters: tuple[AnyOf | Between, ...]) -> Int[np.ndarray, " rows"]:
        """The rows of which all of this is true.

        Raises:
            Problem: a column is unknown or of another kind.
        """
        table = self.recommender.catalog.table
        kept = np.ones(table.height, dtype=bool)
        for place, one in enumerate(filters):
            try:
                if isinstance(one, Between):
                    kept &= between(table, one.column, one.at_least, one.at_most)
                else:
                    kept &= having(table, one.column, one.any_of)
            except DataError as error:
                raise invalid(str(error), field=f"body.where.{place}.column") from None
        return np.flatnonzero(kept)


def chosen_rows(items: Int[np.ndarray, " k"]) -> list[int]:
    """The rows of an answer, without what was left empty."""
    return [int(row) for row in items if row != NOTHING]


def _frame(rows: list[dict[str, object]]) -> pl.DataFrame:
    """Facts of new items as a table; what is no number, text or list of text becomes JSON text."""
    plain = [{name: _cell(value) for name, value in row.items() if value not in (None, [])} for row in rows]
    return pl.from_dicts(plain, infer_schema_length=None)


def _cell(value: object) -> object:
    simple = isinstance(value, str | int | float | bool)
    listed = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return value if simple or listed else json.dumps(value, ensure_ascii=False)
