"""DeepFM: the factorisation machine at the cost of one pass, and the ranker's contract."""

import pytest
import torch
from safetensors.torch import save
from torch import nn

from parity import parity_batch
from recipes.clicks import model_of, sized
from segue.recipes import deepfm
from segue.recipes.deepfm import pairwise
from segue.testing import check_ranker


def test_the_pairwise_part_is_the_double_loop_over_pairs() -> None:
    fields = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    pairs = sum(fields[:, one] * fields[:, other] for one in range(4) for other in range(one))
    assert torch.allclose(pairwise(fields), pairs, atol=1e-6)


def test_it_begins_as_the_machine_of_the_paper() -> None:
    model, batch = model_of(deepfm.VARIANTS["small"]), parity_batch()
    for parameter in model.tower.out.parameters():
        nn.init.zeros_(parameter)
    nn.init.normal_(model.first.table.weight)
    fields = torch.cat([model.fields(batch), model.mean(model.events(batch), batch)], dim=1)
    products = torch.einsum("sfw,sgw->sfg", fields, fields)
    second = products.tril(-1).sum(dim=(1, 2))
    of_shown, of_events = model.first(batch.items).sum(1), model.first(batch.events.items).sum(1)
    first = of_shown[:, :2] + sum(model.first_context(batch)) + model.mean(of_events[:, 2:], batch)
    assert torch.allclose(model.logits(batch), first + second[:, None], atol=1e-5)


def test_size() -> None:
    fields, history = 5, 3
    tower = (fields + history) * 64 * 128 + 128 + 128 * 64 + 64 + 64 * 64 + 64 + 64 * 2 + 2
    facts = (3 + 1 + 3 + 3) * 64 + (3 + 1) * 4 + (3 + 3) * 2
    actions = 2 * (2 + 2) * 64
    assert sized(deepfm.RECIPE) == tower + facts + actions + 2 * 64


def test_facts_that_two_tables_read_are_saved() -> None:
    model = model_of(deepfm.RECIPE)
    assert torch.equal(model.items.fact("parity"), model.first.fact("parity"))
    assert save(dict(model.state_dict()))  # refuses tensors that share memory


@pytest.mark.slow
@pytest.mark.learns
def test_contract(learning_seed: int) -> None:
    check_ranker(deepfm.VARIANTS["small"], seed=learning_seed)
