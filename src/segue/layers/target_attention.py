"""How much each event of a history matters to each candidate, by a small network over the two."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from segue.core.shapes import Float
from segue.layers.pooling import Pairs
from segue.layers.tower import Tower, TowerActivation, unit


class TargetAttention(nn.Module):
    """The activation unit of DIN: a network on [q, k, q - k, q * k] of each candidate q and event k.

    Its first layer is computed in parts: what it makes of q alone and of k alone costs nothing by the pair, and only
    the product does. `ages` gives each pair a vector for how many newer events the candidate sees, up to so many.

    Source: arXiv:1706.06978, section 4.3; the four inputs are those of the authors' code.
    """

    def __init__(self, width: int, hidden: Sequence[int], activation: TowerActivation = "dice", ages: int = 0) -> None:
        super().__init__()
        first = hidden[0]
        self.of_candidate = nn.Linear(width, first)
        self.of_event = nn.Linear(width, first, bias=False)
        self.of_product = nn.Linear(width, first, bias=False)
        self.of_age = nn.Embedding(ages, first) if ages else None
        self.activation = unit(activation, first)
        self.rest = Tower(first, hidden[1:], 1, activation)

    def forward(
        self, candidates: Float[Tensor, "shown width"], events: Float[Tensor, "tokens width"], pairs: Pairs
    ) -> Float[Tensor, " pairs"]:
        """A number for each pair, of any sign."""
        product = candidates[pairs.shown] * events[pairs.tokens]
        hidden = (
            self.of_product(product) + self.of_candidate(candidates)[pairs.shown] + self.of_event(events)[pairs.tokens]
        )
        if self.of_age is not None:
            hidden = hidden + self.of_age(pairs.ages)
        numbers: Tensor = self.rest(self.activation(hidden))
        return numbers.squeeze(-1)
