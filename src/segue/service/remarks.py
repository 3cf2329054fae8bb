"""What is odd about the systems of a service, said once when it starts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from segue.service.host import Host, Hosted
from segue.service.same_catalog import difference
from segue.service.schemas import AHEAD


def remarks(hosts: Iterable[Hosted]) -> list[str]:
    """A sentence for each oddity."""
    single = [host for host in hosts if isinstance(host, Host)]
    return [*_of_other_items(single), *_ahead(single)]


def _of_other_items(hosts: Sequence[Host]) -> list[str]:
    """Systems that do not speak of the items of the first one, though they share its memory of events."""
    found = {host.name: difference(hosts[0].warm.own_ids, host.warm.own_ids) for host in hosts[1:]}
    return [
        f"{name} was fitted on other items than {hosts[0].name} ({words}); an event counts only for the systems that "
        "know its item"
        for name, words in found.items()
        if words is not None
    ]


def _ahead(hosts: Sequence[Host]) -> list[str]:
    """Systems whose logs end after now: events that are reported would be older than all that they know."""
    now = time.time() + AHEAD
    newest = {host.name: host.warm.newest for host in hosts}
    return [
        f"the log of {name} ends in the future (Unix time {last}): reported events will not count until then"
        for name, last in newest.items()
        if last is not None and last > now
    ]
