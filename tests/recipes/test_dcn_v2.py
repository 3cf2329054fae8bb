"""DCN-v2: what a cross layer is, and the ranker's contract."""

import pytest
import torch
from torch import nn

from parity import parity_batch
from recipes.clicks import model_of
from segue.recipes import dcn_v2
from segue.recipes.dcn_v2 import Cross
from segue.testing import check_ranker


def test_a_cross_layer_without_weights_is_the_identity() -> None:
    cross = Cross(3, rank=0)
    for parameter in cross.parameters():
        nn.init.zeros_(parameter)
    now = torch.randn(2, 3)
    assert torch.equal(cross(torch.randn(2, 3), now), now)


def test_a_cross_layer_by_hand() -> None:
    cross = Cross(2, rank=0)
    with torch.no_grad():
        cross.map.weight.copy_(torch.tensor([[1.0, 2.0], [0.0, 1.0]]))
        cross.map.bias.copy_(torch.tensor([0.0, 1.0]))
    found = cross(torch.tensor([[3.0, 5.0]]), torch.tensor([[1.0, 1.0]]))
    assert found.tolist() == [[3.0 * 3 + 1, 5.0 * 2 + 1]]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_each_layer_is_one_degree_more(depth) -> None:
    torch.manual_seed(0)
    crosses = [Cross(4, rank=0).double() for _ in range(depth)]
    direction = torch.randn(4, dtype=torch.float64)
    steps = torch.arange(depth + 3, dtype=torch.float64)[:, None] * direction
    now = steps
    for cross in crosses:
        now = cross(steps, now)
    differences = [now.diff(n=order, dim=0).abs().max().item() for order in (depth + 1, depth + 2)]
    assert differences[0] > 1e-4  # of degree depth + 1,
    assert differences[1] < 1e-9  # and of no higher one


def test_a_low_rank_has_fewer_weights() -> None:
    assert sum(parameter.numel() for parameter in Cross(10, rank=2).parameters()) == 2 * 10 * 2 + 10


def test_beside_each_other_the_tower_does_not_see_the_products() -> None:
    batch, model = parity_batch(), model_of(dcn_v2.VARIANTS["small"], structure="parallel")
    nn.init.zeros_(model.beside.weight)
    before = model.logits(batch)
    for cross in model.crosses:
        nn.init.normal_(cross.map.weight)
    assert torch.equal(model.logits(batch), before)
    nn.init.ones_(model.beside.weight)
    assert not torch.equal(model.logits(batch), before)


def test_stacked_without_cross_weights_is_a_tower_over_all_fields() -> None:
    batch, model = parity_batch(), model_of(dcn_v2.VARIANTS["small"])
    for parameter in model.crosses.parameters():
        nn.init.zeros_(parameter)
    fields = torch.cat([model.fields(batch), model.mean(model.events(batch), batch)], dim=1)
    assert torch.equal(model.logits(batch), model.tower(fields.flatten(1)))


@pytest.mark.slow
@pytest.mark.learns
def test_contract(learning_seed: int) -> None:
    check_ranker(dcn_v2.VARIANTS["small"], seed=learning_seed)
