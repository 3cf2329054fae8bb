"""Dice and the tower."""

import pytest
import torch
from torch import nn

from segue.layers.tower import Dice, Tower, unit

VALUES = torch.tensor([[-1.0, 2.0], [1.0, 4.0], [3.0, 12.0]])


def test_dice_with_alpha_one_is_the_identity() -> None:
    dice = Dice(2)
    nn.init.ones_(dice.alpha)
    assert torch.allclose(dice(VALUES), VALUES)


def test_dice_by_hand() -> None:
    values = torch.tensor([[0.0], [2.0]])  # mean 1, deviation 1
    assert Dice(1)(values).flatten().tolist() == pytest.approx([0.0, 2 * torch.sigmoid(torch.tensor(1.0)).item()])


def test_dice_in_use_goes_by_what_it_remembers() -> None:
    dice = Dice(2)
    for _ in range(200):
        dice(VALUES)
    learning = dice(VALUES)
    dice.eval()
    assert torch.allclose(dice.mean, VALUES.mean(0))
    remembered = torch.sigmoid((VALUES - VALUES.mean(0)) / VALUES.std(0, correction=1))
    assert torch.allclose(dice(VALUES), VALUES * remembered)
    assert torch.equal(dice(VALUES[:1]), dice(VALUES)[:1])
    assert not torch.equal(learning[:1], dice.train()(VALUES[:1]))  # one value alone is taken as in use


@pytest.mark.parametrize("some", [0, 1])
def test_dice_of_one_value_or_none_is_finite_while_learning(some: int) -> None:
    dice = Dice(2)
    assert dice(VALUES[:some]).isfinite().all()
    assert torch.equal(dice.mean, torch.zeros(2))


def test_a_tower_without_hidden_layers_is_linear() -> None:
    tower = Tower(2, (), 3)
    assert [tuple(weight.shape) for weight in tower.parameters()] == [(3, 2), (3,)]


def test_a_tower_by_hand() -> None:
    tower = Tower(2, (1,), 1, "relu")
    for parameter in tower.parameters():
        nn.init.ones_(parameter)
    assert tower(torch.tensor([[1.0, 2.0], [-5.0, 1.0]])).flatten().tolist() == [5.0, 1.0]


def test_prelu_has_a_slope_for_each_coordinate() -> None:
    assert unit("prelu", 3).weight.shape == (3,)
