"""GRUs over packed rows and over what candidates see."""

import pytest
import torch
from torch import nn

from segue.core.batches import Rows
from segue.core.impressions import Candidates
from segue.layers.pooling import Pairs
from segue.layers.recurrence import AttentionGru, over_rows

ROWS = Rows(torch.tensor([0, 0, 2, 5]))
ASKED = Candidates(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 2, 1, 3]), None)
PAIRS = Pairs.newest(ROWS, ASKED, recent=9)


def events(width: int = 4) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(5, width)


def test_over_rows_is_the_gru_of_each_row() -> None:
    vectors, gru = events(), nn.GRU(4, 3)
    states = over_rows(gru, vectors, ROWS)
    assert torch.allclose(states[:2], gru(vectors[:2])[0], atol=1e-6)
    assert torch.allclose(states[2:], gru(vectors[2:])[0], atol=1e-6)


def test_over_rows_without_events() -> None:
    assert over_rows(nn.GRU(4, 3), torch.zeros(0, 4), Rows(torch.tensor([0, 0]))).shape == (0, 3)


@pytest.mark.parametrize("kind", ["augru", "agru"])
def test_attention_of_zero_keeps_the_state(kind) -> None:
    vectors, network = events(), AttentionGru(4, kind)
    weights = torch.rand(len(PAIRS.tokens))
    weights[PAIRS.tokens == 1] = 0.0  # the newest event of the first row with events
    shorter = Pairs.newest(ROWS, ASKED._replace(at=torch.tensor([0, 1, 1, 3])), recent=9)
    kept = weights[[0, 2, 3, 4, 5]]
    assert torch.equal(network(vectors, weights, PAIRS)[1], network(vectors, kept, shorter)[1])
    nothing = network(vectors, torch.zeros_like(weights), PAIRS)
    assert torch.equal(nothing, torch.zeros(4, 4))


def test_augru_with_attention_one_is_a_gru() -> None:
    vectors, network, gru = events(), AttentionGru(4, "augru"), nn.GRU(4, 4)
    gru.load_state_dict({f"{name}_l0": weight for name, weight in network.cell.state_dict().items()})
    state = network(vectors, torch.ones(len(PAIRS.tokens)), PAIRS)
    assert torch.equal(state[0], torch.zeros(4))
    assert torch.allclose(state[1:], over_rows(gru, vectors, ROWS)[[1, 2, 4]], atol=1e-6)


def test_agru_with_attention_one_forgets_everything_but_what_the_newest_event_makes_new() -> None:
    vectors, network = events(), AttentionGru(4, "agru")
    nn.init.zeros_(network.cell.weight_hh)
    state = network(vectors, torch.ones(len(PAIRS.tokens)), PAIRS)
    alone = Pairs.newest(ROWS, ASKED, recent=1)
    assert torch.allclose(state, network(vectors, torch.ones(len(alone.tokens)), alone))


def test_only_the_newest_events_count() -> None:
    network, weights = AttentionGru(4, "augru"), torch.full((3,), 0.5)
    newest = Pairs.newest(ROWS, ASKED, recent=1)
    states = [
        network(vectors, weights, newest)[3] for vectors in (events(), events() * torch.tensor([[9.0]] * 4 + [[1.0]]))
    ]
    assert torch.equal(*states)
