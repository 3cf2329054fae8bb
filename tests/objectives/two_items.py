"""Small catalogues whose scores are known."""

import torch
from torch import Tensor, nn

from segue.core.batches import SequenceBatch
from segue.core.tables import Histories


class TwoItems(nn.Module):
    """Two items at right angles; every user looks exactly like item 0, so the scores are 1 and 0."""

    history = 10

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.eye(2))

    def states(self, batch: SequenceBatch) -> Tensor:
        return torch.tensor([[1.0, 0.0]]).expand(len(batch.items), -1)

    def user_vectors(self, batch: SequenceBatch) -> Tensor:
        return batch.last(self.states(batch))

    def item_vectors(self) -> Tensor:
        return self.table


class Scores(TwoItems):
    """Every user gives item i the score `scores[i]`."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.tensor(scores)[:, None])

    def states(self, batch: SequenceBatch) -> Tensor:
        return torch.ones(len(batch.items), 1)


def all_zero(users: int = 3, length: int = 3) -> SequenceBatch:
    """Users who always take item 0."""
    return SequenceBatch.of(Histories.from_lists([[0] * length for _ in range(users)]), targets=True)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
