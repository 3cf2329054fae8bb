"""The bidirectional transformer sees both sides, and has room for the question."""

import pytest
import torch

from segue.backbones.bidirectional import Bidirectional
from segue.core.batches import SequenceBatch
from segue.core.tables import Histories
from segue.testing import check_backbone


@pytest.mark.parametrize("order", ["pre", "post"])
def test_contract(order) -> None:
    check_backbone(Bidirectional(width=16, inner=16, order=order), causal=False)


def test_a_full_history_and_the_question_fit() -> None:
    trunk = Bidirectional(width=16, inner=16).build(4).eval()
    batch = SequenceBatch.of(Histories.from_lists([[1, 2, 3, 4, 5]]))
    assert trunk(torch.zeros(5, 16), batch).shape == (5, 16)
