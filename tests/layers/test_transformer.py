"""The stack: bricks that add nothing leave what they get, and settings that cannot be are refused."""

import pytest
import torch
from torch.nn.functional import layer_norm

from segue.backbones.causal_transformer import CausalTransformer
from segue.core.batches import SequenceBatch
from segue.core.errors import SettingsError
from segue.core.tables import Histories

BATCH = SequenceBatch.of(Histories.from_lists([[1, 2], [3, 4, 5]]))
VECTORS = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))


def test_bricks_that_add_nothing_leave_the_normalised_input() -> None:
    trunk = CausalTransformer(width=8, heads=2, inner=8, position="rotary").build(4).eval()
    for name, parameter in trunk.named_parameters():
        if name.endswith(("out.weight", "out.bias", "narrow.weight", "narrow.bias")):
            torch.nn.init.zeros_(parameter)
    torch.testing.assert_close(trunk(VECTORS, BATCH), layer_norm(VECTORS, (8,), eps=1e-8))


def test_a_closed_gate_lets_nothing_through() -> None:
    trunk = CausalTransformer(width=8, heads=2, inner=8, position="rotary", gated=True).build(4).eval()
    for name, parameter in trunk.named_parameters():
        if "gate" in name:
            torch.nn.init.constant_(parameter, -1e4 if name.endswith("bias") else 0.0)
    torch.testing.assert_close(trunk(VECTORS, BATCH), layer_norm(VECTORS, (8,), eps=1e-8))


def test_learned_places_tell_equal_events_apart() -> None:
    trunk = CausalTransformer(width=8, heads=2, inner=8).build(4).eval()
    hidden = trunk(torch.ones(5, 8), BATCH)
    assert not torch.allclose(hidden[0], hidden[1], atol=1e-4)
    torch.testing.assert_close(hidden[0], hidden[2])  # both are the first of their row


def test_heads_that_do_not_share_the_width_evenly_are_refused() -> None:
    with pytest.raises(SettingsError, match="width 8 cannot be shared evenly by 3 heads"):
        CausalTransformer(width=8, heads=3).build(4)


def test_rotary_needs_pairs() -> None:
    with pytest.raises(SettingsError, match="rotary"):
        CausalTransformer(width=6, heads=2, position="rotary").build(4)
