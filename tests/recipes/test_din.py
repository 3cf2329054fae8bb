"""DIN: what its weights do, and the ranker's contract."""

import pytest
import torch
from torch import nn

from parity import parity_batch
from recipes.clicks import model_of, sized
from segue.core.batches import SequenceBatch
from segue.recipes import din
from segue.testing import check_ranker


def test_with_equal_events_it_is_plain_pooling() -> None:
    batch, model = parity_batch(), model_of(din.VARIANTS["small"], softmax=True)
    same = torch.ones(len(batch.events.items), 16) * 0.3
    interest = model.interest(torch.randn(len(batch.items), 16), batch, same)
    told = batch.candidates.at > 0
    assert torch.allclose(interest[told], torch.tensor(0.3))
    assert torch.equal(interest[~told], torch.zeros_like(interest[~told]))


def test_without_softmax_twice_as_many_equal_events_weigh_twice() -> None:
    batch, model = parity_batch(), model_of(din.VARIANTS["small"])
    same = torch.ones(len(batch.events.items), 16)
    interest = model.interest(torch.ones(len(batch.items), 16), batch, same)
    at = batch.candidates.at
    assert torch.allclose(interest[at == 6][0], 2 * interest[at == 3][0])
    assert not torch.allclose(interest[at == 3][0], torch.zeros(16))


def test_with_weights_of_one_it_is_a_sum() -> None:
    batch, model = parity_batch(), model_of(din.VARIANTS["small"])
    nn.init.zeros_(model.attention.rest.out.weight)
    nn.init.ones_(model.attention.rest.out.bias)
    history = model.read(batch)
    interest = model.interest(torch.randn(len(batch.items), 16), batch, history)
    seen = model.mean(history, batch) * batch.candidates.at[:, None]
    assert torch.allclose(interest, seen, atol=1e-6)


def test_only_the_newest_events_are_seen() -> None:
    model = model_of(din.VARIANTS["small"], recent=3)
    batch = parity_batch()
    rows = batch.events.rows
    old = rows.positions < 3
    events = batch.events
    other = SequenceBatch(torch.where(old, 11, events.items), rows, events.order, users=events.users)
    changed = type(batch)(**{**vars(batch), "events": other})
    before, after = model.logits(batch), model.logits(changed)
    late = batch.candidates.at >= 6
    assert torch.equal(before[late], after[late])
    assert not torch.allclose(before[~late], after[~late], atol=0)


def test_size() -> None:
    attention = 3 * 64 * 32 + 32 + 32 + (32 * 16 + 16) + 16 + 16 + 1  # Dice has an alpha for each unit
    tower = 6 * 64 * 128 + 128 + 128 + 128 * 64 + 64 + 64 + 64 * 2 + 2
    facts, actions = (3 + 1 + 3 + 3) * 64, 2 * (2 + 2) * 64
    assert sized(din.RECIPE) == attention + tower + facts + actions


@pytest.mark.learns
def test_contract(learning_seed: int) -> None:
    check_ranker(din.VARIANTS["small"], seed=learning_seed)
