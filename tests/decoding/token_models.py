"""Token models whose probabilities can be looked up: a table that ignores the history but for its last item."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from segue.backbones.causal_transformer import CausalTransformer
from segue.core.batches import SequenceBatch
from segue.core.codes import ItemCodes
from segue.core.tables import Histories
from segue.models.token_generator import TokenGenerator, TokenGeneratorModel


def random_model(codes: ItemCodes, seed: int = 0, history: int = 10) -> TokenGeneratorModel:
    """A real model with random weights, wide enough that its probabilities are far from even."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = CausalTransformer(width=8, depth=1, heads=2, inner=16, dropout=0.0)
        return TokenGenerator(spread=1.0).build(backbone, codes, history).eval()


class Table:
    """P(code | level) is the same for everybody: what a decoder gives can be worked out by hand."""

    whole = True

    def __init__(self, codes: ItemCodes, chances: list[list[float]]) -> None:
        self.codes, self.tree, self.history = codes, codes.tree, 10
        self.item_codes = torch.from_numpy(codes.codes)
        self.chances = [torch.tensor(level, dtype=torch.float32) for level in chances]

    def codebook(self, level: int) -> tuple[Tensor, int]:
        return torch.log(self.chances[level])[:, None], 0

    def begin(self, batch: SequenceBatch) -> Flat:
        return Flat(torch.ones(len(batch), 1, 1), 0)

    def answers(self, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def states_of(self, batch: SequenceBatch, items: Tensor) -> Tensor:
        raise NotImplementedError

    def answers_and_states_of(
        self, batch: SequenceBatch, items: Tensor, at: Tensor, positive: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        raise NotImplementedError


@dataclass(frozen=True)
class Flat:
    states: Tensor
    level: int

    def extended(self, parents: Tensor, codes: Tensor) -> Flat:
        return Flat(torch.ones(*parents.shape, 1), self.level + 1)


def random_codes(items: int, levels: int, size: int, seed: int = 0, *, weighted: bool = False) -> ItemCodes:
    rng = np.random.default_rng(seed)
    weights = rng.random(items).astype(np.float32) if weighted else None
    return ItemCodes(rng.integers(0, size, (items, levels)), (size,) * levels, weights=weights)


def some_histories(items: int, *lengths: int, seed: int = 0) -> Histories:
    rng = np.random.default_rng(seed)
    return Histories.from_lists([rng.integers(0, items, length).tolist() for length in lengths])
