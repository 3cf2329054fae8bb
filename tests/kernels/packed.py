"""Rows of given lengths, and memory that was never written."""

import torch
from torch import Tensor

from segue.core.batches import Rows

LENGTHS = (
    (1,),
    (3,),
    (63,),
    (1, 3, 3, 63),
    (5, 2, 5),
    (),
    (0, 2, 2),
)
"""Lengths of the rows of a batch; odd ones, unsorted ones, none at all, and an empty row."""


def rows_of(lengths: tuple[int, ...]) -> Rows:
    return Rows(torch.tensor([0, *torch.tensor(lengths, dtype=torch.long).cumsum(0).tolist()]))


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """A leaf that wants a gradient."""
    drawn = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return drawn.to(dtype).requires_grad_()


class UnwrittenIsNaN:
    """Inside, memory that `torch.empty` hands out is full of NaN, so that whatever is read unwritten shows."""

    def __enter__(self) -> None:
        self.before = torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = True
        assert torch.empty(3).isnan().all()

    def __exit__(self, *_: object) -> None:
        torch.use_deterministic_algorithms(self.before[0])
        torch.utils.deterministic.fill_uninitialized_memory = self.before[1]
