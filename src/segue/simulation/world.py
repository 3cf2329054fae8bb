"""The embedded default data: a small shop with users whose every probability is known."""

from __future__ import annotations

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from segue.core.part import Part
from segue.core.seeding import numpy_generator
from segue.core.shapes import Int
from segue.simulation.environment import Environment
from segue.simulation.items import draw_items
from segue.simulation.simulation import Simulation
from segue.simulation.users import DAY, State, draw_habits, draw_users

BLOCK = 512
"""Users simulated together. Part of what a seed means: another number gives another world."""
OPENING = 1_704_067_200
"""The first of January 2024."""
PAUSE = 1_800
"""Seconds between two requests of a user at least, so that clicks of one request come before the next request."""


class World(Part):
    """A shop whose users have drifting tastes and habits, and whose policy shows popular items more.

    The same settings and seed give the same world on every machine with the same numpy.
    """

    users: PositiveInt = 2000
    items: int = Field(default=1000, ge=20)
    categories: int = Field(default=24, ge=4)
    clicks: PositiveFloat = 40.0
    """Clicks of a user on average, at least 5."""
    shown: PositiveFloat = 12.0
    """Items of a request on average."""
    width: PositiveInt = 8
    """Directions in which tastes differ."""
    taste: NonNegativeFloat = 1.3
    """What one standard deviation of affinity adds to the log odds of a click."""
    habit: NonNegativeFloat = 2.8
    """What the category of the last click adds to the log odds of its successors."""
    successors: PositiveInt = 2
    """Categories that each category leads to."""
    right_angle: PositiveFloat = 45.0
    """Days until a taste has turned to something unrelated."""
    base: float = Field(default=-4.0, ge=-6)
    """Log odds of a click on an average item by an average user; much lower, and nobody ever gets done."""
    zipf: NonNegativeFloat = 0.8
    """How steeply popularity falls with rank."""
    popularity_bias: NonNegativeFloat = 1.0
    """How much the shop's policy follows popularity; 0 ignores it."""
    personal: NonNegativeFloat = 1.0
    """How much the shop's policy follows what suits the user now; 0 shows all users the same."""
    explore: float = Field(default=0.05, gt=0, le=1)
    """Share of what is shown that is drawn from all items alike."""
    own: float = Field(default=0.4, ge=0, le=1)
    """Share of an item's position in the space of tastes that its category does not explain."""

    def environment(self, seed: int = 0) -> Environment:
        """The laws of this world, before anybody has done anything."""
        return Environment(
            users=draw_users(
                self.users,
                width=self.width,
                right_angle=self.right_angle,
                start=OPENING,
                days=120.0,
                rng=numpy_generator(seed, "users"),
            ),
            items=draw_items(
                self.items,
                categories=self.categories,
                width=self.width,
                zipf=self.zipf,
                own=self.own,
                rng=numpy_generator(seed, "items"),
            ),
            habits=draw_habits(
                self.categories,
                successors=min(self.successors, self.categories - 1),
                rng=numpy_generator(seed, "habits"),
            ),
            base=self.base,
            taste=self.taste,
            habit=self.habit,
            shown=self.shown,
            popularity_bias=self.popularity_bias,
            personal=self.personal,
            explore=self.explore,
        )

    def simulate(self, seed: int = 0) -> Simulation:
        """Let everybody use the shop until each has clicked as often as was drawn for them."""
        environment = self.environment(seed)
        blocks = [
            _walk(
                environment,
                np.arange(start, min(start + BLOCK, self.users)),
                self.clicks,
                numpy_generator(seed, "walk", start // BLOCK),
            )
            for start in range(0, self.users, BLOCK)
        ]
        return Simulation.of(environment, _joined(blocks), settings=self.dump(), seed=seed)


TINY = World(users=60, items=40, categories=5, clicks=12.0, shown=6.0)
"""A world for tests: made in a few hundredths of a second."""

Columns = dict[str, np.ndarray]


def _walk(
    environment: Environment, users: Int[np.ndarray, " block"], clicks: float, rng: np.random.Generator
) -> Columns:
    """Everything shown to these users, one request of every user at a time; a user leaves after the request that
    reaches their number of clicks."""
    wanted = 5 + np.minimum(rng.exponential(max(clicks - 5, 0.0), len(users)), len(environment.items) // 4)
    done = np.zeros(len(users))
    clicked = np.zeros((len(users), len(environment.items)), dtype=bool)
    state = State(users, environment.users.start[users], np.full(len(users), -1))
    here = np.arange(len(users))
    log: list[Columns] = []
    while len(here):
        seen = clicked[here]
        exposure = environment.exposure(state, seen)
        rows, items = np.nonzero(rng.random(exposure.shape, dtype=np.float32) < exposure)
        order = np.lexsort((rng.random(len(rows)), rows))  # users look through a request in random order
        rows, items = rows[order], items[order]
        counts = np.bincount(rows, minlength=len(here))
        position = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        responses = environment.respond(state, rows, items, rng)
        log.append(
            {
                "user": state.users[rows],
                "time": state.times[rows],
                "previous": state.previous[rows],
                "before": seen.sum(axis=1)[rows],
                "item": items,
                "position": position,
                "exposure": exposure[rows, items].astype(np.float64),
                "click": responses.click,
                "like": responses.like,
                "purchase": responses.purchase,
                "watch_time": responses.watch_time,
            }
        )
        picked = responses.click
        clicked[here[rows[picked]], items[picked]] = True
        done[here] += np.bincount(rows[picked], minlength=len(here))
        previous = state.previous.copy()
        previous[rows[picked]] = environment.items.category[items[picked]]  # the last click of a row is written last
        pause = PAUSE + DAY * np.exp(rng.normal(0.0, 1.0, len(here)))
        state = State(state.users, state.times + pause.astype(np.int64), previous)
        stay = done[here] < wanted[here]
        state, here = state.take(np.flatnonzero(stay)), here[stay]
    return _joined(log)


def _joined(parts: list[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
