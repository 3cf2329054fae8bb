"""A loss is a sum and a number of targets, so that parts of a batch add up."""

import pytest
import torch

from segue.core.forms import Loss


def test_the_mean_is_a_target() -> None:
    assert Loss(torch.tensor(6.0), torch.tensor(4.0)).mean.item() == pytest.approx(1.5)
