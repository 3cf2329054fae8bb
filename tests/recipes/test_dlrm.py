"""DLRM: its interactions are dot products, numbers go through the bottom, and the ranker's contract."""

from dataclasses import replace

import pytest
import torch

from parity import WORLD, parity_batch
from recipes.clicks import model_of
from segue.recipes import dlrm
from segue.recipes.dlrm import interactions
from segue.testing import check_ranker


def test_interactions_are_the_dot_products_of_distinct_pairs() -> None:
    vectors = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    found = interactions(vectors)
    wanted = [vectors[:, one] @ vectors[:, other].T for one in range(4) for other in range(one)]
    assert torch.allclose(found, torch.stack([products.diagonal() for products in wanted], dim=1), atol=1e-6)


def test_a_number_is_seen_through_the_bottom_network_alone() -> None:
    batch, model = parity_batch(), model_of(dlrm.VARIANTS["small"])
    assert set(model.items.facts) == {"item_parity"}
    assert torch.equal(
        model._number(model.numbers[0], batch), torch.from_numpy(WORLD.item_features["size"])[batch.items]
    )
    before = model.logits(batch)
    for parameter in model.bottom.out.parameters():
        torch.nn.init.zeros_(parameter)
    silent = model.logits(batch)
    model.fact_size.mul_(-3.0)
    assert torch.equal(model.logits(batch), silent)
    assert not torch.equal(before, silent)


def test_numbers_of_users_and_places_are_told_too() -> None:
    batch, model = parity_batch(), model_of(dlrm.VARIANTS["small"])
    owners = batch.candidates.owners
    of_user, of_place = (
        replace(model.numbers[0], name=name, of=of) for name, of in (("side", "user"), ("position", "place"))
    )
    assert torch.equal(model._number(of_user, batch), batch.users["side"][owners].float())
    assert torch.equal(model._number(of_place, batch), batch.features["position"].float())


def test_without_numbers_there_is_no_bottom() -> None:
    schema = replace(WORLD.schema, fields=WORLD.schema.fields_of("place"))
    model = dlrm.VARIANTS["small"].model.build(None, schema, {}, length=20)
    assert model.bottom is None
    assert model.logits(parity_batch()).shape == (len(parity_batch().items), 2)


@pytest.mark.slow
@pytest.mark.learns
def test_contract(learning_seed: int) -> None:
    check_ranker(dlrm.VARIANTS["small"], seed=learning_seed)
