"""The activation unit of DIN."""

import torch
from torch import nn

from segue.core.batches import Rows
from segue.core.impressions import Candidates
from segue.layers.pooling import Pairs
from segue.layers.target_attention import TargetAttention

ROWS = Rows(torch.tensor([0, 1, 4]))
ASKED = Candidates(torch.tensor([0, 1, 1]), torch.tensor([1, 2, 3]), None)


def test_it_is_a_network_on_q_k_q_minus_k_and_their_product() -> None:
    torch.manual_seed(0)
    attention = TargetAttention(2, (3,), "relu")
    candidates, events, pairs = torch.randn(3, 2), torch.randn(4, 2), Pairs.newest(ROWS, ASKED, 5)
    q, k = candidates[pairs.shown], events[pairs.tokens]
    of_q, of_k, of_difference = torch.randn(3, 3, 2)
    with torch.no_grad():  # W1 q + W2 k + W3 (q - k) = (W1 + W3) q + (W2 - W3) k
        attention.of_candidate.weight.copy_(of_q + of_difference)
        attention.of_event.weight.copy_(of_k - of_difference)
    whole = torch.cat([of_q, of_k, of_difference, attention.of_product.weight], dim=1)
    hidden = torch.relu(torch.cat([q, k, q - k, q * k], dim=1) @ whole.T + attention.of_candidate.bias)
    assert torch.allclose(attention(candidates, events, pairs), attention.rest(hidden).squeeze(-1), atol=1e-6)


def test_ages_tell_equal_events_apart() -> None:
    torch.manual_seed(0)
    pairs = Pairs.newest(ROWS, ASKED, 5)
    same = (torch.ones(3, 2), torch.ones(4, 2), pairs)
    assert len(TargetAttention(2, (3,), "relu")(*same).unique()) == 1
    aged = TargetAttention(2, (3,), "relu", ages=5)
    nn.init.normal_(aged.of_candidate.bias, mean=5.0)  # no unit is silent
    numbers = aged(*same)
    assert len(numbers.unique()) == 3
    assert numbers[pairs.ages == 0].unique().numel() == 1


def test_no_pairs_no_numbers() -> None:
    nobody = Pairs.newest(Rows(torch.tensor([0, 0])), Candidates(torch.tensor([0]), torch.tensor([0]), None), 5)
    assert TargetAttention(2, (3,), "dice")(torch.zeros(1, 2), torch.zeros(0, 2), nobody).shape == (0,)
