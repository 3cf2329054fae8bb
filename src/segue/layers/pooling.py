"""What each candidate sees of a history, as pairs of candidate and event, and sums over them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from segue.core.batches import Rows
from segue.core.impressions import Candidates
from segue.core.shapes import Float, Int
from segue.kernels.packed_attention.reference import rectangle


@dataclass(frozen=True)
class Pairs:
    """Each candidate beside each event that it sees, the events of a candidate from the oldest to the newest.

    A candidate without a history is in no pair.
    """

    counts: Int[Tensor, " shown"]
    """Events that each candidate sees."""
    tokens: Int[Tensor, " pairs"]
    """The packed token of the event."""

    @classmethod
    def newest(cls, rows: Rows, candidates: Candidates, recent: int) -> Pairs:
        """Each candidate with the newest `recent` of the events that come before it."""
        counts = candidates.at.clamp_max(recent)
        firsts = rows.offsets[candidates.owners] + candidates.at - counts
        steps = firsts - (counts.cumsum(0) - counts)
        pairs = torch.repeat_interleave(steps, counts)
        return cls(counts, pairs + torch.arange(len(pairs), device=pairs.device))

    @cached_property
    def shown(self) -> Int[Tensor, " pairs"]:
        """The candidate of each pair."""
        return torch.repeat_interleave(torch.arange(len(self.counts), device=self.counts.device), self.counts)

    @cached_property
    def places(self) -> Int[Tensor, " pairs"]:
        """The place of the event among those that its candidate sees, the oldest at 0."""
        return torch.arange(len(self.tokens), device=self.counts.device) - self._firsts[self.shown]

    @property
    def ages(self) -> Int[Tensor, " pairs"]:
        """How many newer events the candidate sees, 0 for the newest."""
        return self.counts[self.shown] - 1 - self.places

    def softmax(self, logits: Float[Tensor, " pairs"]) -> Float[Tensor, " pairs"]:
        """Weights that add up to 1 over the events of each candidate."""
        logits = logits.float()
        highest = logits.new_full((len(self.counts),), -torch.inf)
        highest = highest.scatter_reduce(0, self.shown, logits.detach(), "amax")
        weights = (logits - highest[self.shown]).exp()
        return weights / weights.new_zeros(len(self.counts)).index_add(0, self.shown, weights)[self.shown]

    def sum(
        self, weights: Float[Tensor, " pairs"], vectors: Float[Tensor, "tokens width"]
    ) -> Float[Tensor, "shown width"]:
        """The weighted sum of the events' vectors for each candidate, zero where it sees none."""
        vectors = vectors.float()  # under autocast the sum stays as exact as the tables
        return embedding_bag(self.tokens, vectors, self._firsts, mode="sum", per_sample_weights=weights.float())

    @cached_property
    def _firsts(self) -> Int[Tensor, " shown"]:
        return self.counts.cumsum(0) - self.counts


def mean_of_newest(
    vectors: Float[Tensor, "tokens *some"], rows: Rows, candidates: Candidates, recent: int
) -> Float[Tensor, "shown *some"]:
    """The mean over the newest `recent` events before each candidate, zero where there are none.

    Made of sums over the beginnings of each row, so it costs as much as there are events, and not pairs.
    """
    sums = rectangle(vectors.float(), rows).cumsum(dim=1)  # rows longest some
    sums = torch.cat([sums.new_zeros(len(rows), 1, *sums.shape[2:]), sums], dim=1)
    owners, at, _ = candidates
    begin = (at - recent).clamp_min(0)
    counts = (at - begin).clamp_min(1).view(-1, *[1] * (vectors.ndim - 1))
    return (sums[owners, at] - sums[owners, begin]) / counts
