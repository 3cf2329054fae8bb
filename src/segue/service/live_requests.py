"""The requests of this moment: candidates behind what users did up to now, for rankers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from segue.core.impressions import UNKNOWN, Impressions
from segue.core.shapes import Int
from segue.core.tables import NOBODY, Catalog, Dataset
from segue.data.continued_log import ContinuedLog, Past, Since, together
from segue.data.request_rule import RequestRule
from segue.data.tasks import columns_of
from segue.service._least_recent import LeastRecent
from segue.service.recent_events import RecentEvents

Actions = Int[np.ndarray, "events actions"]


class Shown(NamedTuple):
    """Some requests, as rankers are asked about them."""

    impressions: Impressions
    seen_places: list[int]
    """For each user the place of the newest live event that was looked at, 0 for none."""
    stale: bool
    """Whether there may be newer ones, because the store is away."""


class LiveRequests:
    """What `RequestRule.now` is for one user of the log, for some users at once and with their live events.

    Of a live event the actions that the ranker's histories tell of are looked up by their names; one that does not say
    what was done counts as the first of them. Items that were only shown belong to these histories too.
    """

    def __init__(
        self, dataset: Dataset, catalog: Catalog, rule: RequestRule, recent: RecentEvents, *, events: int = 2_000_000
    ) -> None:
        """
        Args:
            catalog: of the run.
            rule: how the run's data was cut into requests.
            events: the most that are kept joined and sorted, of all users; a user counts as eight.
        """
        self._dataset, self._rule, self._recent = dataset, rule, recent
        self._names, self._tasks = rule.named_actions(dataset), rule.named_tasks(dataset)
        told = rule.told(dataset)
        self._places = [one for one in told.fields if one.of == "place"]
        self._users = told.users
        log = rule.log_of(dataset)
        needed = columns_of(self._names)
        self._log = replace(log, columns={name: values for name, values in log.columns.items() if name in needed})
        self._continued = ContinuedLog(self._log, catalog)
        self._pasts: LeastRecent[tuple[int, Past, Actions]] = LeastRecent(events, lambda kept: 8 + len(kept[1]))

    def impressions(
        self, users: Sequence[str], candidates: Sequence[Int[np.ndarray, " _"]], at: int | None = None
    ) -> Shown:
        """One request a user that asks about these items after everything that the user did; asks the store once.

        Args:
            candidates: rows of the catalog, for each user.
            at: when it is asked (Unix seconds), where times are known; right after a user's last event unless given
                or where that is later.
        """
        recent, stale = self._recent.of(users)
        kept = [self._past(user, since) for user, since in zip(users, recent, strict=True)]
        histories = together([past for _, past, _ in kept])
        bounds = np.concatenate([[0], np.cumsum([len(items) for items in candidates])]).astype(np.int64)
        shown = int(bounds[-1])
        impressions = Impressions(
            histories=replace(histories, asked_at=_asked_at([past for _, past, _ in kept], at)),
            actions=np.concatenate([actions for _, _, actions in kept]),
            items=np.concatenate([np.asarray(items, dtype=np.int64) for items in candidates]),
            bounds=bounds,
            labels=np.full((shown, len(self._tasks)), UNKNOWN, dtype=np.int8),
            events=np.full(shown, -1),
            features={one.name: np.zeros(shown, dtype=np.int32 if one.size else np.float32) for one in self._places},
            users=self._users,
        )
        return Shown(impressions, [since.newest for since in recent], stale)

    def _past(self, user: str, since: Since) -> tuple[int, Past, Actions]:
        kept = self._pasts.get(user)
        if kept is None or kept[0] != since.newest:
            row = int(self._continued.user_rows([user])[0]) if kept is None else kept[1].user
            past = self._continued.past(row, since, shown=True)
            logged = self._logged(row) if kept is None else kept[2][: len(past) - len(past.live)]
            kept = since.newest, past, np.concatenate([logged, since.actions(self._names)[past.live]])
            self._pasts.put(user, kept)
        return kept

    def _logged(self, user: int) -> Actions:
        """What the user did with the events of the log."""
        if user == NOBODY:
            return np.zeros((0, len(self._names)), dtype=np.int8)
        return self._rule.known_actions(self._dataset, self._log.of_user(user))


def _asked_at(pasts: Sequence[Past], at: int | None) -> Int[np.ndarray, " users"] | None:
    """When each is asked, or None where times are not known or nobody has done anything yet."""
    if any(past.times is None for past in pasts) or (at is None and not any(len(past) for past in pasts)):
        return None
    last = [int(past.times[-1]) if past.times is not None and len(past) else None for past in pasts]
    return np.array([at or 0 if one is None else one if at is None else max(at, one) for one in last], dtype=np.int64)
