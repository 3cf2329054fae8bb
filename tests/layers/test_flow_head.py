"""The flow head: where it begins, and in what numbers it answers."""

import pytest
import torch

from segue.layers.flow_head import FlowHead


def test_it_begins_near_its_start_for_everybody() -> None:
    head = FlowHead(128)
    head.begin_at(1.5)
    flows = head(torch.randn(50, 3, 4, 128, generator=torch.Generator().manual_seed(0)))
    assert flows.shape == (50, 3, 4)
    assert flows.mean().item() == pytest.approx(1.5, abs=0.1)
    assert 0 < flows.std().item() < 0.15


def test_it_answers_in_float32_under_autocast() -> None:
    head, states = FlowHead(16), torch.randn(2, 3, 4, 16, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        flows = head(states)
        half = head(states.bfloat16())
    assert flows.dtype == half.dtype == torch.float32
    assert torch.equal(flows, head(states))
    torch.testing.assert_close(half, flows, atol=5e-3, rtol=5e-2)
