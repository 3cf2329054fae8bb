"""The loss of the next item's codes, by hand and by its definition."""

import math

import numpy as np
import pytest
import torch

from decoding.token_models import Table, random_codes, random_model, some_histories
from segue.core.batches import SequenceBatch
from segue.core.codes import ItemCodes
from segue.core.errors import SettingsError
from segue.objectives.next_code import NextCode


class Known(Table):
    """Two answers whose states point at one code of each level."""

    def __init__(self) -> None:
        super().__init__(ItemCodes(np.array([[0, 1], [1, 0]]), (2, 2)), [])

    def answers(self, batch: SequenceBatch) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 2.0]]]), torch.tensor([0, 1])

    def codebook(self, level: int) -> tuple[torch.Tensor, int]:
        return torch.eye(2), 0


def test_value_by_hand() -> None:
    loss = NextCode()(Known(), SequenceBatch.of(some_histories(2, 1)), torch.Generator())
    right = math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-2))
    wrong = math.log(1 + math.exp(1)) + math.log(1 + math.exp(2))
    assert loss.total.item() == pytest.approx(right + wrong, rel=1e-6)
    assert loss.count.item() == 4


def test_a_temperature_divides_the_logits() -> None:
    loss = NextCode(temperature=2.0)(Known(), SequenceBatch.of(some_histories(2, 1)), torch.Generator())
    values = [math.log(1 + math.exp(x)) for x in (-0.5, -1.0, 0.5, 1.0)]
    assert loss.total.item() == pytest.approx(sum(values), rel=1e-6)


def test_it_repeats_itself_and_has_gradients_everywhere() -> None:
    model = random_model(random_codes(30, 3, 5))
    batch = SequenceBatch.of(some_histories(30, 5, 9, 3), targets=True)
    one, other = (NextCode(smoothing=0.1)(model, batch, torch.Generator()) for _ in range(2))
    assert torch.equal(one.total, other.total)
    one.mean.backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


def test_without_targets_it_says_so() -> None:
    with pytest.raises(SettingsError, match="no targets"):
        NextCode()(random_model(random_codes(30, 3, 5)), SequenceBatch.of(some_histories(30, 5)), torch.Generator())
