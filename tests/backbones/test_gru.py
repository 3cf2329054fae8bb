"""The packed GRU is PyTorch's, row by row."""

import pytest
import torch

from segue.backbones.gru import Gru
from segue.core.batches import SequenceBatch
from segue.core.tables import Histories
from segue.testing import check_backbone


@pytest.mark.parametrize("depth", [1, 2])
def test_contract(depth: int) -> None:
    check_backbone(Gru(width=16, depth=depth))


def test_it_is_the_gru_of_each_row_alone() -> None:
    trunk = Gru(width=8, depth=2).build(10).eval()
    batch = SequenceBatch.of(Histories.from_lists([[1] * n for n in (3, 1, 5, 3, 2)]))
    vectors = torch.randn(14, 8, generator=torch.Generator().manual_seed(0))
    hidden = trunk(vectors, batch)
    for row in range(len(batch)):
        tokens = slice(int(batch.rows.offsets[row]), int(batch.rows.offsets[row + 1]))
        torch.testing.assert_close(hidden[tokens], trunk.gru(vectors[None, tokens])[0][0])
