"""How much a language model learns of its own drafts instead of the true titles, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field, NonNegativeInt

from segue.core.part import Part


class Shares(Part):
    """The share of the drafts in the loss of each epoch, from 0 to 1."""

    abstract: ClassVar[bool] = True
    needs_distances: ClassVar[bool] = False
    """Whether it must be told how far the model's texts are from the truth."""

    def share(self, epoch: int, epochs: int, distances: Sequence[float]) -> float:
        """The share of one epoch.

        Args:
            epoch: its number, from 1.
            epochs: as many as are planned.
            distances: the mean distance of the model's own texts from the true titles: first that of the untuned
                model, then that at the end of each epoch so far; empty unless it `needs_distances`.
        """
        raise NotImplementedError


class SelfAdaptive(Shares):
    """min(exp(alpha * (d[t-1] / d[0] - 1)), 1): drafts alone in the first epoch, fewer as the model comes nearer.

    Source: SOFT, arXiv:2505.20771, its self-adaptive scheduler. With alpha = 0 there are only drafts for ever; with a
    large one, one epoch of them and then none as soon as the distance shrinks.
    """

    needs_distances: ClassVar[bool] = True
    alpha: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """How fast the drafts leave as the distance shrinks; the paper chooses among 0.1, 1, 10 and 100."""

    def share(self, epoch: int, epochs: int, distances: Sequence[float]) -> float:
        """The share that the distance at the end of the epoch before asks for."""
        return math.exp(min(self.alpha * (distances[epoch - 1] / distances[0] - 1.0), 0.0))


class FixedShare(Shares):
    """The same in every epoch; 1, the drafts alone, is SOFT without its scheduler."""

    value: float = Field(default=1.0, ge=0, le=1)
    """The share."""

    def share(self, epoch: int, epochs: int, distances: Sequence[float]) -> float:
        """The same share for every epoch."""
        return self.value


class LinearShare(Shares):
    """From 1 in the first epoch down to 0 in the last that is planned."""

    def share(self, epoch: int, epochs: int, distances: Sequence[float]) -> float:
        """What is left of the way."""
        return 1.0 - (epoch - 1) / max(epochs - 1, 1)


class Staged(Shares):
    """First the drafts alone, then the true titles alone."""

    epochs: NonNegativeInt = 1
    """Epochs of the drafts."""

    def share(self, epoch: int, epochs: int, distances: Sequence[float]) -> float:
        """One stage or the other."""
        return 1.0 if epoch <= self.epochs else 0.0
