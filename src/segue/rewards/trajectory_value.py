"""What a trajectory is worth by what the user did, by what a model thinks of it, and by its codes."""

from __future__ import annotations

from typing import Literal, TypeVar

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, model_validator
from torch import Tensor

from segue.core.errors import DataError, SettingsError
from segue.core.ranking import NOTHING
from segue.core.shapes import Float, Int, Num
from segue.core.tables import InteractionLog
from segue.core.trajectories import Reward, Situation
from segue.data.shown import shown_beside
from segue.layers.trajectory_chances import log_chances
from segue.rewards._fusion import Deep, Fusion, Weighted

Whole = TypeVar("Whole", bound="TrajectoryValue")


class TrajectoryValue(Reward):
    """R = behaviour + utility + overlap, none of them negative; any can be dropped.

    `behaviour` is what the user's action was worth: of the positive, and of items that were shown in the same request;
    0 of all others. `utility` is what a collaborative model, or the generator itself, thinks of the item. `overlap`
    counts the levels at which an item has the code of the positive. All three are functions of the item, so a positive
    that the generator draws itself is worth no less.

    A learnt fusion sees the same signals and would gladly make rewards small, because then there is less to explain.
    Weights therefore add up to the number of signals, a network bends by a factor of 2 at most, both start exactly at
    the sum, and `build().prior()` is a loss that pulls them back (0 for the sum).

    Source: GFlowGR, arXiv:2506.16114v3, the reward model. Ours: the floor, utility in [0, 1], how fusion is learnt.
    """

    behaviour: NonNegativeFloat = 1.0
    """Value of having taken an item; the paper's grid is 1, 5, 10. With 0 and no `actions` the signal is dropped."""
    actions: dict[str, NonNegativeFloat] = Field(default_factory=dict)
    """Value of each action by the column that says whether it happened, such as {click: 1, like: 10}. The largest
    counts, and the positive has `behaviour` at least. A column may be of the exposures alone: every event of a log of
    clicks is a click."""
    utility: Literal["collaborative", "own", "none"] = "collaborative"
    """The scores of a collaborative model from 0 to 1, the generator's mean probability of a code, or no signal."""
    overlap: bool = True
    """Count the codes shared with the positive, level by level; not those of a level at which more than half of the
    items have one code, such as the one that parts items with equal tuples."""
    fusion: Literal["sum", "weighted", "deep"] = "sum"
    """How the signals become one number."""
    pull: NonNegativeFloat = 1.0
    """Weight of what keeps a learnt fusion near the sum."""
    floor: PositiveFloat = 1e-2
    """The least reward there is."""
    gap: NonNegativeInt = 600
    """Seconds without an exposure that end a request, where `actions` are looked up among what was shown and the data
    has no column `request`."""

    @model_validator(mode="after")
    def _at_least_one(self: Whole) -> Whole:
        if not self.names:
            raise ValueError("behaviour, utility and overlap are all dropped; keep one of them")
        return self

    @property
    def needs_utility(self) -> bool:
        """Whether a collaborative model must stand by."""
        return self.utility == "collaborative"

    @property
    def names(self) -> tuple[str, ...]:
        """The signals that were not dropped."""
        behaviour = bool(self.behaviour or self.actions)
        kept = {"behaviour": behaviour, "utility": self.utility != "none", "overlap": self.overlap}
        return tuple(name for name, wanted in kept.items() if wanted)

    def signals(self, situation: Situation, items: Int[Tensor, "users asked"]) -> Float[Tensor, "users asked signals"]:
        """What each signal says of each item; `NOTHING` is worth 0.

        Raises:
            DataError: the log has no such column of actions.
            SettingsError: a collaborative model is asked for and there is none.
        """
        measures = {"behaviour": self._behaviour, "utility": self._utility, "overlap": self._overlap}
        with torch.no_grad():
            known = items.clamp_min(0)
            told = torch.stack([measures[name](situation, known) for name in self.names], dim=-1)
            return told.masked_fill((items == NOTHING)[..., None], 0.0)

    def build(self) -> Fusion:
        """The living fusion: `[..., signals]` to log R `[...]`; its `prior()` joins the loss."""
        if self.fusion == "sum":
            return Fusion(self.floor)
        return (Weighted if self.fusion == "weighted" else Deep)(len(self.names), self.floor, self.pull)

    def _behaviour(self, situation: Situation, items: Tensor) -> Tensor:
        events, device = situation.events.cpu().numpy(), items.device
        dataset = situation.split.dataset
        own = np.full(len(events), self.behaviour)
        values = torch.zeros(items.shape, device=device)
        tables = [table for table in (dataset.log, dataset.exposures) if table is not None]
        missing = [name for name in self.actions if all(name not in table.columns for table in tables)]
        if missing:
            raise DataError(
                f"reward.actions: the data has no column '{missing[0]}'; it has "
                f"{', '.join(sorted({name for table in tables for name in table.columns})) or 'none'}. "
                "Prepare it again with the column, or leave the action out."
            )
        if self.actions:
            own = np.maximum(own, self._worth(dataset.log, events))
        if self.actions and dataset.exposures is not None:
            rows = shown_beside(situation.split, situation.histories.users, events, self.gap)
            worth = np.where(rows >= 0, self._worth(dataset.exposures, rows), 0.0)
            shown = torch.from_numpy(dataset.exposures.items[rows].astype(np.int64)).to(device)
            same = items[:, :, None] == shown[:, None, :]  # users asked shown
            values = (same * torch.from_numpy(worth).float().to(device)[:, None, :]).amax(-1)
        own_values = torch.from_numpy(own).float().to(device)[:, None]
        return torch.where(items == situation.positives[:, None], own_values, values)

    def _worth(self, log: InteractionLog, rows: Int[np.ndarray, "*rows"]) -> Num[np.ndarray, "*rows"]:
        """The value of the most valuable action of each row."""
        known = {name: value for name, value in self.actions.items() if name in log.columns}
        if not known:
            return np.zeros(rows.shape)
        values = [value * (log.columns[name][rows] > 0) for name, value in known.items()]
        worth: np.ndarray = np.max(values, axis=0)
        return worth

    def _utility(self, situation: Situation, items: Tensor) -> Tensor:
        if self.utility == "own":
            states = situation.model.states_of(situation.batch, items)
            return log_chances(situation.model, states, items).mean(-1).exp()
        if situation.utility is None:
            raise SettingsError(
                "reward: utility=collaborative asks a collaborative model, and there is none; name one, or set "
                "reward.utility to own or none."
            )
        return situation.utility(items).float()

    def _overlap(self, situation: Situation, items: Tensor) -> Tensor:
        codes = situation.model.item_codes
        common = torch.stack([torch.bincount(level).amax() for level in codes.T])
        codes = codes[:, 2 * common <= len(codes)]
        return (codes[items] == codes[situation.positives][:, None]).sum(-1).float()
