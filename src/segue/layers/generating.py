"""A model of histories whose states can be compared with the vectors of the items that come next."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

from segue.core.impressions import RankingBatch
from segue.core.shapes import Float
from segue.layers.facts import ItemVectors


@runtime_checkable
class Generating(Protocol):
    """A ranker that can also be asked what comes next."""

    items: ItemVectors
    length: int
    """The most events of a history that it can read."""
    design: str
    """The parts that it was built from, as text: same weights and same design are the same model."""

    def next_states(self, batch: RankingBatch) -> Float[Tensor, "tokens width"]:
        """A vector at every event of the batch, to be compared with those of items and of their facts."""
        ...
