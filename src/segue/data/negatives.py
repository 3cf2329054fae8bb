"""Which items a loss compares the true one with, and how likely each of them was to be drawn."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from segue.core.batches import SequenceBatch
from segue.core.part import Part
from segue.core.shapes import Float, Int


class Drawn(NamedTuple):
    """Items drawn, shared by all tokens `[draws]` or each token's own `[tokens, draws]`.

    `log_q` is the logarithm of the expected number of times that an item of the catalog is drawn for one token; logQ
    correction subtracts it from the score, so that a loss over the sample estimates the loss over the catalog.
    """

    items: Int[Tensor, "*tokens draws"]
    log_q: Float[Tensor, " items"]

    def compare(
        self,
        states: Float[Tensor, "tokens width"],
        vectors: Float[Tensor, "items width"],
        targets: Int[Tensor, " tokens"],
    ) -> tuple[Float[Tensor, " tokens"], Float[Tensor, "tokens draws"]]:
        """The scores of the true items and of the drawn ones."""
        positive = (states * vectors[targets]).sum(-1)
        if self.items.ndim == 1:
            return positive, states @ vectors[self.items].T
        return positive, torch.einsum("tw,tdw->td", states, vectors[self.items])


class Negatives(Part):
    """How items are drawn to stand against the true ones."""

    abstract: ClassVar[bool] = True

    def __call__(self, batch: SequenceBatch, items: int, rng: torch.Generator) -> Drawn:
        """A draw for this batch out of a catalog of `items`."""
        raise NotImplementedError


class UniformNegatives(Negatives):
    """Every item is as likely as any other; drawn with replacement."""

    count: PositiveInt = 256
    """Items drawn for the batch, or for each token."""
    shared: bool = True
    """One draw for the whole batch, or one for each token: the first costs a matrix product, the second a gather."""

    def __call__(self, batch: SequenceBatch, items: int, rng: torch.Generator) -> Drawn:
        """A uniform draw."""
        drawn = torch.randint(items, _shape(self, batch), generator=rng, device=rng.device)
        return Drawn(drawn, torch.full((items,), self.count / items, device=rng.device).log())


class PopularityNegatives(Negatives):
    """An item is as likely as its count in training to a power: 1 follows popularity, 0 is uniform."""

    count: PositiveInt = 256
    """Items drawn for the batch, or for each token."""
    power: float = Field(default=0.75, ge=0, le=1)
    """What the counts are raised to."""
    shared: bool = True
    """One draw for the whole batch, or one for each token."""

    def __call__(self, batch: SequenceBatch, items: int, rng: torch.Generator) -> Drawn:
        """A draw by popularity; an item never seen in training counts as seen once."""
        weights = _counts(batch).clamp_min(1.0) ** self.power
        shape = _shape(self, batch)
        drawn = torch.multinomial(weights, shape.numel(), replacement=True, generator=rng).view(shape)
        return Drawn(drawn, (weights / weights.sum() * self.count).log())


class InBatchNegatives(Negatives):
    """The targets of the batch stand against each other: no extra item is looked up, and popular ones come often."""

    most: PositiveInt = 1024
    """At most so many of the batch's targets are used, chosen at random."""

    def __call__(self, batch: SequenceBatch, items: int, rng: torch.Generator) -> Drawn:
        """The targets of this batch, or a sample of them."""
        if batch.targets is None:
            raise ValueError("InBatchNegatives needs a batch with targets; this one has none.")
        drawn = batch.targets
        if len(drawn) > self.most:
            drawn = drawn[torch.randperm(len(drawn), generator=rng, device=rng.device)[: self.most]]
        counts = _counts(batch).clamp_min(1.0)
        return Drawn(drawn, (counts / counts.sum() * len(drawn)).log())


class MixedNegatives(Negatives):
    """Two draws side by side, such as in-batch and uniform (Yang et al. 2020, mixed negative sampling)."""

    first: Negatives = InBatchNegatives()
    second: Negatives = UniformNegatives()

    def __call__(self, batch: SequenceBatch, items: int, rng: torch.Generator) -> Drawn:
        """Both draws; the expected numbers add up."""
        one, other = self.first(batch, items, rng), self.second(batch, items, rng)
        if one.items.ndim != other.items.ndim:
            raise ValueError("MixedNegatives needs two draws of one kind: both shared, or both for each token.")
        return Drawn(torch.cat([one.items, other.items], dim=-1), torch.logaddexp(one.log_q, other.log_q))


def _shape(part: UniformNegatives | PopularityNegatives, batch: SequenceBatch) -> torch.Size:
    return torch.Size([part.count] if part.shared else [len(batch.items), part.count])


def _counts(batch: SequenceBatch) -> Tensor:
    if batch.counts is None:
        raise ValueError("Drawing by popularity needs a batch with the training counts of all items.")
    return batch.counts
