"""DMIN: each head is an interest of its own, and the ranker's contract."""

import pytest
import torch
from torch import nn

from parity import parity_batch
from recipes.clicks import model_of
from segue.core.errors import SettingsError
from segue.layers.pooling import Pairs
from segue.recipes import dmin
from segue.testing import check_ranker


def interests_of(model, batch) -> torch.Tensor:
    """What the tower is told first: the interests."""
    told = []
    model.tower.register_forward_pre_hook(lambda _, inputs: told.append(inputs[0]))
    model.logits(batch)
    return told[0][:, :16]


def test_one_head_without_preference_is_the_mean_of_the_extracted_events() -> None:
    batch, model = parity_batch(), model_of(dmin.VARIANTS["small"], heads=1)
    for parameter in model.attention[0].rest.out.parameters():
        nn.init.zeros_(parameter)
    _, interests = model.read(batch)
    assert torch.allclose(interests_of(model, batch), model.mean(interests[:, 0], batch), atol=1e-6)


def test_an_extractor_that_looks_everywhere_alike_is_a_mean_of_the_past() -> None:
    batch, model = parity_batch(), model_of(dmin.VARIANTS["small"])
    with torch.no_grad():
        model.extractor.weight[:16] = 0  # no queries
        model.extractor.bias[:16] = 0
    events, interests = model.read(batch)
    refined = model.norm(events + model.refiner(events, batch.events.rows))
    values = model.extractor(refined)[:, 32:]
    first = slice(int(batch.events.rows.offsets[-2]), int(batch.events.rows.offsets[-1]))
    steps = torch.arange(1, first.stop - first.start + 1)[:, None]
    assert torch.allclose(interests[first].flatten(1), values[first].cumsum(0) / steps, atol=1e-5)


def test_a_head_changes_its_own_interest_alone() -> None:
    batch, model = parity_batch(), model_of(dmin.VARIANTS["small"], heads=2)
    before = interests_of(model, batch)
    nn.init.normal_(model.attention[1].of_product.weight, std=30.0)
    nn.init.normal_(model.asked.weight, std=30.0)
    changed = interests_of(model, batch)
    nn.init.normal_(model.attention[0].of_product.weight, std=30.0)
    both = interests_of(model, batch)
    assert torch.equal(both[:, 8:], changed[:, 8:])
    assert not torch.allclose(both[:, :8], changed[:, :8], atol=1e-7)
    assert not torch.allclose(before, changed, atol=1e-7)


def test_the_age_of_an_event_matters() -> None:
    batch, model = parity_batch(), model_of(dmin.VARIANTS["small"])
    pairs = Pairs.newest(batch.events.rows, batch.candidates, model.recent)
    attention = model.attention[0]
    same = attention(torch.zeros(len(batch.items), 8), torch.zeros(len(batch.events.items), 8), pairs)
    assert len(same.unique()) == len(pairs.ages.unique())


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(SettingsError, match="3 heads do not divide a width of 16"):
        model_of(dmin.VARIANTS["small"], heads=3)


@pytest.mark.slow
@pytest.mark.learns
def test_contract(learning_seed: int) -> None:
    check_ranker(dmin.VARIANTS["small"], seed=learning_seed)
