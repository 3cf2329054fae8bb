"""What comes next, by cosine: values by hand, and who counts."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from segue.core.impressions import Field, RankingBatch, Schema
from segue.data.next_events import NextEvents
from segue.layers.facts import ItemVectors
from segue.objectives.generative_pretraining import GenerativePretraining
from segue.testing.requests import parity_requests

SPLIT = parity_requests(users=6)


def batch_of() -> RankingBatch:
    events = NextEvents(history=50)
    windows, chunks = events.epoch(events.of(SPLIT), np.random.default_rng(0))
    return events.batch(windows, chunks[0])


BATCH = batch_of()
TOKENS = len(BATCH.items)


class Given(nn.Module):
    """States and tables that the test gives."""

    def __init__(self, states: Tensor, fields: tuple[Field, ...] = ()) -> None:
        super().__init__()
        facts = {one.name: torch.from_numpy(np.array(SPLIT.item_features[one.name])) for one in fields}
        self.items = ItemVectors(Schema(12, ("click",), ("click", "like"), fields), facts, states.shape[1])
        self.given = nn.Parameter(states)
        self.length, self.design = 50, ""

    def next_states(self, batch: RankingBatch) -> Tensor:
        return self.given


def random_model(*fields: Field) -> Given:
    torch.manual_seed(0)
    return Given(torch.randn(TOKENS, 4), fields)


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def test_equal_vectors_leave_a_choice_among_the_target_and_every_draw_that_is_not_it() -> None:
    model = random_model()
    nn.init.ones_(model.items.table.weight)
    loss = GenerativePretraining(negatives=20)(model, BATCH, rng())
    drawn = torch.randint(12, (len(BATCH), 20), generator=rng())
    others = (drawn[BATCH.events.rows.owners] != BATCH.items[:, None]).sum(1)
    assert loss.total.item() == pytest.approx(float((1 + others).log().sum()), rel=1e-5)
    assert loss.count.item() == TOKENS


def test_lengths_of_states_and_vectors_do_not_matter() -> None:
    model = random_model(Field("parity", "item", 3))
    before = GenerativePretraining(negatives=20)(model, BATCH, rng()).total.item()
    with torch.no_grad():
        model.given *= torch.linspace(0.1, 7.0, TOKENS)[:, None]
        model.items.table.weight[3] *= 5.0
        model.items.get_parameter("facts.item_parity.table")[1] *= 0.3
    after = GenerativePretraining(negatives=20)(model, BATCH, rng()).total.item()
    assert after == pytest.approx(before, rel=1e-5)


def test_categories_are_predicted_against_all_of_them_and_numbers_are_not() -> None:
    fields = (Field("parity", "item", 3), Field("size", "item", 0))
    model = random_model(*fields)
    loss = GenerativePretraining(negatives=20, temperature=0.1)(model, BATCH, rng())
    cosines = normalize(model.given, dim=1) @ normalize(model.items.get_parameter("facts.item_parity.table"), dim=1).T
    wanted = cross_entropy(cosines / 0.1, 1 + BATCH.items % 2)
    assert set(loss.notes) == {"loss/item", "loss/parity"}
    assert loss.notes["loss/parity"].item() == pytest.approx(wanted.item(), rel=1e-5)
    assert loss.mean.item() == pytest.approx(sum(note.item() for note in loss.notes.values()), rel=1e-5)


def test_a_category_that_nobody_knows_is_not_predicted() -> None:
    model = random_model(Field("parity", "item", 3))
    model.items.fact("parity").zero_()
    loss = GenerativePretraining(negatives=20)(model, BATCH, rng())
    assert loss.notes["loss/parity"].item() == 0.0


def test_what_was_only_shown_is_left_out_when_asked() -> None:
    model = random_model(Field("parity", "item", 3))
    assert BATCH.labels is not None
    clicked = BATCH.labels[:, 0] == 1
    loss = GenerativePretraining(negatives=20, positive=True)(model, BATCH, rng())
    loss.total.backward()
    assert 0 < loss.count.item() == clicked.sum().item() < TOKENS
    assert model.given.grad is not None
    assert not model.given.grad[~clicked].any()
    assert model.given.grad[clicked].abs().sum(1).min() > 0


def test_each_history_has_a_draw_of_its_own() -> None:
    """One draw a history: with one negative and equal vectors, the losses of a row differ only by collisions."""
    model = random_model()
    nn.init.ones_(model.items.table.weight)
    drawn = torch.randint(12, (len(BATCH), 1), generator=rng())
    assert len(set(drawn.flatten().tolist())) > 1
    loss = GenerativePretraining(negatives=1)(model, BATCH, rng())
    collisions = int((drawn[BATCH.events.rows.owners] == BATCH.items[:, None]).sum())
    assert loss.total.item() == pytest.approx((TOKENS - collisions) * math.log(2.0), rel=1e-5)


def test_it_follows_the_generator_that_it_is_given() -> None:
    model, objective = random_model(), GenerativePretraining(negatives=3)
    totals = [objective(model, BATCH, torch.Generator().manual_seed(seed)).total.item() for seed in (0, 0, 1)]
    assert totals[0] == totals[1] != totals[2]
