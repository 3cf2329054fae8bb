"""DIEN: who moves its state, and the ranker's contract."""

import pytest
import torch
from torch import nn

from parity import parity_batch
from recipes.clicks import model_of
from segue.layers.pooling import Pairs
from segue.recipes import dien
from segue.testing import check_ranker


def test_the_attention_is_a_softmax_of_a_bilinear_form() -> None:
    """With no relevance every event has the same weight, and the second network runs on equal weights."""
    batch, model = parity_batch(), model_of(dien.VARIANTS["small"])
    nn.init.zeros_(model.relevance.weight)
    events, interests = model.read(batch)
    pairs = Pairs.newest(batch.events.rows, batch.candidates, model.recent)
    equal = model.evolution(interests, 1 / pairs.counts[pairs.shown], pairs)
    fields = model.fields(batch)
    mean = model.mean(events, batch)
    told = torch.cat([equal, mean, mean * fields[:, :3].sum(1), fields.flatten(1)], dim=1)
    assert torch.allclose(model.logits(batch), model.tower(told), atol=1e-6)


def test_a_history_is_read_once_for_all_candidates(monkeypatch) -> None:
    batch, model = parity_batch(), model_of(dien.VARIANTS["small"])
    read = []
    monkeypatch.setattr(model.extraction, "forward", lambda packed: read.append(len(packed.data)) or (packed, None))
    model.logits(batch)
    assert read == [len(batch.events.items)]


@pytest.mark.parametrize("kind", ["augru", "agru"])
def test_the_kind_of_attention_matters(kind) -> None:
    batch = parity_batch()
    logits = model_of(dien.VARIANTS["small"], attention=kind).logits(batch)
    others = model_of(dien.VARIANTS["small"], attention="agru" if kind == "augru" else "augru").logits(batch)
    told = batch.candidates.at > 0
    assert torch.equal(logits[~told], others[~told])
    assert not torch.equal(logits[told], others[told])


@pytest.mark.slow
@pytest.mark.learns
def test_contract(learning_seed: int) -> None:
    check_ranker(dien.VARIANTS["small"], seed=learning_seed)
