"""Which items were shown together with what a user took."""

from __future__ import annotations

import weakref

import numpy as np

from segue.core.errors import DataError
from segue.core.shapes import Int
from segue.core.tables import Dataset, InteractionLog

EARLIER = "earlier"
"""A column that is 1 for events of which only some facts are known: they belong to histories and are not asked."""


class Requests:
    """The exposures of a dataset cut into requests, and the request that each event of the log came from.

    Where log and exposures both have a column `request`, a request is a run of equal values in it. Elsewhere it is a
    run of one user's exposures that follow each other within `gap` seconds, so that equal times are never torn apart.

    Made once in O(exposures); asking costs a look-up.
    """

    def __init__(self, dataset: Dataset, gap: int = 600) -> None:
        """
        Raises:
            DataError: the dataset has no exposures, or neither requests nor times to cut them by, or its log has events
                that are not among them.
        """
        log, exposures = dataset.log, dataset.exposures
        if exposures is None:
            raise DataError(
                f"{dataset.name} does not say what users were shown. Prepare it again with positive=..., such as "
                "positive='is_click == 1', from a log that has what was not taken too, or use the simulated world."
            )
        named = "request" in log.columns and "request" in exposures.columns
        if named:
            taken, shown = log.columns["request"], exposures.columns["request"]
        elif log.timestamps is not None and exposures.timestamps is not None:
            taken, shown = log.timestamps, exposures.timestamps
        else:
            raise DataError(
                f"{dataset.name}: its exposures have neither a column 'request' nor times, "
                "so nobody can tell what was shown together."
            )
        self.bounds: Int[np.ndarray, " bounds"] = _bounds(exposures, shown, None if named else gap)
        """Request r is the exposures `bounds[r] : bounds[r + 1]`."""
        places = _places(log, taken, exposures, shown, dataset.name)
        self.of_event: Int[np.ndarray, " events"] = np.searchsorted(self.bounds, places, side="right") - 1
        """The request of each event of the log."""

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def spans(self, events: Int[np.ndarray, " events"]) -> Int[np.ndarray, "events 2"]:
        """For positions in the log the request each came from: the exposures `spans[i, 0] : spans[i, 1]`."""
        requests = self.of_event[events]
        return np.stack([self.bounds[requests], self.bounds[requests + 1]], axis=1)


def request_spans(dataset: Dataset, events: Int[np.ndarray, " events"], gap: int = 600) -> Int[np.ndarray, "events 2"]:
    """For positions in the log the request each came from: the exposures `spans[i, 0] : spans[i, 1]`.

    The end is not part of the request, as in a slice. The first call for a dataset cuts it into `Requests`, which are
    kept as long as the dataset lives.

    Args:
        gap: seconds without an exposure that end a request, where no column `request` says it.

    Raises:
        DataError: the dataset does not say what was shown, or not when.
    """
    key = (id(dataset), gap)
    if key not in _KNOWN:
        _KNOWN[key] = Requests(dataset, gap)
        weakref.finalize(dataset, _KNOWN.pop, key, None)
    return _KNOWN[key].spans(events)


_KNOWN: dict[tuple[int, int], Requests] = {}


def request_bounds(log: InteractionLog, gap: int = 600) -> Int[np.ndarray, " bounds"]:
    """A log cut into requests as `Requests` does it: request r is the events `bounds[r] : bounds[r + 1]`.

    Raises:
        ValueError: it has neither a column `request` nor times.
    """
    if "request" in log.columns:
        return _bounds(log, log.columns["request"], None)
    if log.timestamps is None:
        raise ValueError("a log without times and without a column 'request' cannot be cut into requests.")
    return _bounds(log, log.timestamps, gap)


def _bounds(log: InteractionLog, marks: np.ndarray, gap: int | None) -> Int[np.ndarray, " bounds"]:
    """Where the marks of a user's events differ (by more than `gap`), or `earlier` events end, a request begins."""
    first = np.ones(len(log), dtype=bool)
    first[1:] = marks[1:] != marks[:-1] if gap is None else np.abs(np.diff(marks)) > gap
    if EARLIER in log.columns:
        earlier = log.columns[EARLIER]
        first[1:] |= earlier[1:] != earlier[:-1]
    inner = log.offsets[1:-1]
    first[inner[inner < len(log)]] = True
    return np.append(np.flatnonzero(first), len(log))


def _places(
    log: InteractionLog, taken: np.ndarray, exposures: InteractionLog, shown: np.ndarray, name: str
) -> Int[np.ndarray, " events"]:
    """For each event of the log the first exposure of the same user with the same mark (request or time)."""
    marks, ranks = np.unique(shown, return_inverse=True)
    owners, takers = _owners(exposures), _owners(log)
    keys = owners * len(marks) + ranks
    # Users follow their own order column where they have one, and then times may go back.
    order = np.arange(len(keys)) if (keys[1:] >= keys[:-1]).all() else np.argsort(keys, kind="stable")
    wanted = takers * len(marks) + np.searchsorted(marks, taken)
    found = np.searchsorted(keys, wanted, sorter=order)
    places = np.append(order, len(keys))[found]
    strange = (np.append(owners, -1)[places] != takers) | (np.append(shown, 0)[places] != taken)
    if strange.any():
        raise DataError(
            f"{name}: {int(strange.sum()):,} of {len(log):,} events of the log are not among its exposures "
            f"(first: event {int(np.argmax(strange))}); exposures are everything that was shown, also what was taken."
        )
    return places


def _owners(log: InteractionLog) -> Int[np.ndarray, " events"]:
    return np.repeat(np.arange(len(log.offsets) - 1), np.diff(log.offsets))
