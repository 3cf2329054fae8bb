"""The users of a simulated world: tastes that drift, habits of going from one kind of thing to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from segue.core.shapes import Float, Int

DAY = 86_400


@dataclass(frozen=True)
class Users:
    """What only the world knows of each user.

    A taste is a direction that turns at an even pace from `first` towards `second` and on: at every moment it is a
    standard normal vector, and it needs no table of the past to say what it was at a given time.
    """

    first: Float[np.ndarray, "users width"]
    second: Float[np.ndarray, "users width"]
    thrift: Float[np.ndarray, " users"]
    """What one standard deviation of price costs in the log odds of a click."""
    start: Int[np.ndarray, " users"]
    """When the user arrives, in Unix seconds."""
    right_angle: float
    """Days until a taste has turned to something unrelated."""

    def tastes(
        self, users: Int[np.ndarray, " rows"], times: Int[np.ndarray, " rows"]
    ) -> Float[np.ndarray, "rows width"]:
        """Where these users' tastes point at these times."""
        angle = (np.pi / 2) * (times - self.start[users]) / (DAY * self.right_angle)
        return np.cos(angle)[:, None] * self.first[users] + np.sin(angle)[:, None] * self.second[users]


def draw_users(
    count: int, *, width: int, right_angle: float, start: int, days: float, rng: np.random.Generator
) -> Users:
    """Random users, who arrive at random within `days` after `start`."""
    return Users(
        first=rng.normal(0, 1, (count, width)),
        second=rng.normal(0, 1, (count, width)),
        thrift=rng.gamma(2.0, 0.2, count),
        start=start + rng.integers(0, int(days * DAY), count),
        right_angle=right_angle,
    )


@dataclass(frozen=True)
class State:
    """Some users at some moments: all that the world needs to know to say what they will do."""

    users: Int[np.ndarray, " rows"]
    times: Int[np.ndarray, " rows"]
    previous: Int[np.ndarray, " rows"]
    """The category of the last click of an earlier request; -1 before the first."""

    def __len__(self) -> int:
        return len(self.users)

    def take(self, rows: Int[np.ndarray, " some"] | slice) -> State:
        """The chosen rows."""
        return replace(self, users=self.users[rows], times=self.times[rows], previous=self.previous[rows])


def draw_habits(categories: int, *, successors: int, rng: np.random.Generator) -> Float[np.ndarray, "before after"]:
    """How much a click on one category raises the appetite for each other: 1 for its `successors`, 0.4 for itself.

    Going back is not as likely as going on, so the order of a history says more than its contents. The last row is for
    users without a past and is 0.
    """
    habits = np.zeros((categories + 1, categories))
    steps = 1 + np.argsort(rng.random((categories, categories - 1)), axis=1)[:, :successors]
    after = (np.arange(categories)[:, None] + steps) % categories
    habits[np.arange(categories)[:, None], after] = 1.0
    habits[np.arange(categories), np.arange(categories)] = 0.4
    return habits
