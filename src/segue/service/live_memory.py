"""The histories of this moment: what a run's log has of users, and what they did since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from segue.core.tables import Catalog, Dataset, Histories
from segue.data.continued_log import ContinuedLog, Past, Since, together
from segue.service._least_recent import LeastRecent
from segue.service.recent_events import RecentEvents


class Recalled(NamedTuple):
    """What is known of some users."""

    histories: Histories
    seen_places: list[int]
    """For each user the place of the newest live event that was looked at, 0 for none."""
    stale: bool
    """Whether there may be newer ones, because the store is away."""


class LiveMemory:
    """The histories of a run's users up to now.

    First the events of the run's own log, then the live ones that are later (see `ContinuedLog`), by time and then by
    place. Live events of which all actions are 0 only say that an item was shown, and are no part of a history.
    Somebody whom the log does not know is NOBODY with the live events alone.
    """

    def __init__(self, dataset: Dataset, catalog: Catalog, recent: RecentEvents, *, events: int = 2_000_000) -> None:
        """
        Args:
            catalog: of the run: that of the dataset, with items behind that were added since, if any were.
            events: the most that are kept joined and sorted, of all users; a user counts as eight.
        """
        self._log, self._recent, self._events = dataset.log, recent, events
        self.know(catalog)

    def know(self, catalog: Catalog) -> None:
        """Items were added behind those of the catalog; what users did with them counts from now on."""
        pasts: LeastRecent[tuple[int, Past]] = LeastRecent(self._events, lambda kept: 8 + len(kept[1]))
        self._now = ContinuedLog(self._log, catalog), pasts  # in one step, for threads that are asking

    def histories(self, users: Sequence[str]) -> Recalled:
        """What is known of each user, as one batch; asks the store once."""
        recent, stale = self._recent.of(users)
        pasts = self._pasts_of(users, recent)
        return Recalled(together(pasts), [since.newest for since in recent], stale)

    def past(self, user: str) -> tuple[Past, Since, bool]:
        """What one user did, the live events that are part of it, and whether there may be newer ones."""
        recent, stale = self._recent.of([user])
        return self._pasts_of([user], recent)[0], recent[0], stale

    def _pasts_of(self, users: Sequence[str], recent: Sequence[Since]) -> list[Past]:
        continued, pasts = self._now
        known = [pasts.get(user) for user in users]
        strangers = [user for user, kept in zip(users, known, strict=True) if kept is None]
        rows = dict(zip(strangers, continued.user_rows(strangers).tolist(), strict=True)) if strangers else {}
        answers = []
        for user, since, kept in zip(users, recent, known, strict=True):
            if kept is None or kept[0] != since.newest:
                past = continued.past(rows[user] if kept is None else kept[1].user, since)
                kept = since.newest, past
                pasts.put(user, kept)
            answers.append(kept[1])
        return answers
