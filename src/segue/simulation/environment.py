"""The laws of a simulated world: what is shown to whom, and what users do with it, as known probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segue.core.shapes import Bool, Float, Int
from segue.simulation.items import Items
from segue.simulation.users import State, Users


@dataclass(frozen=True)
class Responses:
    """What users did with items shown to them; without a click there is nothing else."""

    click: Bool[np.ndarray, " shown"]
    like: Bool[np.ndarray, " shown"]
    purchase: Bool[np.ndarray, " shown"]
    watch_time: Float[np.ndarray, " shown"]
    """Seconds; 0 without a click."""


@dataclass(frozen=True)
class Chances:
    """The probabilities behind `Responses`: of a click if shown, and of the rest if clicked."""

    click: Float[np.ndarray, " shown"]
    like: Float[np.ndarray, " shown"]
    purchase: Float[np.ndarray, " shown"]
    watch_time: Float[np.ndarray, " shown"]
    """Expected seconds after a click."""


@dataclass(frozen=True)
class Environment:
    """Users, items and the shop between them. Nothing here is random until `respond` draws."""

    users: Users
    items: Items
    habits: Float[np.ndarray, "before after"]
    base: float
    """Log odds of a click on an average item by an average user."""
    taste: float
    habit: float
    shown: float
    popularity_bias: float
    personal: float
    explore: float

    def preference(self, state: State) -> Float[np.ndarray, "rows items"]:
        """P(click | shown) of every item in each state; ask for some hundred rows at a time."""
        logits = (
            self.taste * self._tastes(state) @ self.items.vectors.T
            + self.habit * self.habits[state.previous][:, self.items.category]
            - self.users.thrift[state.users][:, None] * self.items.dearness
            + (self.base + self.items.quality)
        )
        return _sigmoid(logits)

    def exposure(self, state: State, clicked: Bool[np.ndarray, "rows items"]) -> Float[np.ndarray, "rows items"]:
        """P(shown) of every item in a request made in each state, of each item independently of the others.

        The shop pushes popular items, and kinds of item (never single items) that suit the user now. A share `explore`
        goes to all items alike, so that nothing has probability 0 except what the user `clicked` before.
        """
        kinds = self.taste * self._tastes(state) @ self.items.centres.T + self.habit * self.habits[state.previous]
        pull = np.exp(self.personal * kinds).astype(np.float32)
        push = (self.items.popularity**self.popularity_bias).astype(np.float32)
        weights = pull[:, self.items.category]
        weights *= push
        weights[clicked] = 0
        weights *= (1 - self.explore) * self.shown / weights.sum(axis=1, keepdims=True)
        weights += self.explore * self.shown / len(self.items)
        weights[clicked] = 0
        return np.minimum(weights, np.float32(0.9), out=weights)

    def chances(self, state: State, rows: Int[np.ndarray, " shown"], items: Int[np.ndarray, " shown"]) -> Chances:
        """What the user of state `rows[i]` would do with `items[i]`, for single pairs."""
        affinity = self.taste * np.einsum("sw,sw->s", self._tastes(state)[rows], self.items.vectors[items])
        price = self.users.thrift[state.users[rows]] * self.items.dearness[items]
        habit = self.habit * self.habits[state.previous[rows], self.items.category[items]]
        return Chances(
            click=_sigmoid(self.base + self.items.quality[items] + affinity + habit - price),
            like=_sigmoid(-1.2 + affinity + self.items.quality[items]),
            purchase=_sigmoid(-2.0 + 0.5 * affinity - 2 * price),
            watch_time=self.items.duration[items] * np.exp(0.4 * affinity),
        )

    def respond(
        self,
        state: State,
        rows: Int[np.ndarray, " shown"],
        items: Int[np.ndarray, " shown"],
        rng: np.random.Generator,
    ) -> Responses:
        """What happens when the user of state `rows[i]` is shown `items[i]`."""
        chances = self.chances(state, rows, items)
        click, like, purchase = rng.random((3, len(items)))
        clicked = click < chances.click
        noise = np.exp(0.5 * rng.normal(size=len(items)) - 0.125)  # mean 1
        return Responses(
            click=clicked,
            like=clicked & (like < chances.like),
            purchase=clicked & (purchase < chances.purchase),
            watch_time=np.where(clicked, np.round(chances.watch_time * noise, 1), 0.0),
        )

    def _tastes(self, state: State) -> Float[np.ndarray, "rows width"]:
        return self.users.tastes(state.users, state.times)


def _sigmoid(logits: Float[np.ndarray, ...]) -> Float[np.ndarray, ...]:
    return 1 / (1 + np.exp(-logits))
