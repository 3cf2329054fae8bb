"""The feed-forward, by hand with one number in and one out."""

import math
from typing import Literal

import pytest
import torch

from segue.layers.feed_forward import FeedForward


@pytest.mark.parametrize(
    ("activation", "wanted"),
    [
        ("relu", 2.0),
        ("gelu", 2 * 0.5 * (1 + math.tanh(math.sqrt(2 / math.pi) * (2 + 0.044715 * 8)))),
        ("swiglu", 2 / (1 + math.exp(-2)) * 2),
    ],
)
def test_value_by_hand(activation: Literal["relu", "gelu", "swiglu"], wanted: float) -> None:
    brick = FeedForward(1, 1, activation, bias=False)
    for parameter in brick.parameters():
        torch.nn.init.ones_(parameter)
    assert brick(torch.tensor([[2.0]])).item() == pytest.approx(wanted, rel=1e-5)


def test_the_gated_form_has_three_matrices() -> None:
    plain, gated = (FeedForward(4, 6, form, bias=False).parameters() for form in ("relu", "swiglu"))
    assert sum(parameter.numel() for parameter in plain) == 2 * 4 * 6
    assert sum(parameter.numel() for parameter in gated) == 3 * 4 * 6
