"""What came of a simulated world: the log of clicks, everything that was shown, and the truth behind both."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from segue.core.shapes import Bool, Float, Int
from segue.core.tables import Catalog, Dataset, InteractionLog
from segue.simulation.environment import Environment
from segue.simulation.users import State

GLANCE = 5
"""Seconds a user gives each place of a request."""


@dataclass(frozen=True)
class Simulation:
    """A played world.

    A *request* is one visit in which some items were shown. Requests are numbered user after user and oldest first, as
    are the rows of `impressions` (request, user, item, position, exposure, click, like, purchase, watch_time, timestamp
    in Unix seconds). `user` and `item` are row numbers of the dataset. `exposure` is the probability with which the
    item was shown. The truth is asked for by request: a block of some hundred at a time, never all users and items.
    """

    environment: Environment
    impressions: pl.DataFrame
    state: State
    """The state in which each request was made."""
    before: Int[np.ndarray, " requests"]
    """How many items the user had clicked before each request."""
    settings: Mapping[str, Any]
    seed: int

    @classmethod
    def of(
        cls, environment: Environment, shown: Mapping[str, np.ndarray], *, settings: Mapping[str, Any], seed: int
    ) -> Simulation:
        """Put what was shown in order and number the requests."""
        order = np.lexsort((shown["position"], shown["time"], shown["user"]))
        columns = {name: values[order] for name, values in shown.items()}
        user, time = columns["user"], columns["time"]
        first = np.ones(len(user), dtype=bool)
        first[1:] = (user[1:] != user[:-1]) | (time[1:] != time[:-1])
        impressions = pl.DataFrame(
            {
                "request": np.cumsum(first) - 1,
                "user": user,
                "item": columns["item"],
                "position": columns["position"],
                "exposure": columns["exposure"],
                "click": columns["click"],
                "like": columns["like"],
                "purchase": columns["purchase"],
                "watch_time": columns["watch_time"],
                "timestamp": time + GLANCE * (1 + columns["position"]),
            }
        )
        state = State(user[first], time[first], columns["previous"][first])
        return cls(environment, impressions, state, columns["before"][first], settings, seed)

    @property
    def catalog(self) -> Catalog:
        """The items."""
        return self.environment.items.catalog

    def dataset(self, name: str = "simulated") -> Dataset:
        """The clicks as an ordinary log with its catalogue, and everything that was shown as its exposures.

        The log's columns are like and purchase (0 or 1), watch_time (seconds) and request (the row of `state`); the
        exposures have click, position (in the request, from 0) and exposure (the probability) besides.
        """
        count = len(self.environment.users.start)
        digits = len(str(count - 1))
        users = pl.DataFrame({"user_id": [f"u{user:0{digits}d}" for user in range(count)]})
        actions = ("like", "purchase", "watch_time", "request")
        log = _log(self.impressions.filter("click"), users, actions)
        exposures = _log(self.impressions, users, ("position", "exposure", "click", *actions))
        origin = {
            "source": "simulation",
            "world": dict(self.settings),
            "seed": self.seed,
            "users": count,
            "items": len(self.catalog),
            "events": len(log),
            "requests": len(self.state),
            "impressions": self.impressions.height,
        }
        return Dataset(name, log, self.catalog, _digest(log, self.catalog), origin, exposures)

    def preference(self, requests: Int[np.ndarray, " rows"]) -> Float[np.ndarray, "rows items"]:
        """P(click | shown) of every item at the moment of these requests."""
        return self.environment.preference(self.state.take(requests))

    def exposure(self, requests: Int[np.ndarray, " rows"]) -> Float[np.ndarray, "rows items"]:
        """P(shown) of every item in these requests; 0 for what the user had clicked before."""
        return self.environment.exposure(self.state.take(requests), self.clicked(requests))

    def clicked(self, requests: Int[np.ndarray, " rows"]) -> Bool[np.ndarray, "rows items"]:
        """What the user of each request had clicked before it."""
        clicks = self.impressions.filter("click")
        starts = np.searchsorted(clicks["user"].to_numpy(), self.state.users[requests])
        return self._mask(starts, self.before[requests], clicks["item"].to_numpy())

    def ever_shown(self, users: Int[np.ndarray, " rows"]) -> Bool[np.ndarray, "rows items"]:
        """What each user was shown in any request; what is not was never a chance to click."""
        bounds = self.impressions["user"].to_numpy().searchsorted(np.stack([users, users + 1]))
        return self._mask(bounds[0], bounds[1] - bounds[0], self.impressions["item"].to_numpy())

    def latest_requests(self) -> Int[np.ndarray, " users"]:
        """The last request of each user."""
        return np.searchsorted(self.state.users, np.arange(len(self.environment.users.start)), side="right") - 1

    def _mask(
        self, starts: Int[np.ndarray, " rows"], counts: Int[np.ndarray, " rows"], items: Int[np.ndarray, " any"]
    ) -> Bool[np.ndarray, "rows items"]:
        """True at the `counts[i]` items from `starts[i]` on, for each row."""
        mask = np.zeros((len(starts), len(self.catalog)), dtype=bool)
        rows = np.repeat(np.arange(len(starts)), counts)
        steps = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        mask[rows, items[starts[rows] + steps]] = True
        return mask


def _log(rows: pl.DataFrame, users: pl.DataFrame, columns: Sequence[str]) -> InteractionLog:
    """Rows of `impressions` as a log; what happened or not is 0 or 1."""
    facts = {name: rows[name].cast(pl.Int8) if rows[name].dtype == pl.Boolean else rows[name] for name in columns}
    return InteractionLog(
        items=rows["item"].to_numpy(),
        offsets=np.searchsorted(rows["user"].to_numpy(), np.arange(users.height + 1)),
        users=users,
        timestamps=rows["timestamp"].to_numpy(),
        columns={name: values.to_numpy() for name, values in facts.items()},
    )


def _digest(log: InteractionLog, catalog: Catalog) -> str:
    """A hash of the log and the catalogue; the exposures come from the same world, whose origin says them."""
    sha = hashlib.sha256()
    arrays = {"items": log.items, "offsets": log.offsets, "timestamps": log.timestamps, **log.columns}
    for name, array in sorted(arrays.items()):
        values = np.ascontiguousarray(array)
        sha.update(f"{name} {values.dtype.str} {len(values)}\n".encode())
        sha.update(values.data)
    sha.update(log.users.write_ndjson().encode())
    sha.update(catalog.table.write_ndjson().encode())
    return sha.hexdigest()
