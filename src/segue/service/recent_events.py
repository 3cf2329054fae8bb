"""What users did lately: kept in memory, and asked of the store only from there on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from segue.data.continued_log import LATEST, Since
from segue.service._least_recent import LeastRecent
from segue.service.event_store import EventStore, StoreAway

log = logging.getLogger(__name__)


class RecentEvents:
    """The live events of users; the systems of a service share one.

    Each time the store is asked, once for all users, what came behind the newest place that is known of each: so
    several services on one store agree, and a caller finds what was acknowledged a moment ago. While the store is away
    the answer is what is known, and says that it may be stale; nobody waits for the store then, a thread looks whether
    it is back.
    """

    def __init__(
        self, store: EventStore, *, events: int = 2_000_000, of_one_user: int = LATEST, again: float = 0.2
    ) -> None:
        """
        Args:
            events: the most that are kept in memory, of all users; a user counts as eight.
            of_one_user: the most of a user that are looked at, the newest.
            again: seconds between looks for a store that is away.
        """
        self._store, self._of_one_user, self._again = store, of_one_user, again
        self._known: LeastRecent[Since] = LeastRecent(events, lambda since: 8 + len(since))
        self._lock = threading.Lock()
        self._away = False
        self._closing = threading.Event()

    @property
    def away(self) -> bool:
        """Whether the store did not answer when it was last asked."""
        return self._away

    def of(self, users: Sequence[str]) -> tuple[list[Since], bool]:
        """The events of each user, and whether there may be newer ones because the store is away."""
        known = {user: self._known.get(user) or Since() for user in users}
        if self._away:
            return [known[user] for user in users], True
        try:
            later = self._store.after({user: since.newest for user, since in known.items()}, self._of_one_user)
        except StoreAway as error:
            self._look_out(error)
            return [known[user] for user in users], True
        for user, events in later.items():
            since = known[user].grown(events).latest(self._of_one_user)
            self._known.put(user, since, better=lambda old, new: old.newest >= new.newest)
            known[user] = since
        return [known[user] for user in users], False

    def _look_out(self, error: StoreAway) -> None:
        with self._lock:
            if self._away:
                return
            self._away = True
        log.warning("answers may be stale: %s", error)
        threading.Thread(target=self._wait_for_it, name="store-lookout", daemon=True).start()

    def close(self) -> None:
        """Stop looking for a store that is away."""
        self._closing.set()

    def _wait_for_it(self) -> None:
        while not self._closing.wait(self._again):
            try:
                self._store.ping()
            except Exception:  # whatever it is, the next look may find it gone
                continue
            self._away = False
            return
