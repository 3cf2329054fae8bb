"""Items written beside the true ones: which, after which histories, and what each is worth.

The codes of an item are a *trajectory* from the empty prefix to a leaf of the code tree (GFlowGR, arXiv:2506.16114).
A `TrajectorySampler` chooses some for each history of a batch, a `Reward` says what they are worth, and a
`TrajectoryObjective` turns both into a loss. All three are told the same `Situation`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from pydantic import NonNegativeFloat
from torch import Tensor, nn

from segue.core.batches import SequenceBatch, Trajectories
from segue.core.forms import AnswerObjective, Loss, Objective, TokenModel
from segue.core.part import Part
from segue.core.shapes import Bool, Float, Int
from segue.core.tables import Histories, Split


@dataclass(frozen=True)
class Situation:
    """Some histories, what each user took next, and all that a sampler or a reward may ask about them.

    Row i means the same history everywhere. `items` of the catalog are row numbers, on the device of the model.
    """

    split: Split
    histories: Histories
    """Each up to the moment of the question; windows of the log."""
    batch: SequenceBatch
    """The same histories as tensors; its rows are in the order of `histories`."""
    positives: Int[Tensor, " users"]
    """What each user took next."""
    events: Int[Tensor, " users"]
    """Where in the log that event lies."""
    progress: float
    """How far training has come, from 0 in the first epoch to 1 in the last."""
    model: TokenModel
    """The generator as it is now, without dropout."""
    taken: Callable[[Int[Tensor, "users asked"]], Bool[Tensor, "users asked"]]
    """Whether an item is the positive or anywhere in the user's training history."""
    utility: Callable[[Int[Tensor, "users asked"]], Float[Tensor, "users asked"]] | None
    """What a collaborative model thinks of items, from 0 (the worst of the catalog for this user) to 1 (the best)."""


@dataclass(frozen=True)
class Policy:
    """What the policy says of trajectories: log P of each code (nats), and the states before each code."""

    log_chances: Float[Tensor, "users asked levels"]
    states: Float[Tensor, "users asked levels width"]


class FlowModel(nn.Module):
    """What a trajectory objective may ask beside the policy: the flow through a prefix, and the reward of a leaf."""

    def log_flow(self, states: Float[Tensor, "users asked levels width"]) -> Float[Tensor, "users asked levels"]:
        """log F of each prefix, from the state after it."""
        raise NotImplementedError

    def log_reward(self, signals: Float[Tensor, "users asked signals"]) -> Float[Tensor, "users asked"]:
        """log R of each trajectory."""
        raise NotImplementedError

    def prior(self) -> Float[Tensor, ""]:
        """What keeps a learnt reward near the plain sum; it joins the loss of the trajectories."""
        return torch.zeros(())


class TrajectorySampler(Part):
    """Chooses the items that are written beside the positive."""

    abstract: ClassVar[bool] = True

    @property
    def needs_utility(self) -> bool:
        """Whether a collaborative model must stand by."""
        return False

    def __call__(self, situation: Situation, count: int, rng: torch.Generator) -> Int[Tensor, "users count"]:
        """`count` different items for each history, `NOTHING` where there are fewer."""
        raise NotImplementedError

    def notes(self, progress: float, count: int) -> dict[str, float]:
        """Numbers worth following while training, such as where a curriculum stands."""
        return {}


class Reward(Part):
    """What a trajectory is worth: signals that are measured, and how they become one number."""

    abstract: ClassVar[bool] = True

    @property
    def needs_utility(self) -> bool:
        """Whether a collaborative model must stand by."""
        return False

    @property
    def names(self) -> tuple[str, ...]:
        """The signals, in their order."""
        raise NotImplementedError

    def signals(self, situation: Situation, items: Int[Tensor, "users asked"]) -> Float[Tensor, "users asked signals"]:
        """What each signal says of each item, without a gradient."""
        raise NotImplementedError

    def flows(
        self, situation: Situation, items: Int[Tensor, "users asked"]
    ) -> Float[Tensor, "users asked prefixes"] | None:
        """log F of each prefix of each item, from the empty one to the whole tuple; None where it must be learnt."""
        return None

    def build(self) -> nn.Module:
        """The living fusion: `[..., signals]` to log R `[...]`, finite everywhere."""
        raise NotImplementedError


class TrajectoryObjective(Part):
    """Trajectories and what the policy says of them in, one loss out."""

    abstract: ClassVar[bool] = True

    @property
    def needs_reference(self) -> bool:
        """Whether the log chances of a frozen model are compared with."""
        return False

    @property
    def needs_before(self) -> bool:
        """Whether the log chances of the policy as it was when the trajectories were chosen are compared with."""
        return False

    def __call__(self, model: FlowModel, told: Trajectories, policy: Policy) -> Loss:
        """The loss summed over the histories, with their number as the count."""
        raise NotImplementedError


class BesideObjective(Objective[TokenModel]):
    """A supervised loss, and beside it one of trajectories."""

    abstract: ClassVar[bool] = True

    supervised: AnswerObjective
    """The loss of what the users really took."""
    beside: TrajectoryObjective
    """The loss of the trajectories."""
    weight: NonNegativeFloat = 1.0
    """Of the loss beside; 0 leaves the supervised loss alone."""
    renormalized: bool = False
    """Probabilities of trajectories within the trie, so that those of all items add up to one; otherwise over all
    codes."""
