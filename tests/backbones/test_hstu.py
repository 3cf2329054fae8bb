"""HSTU keeps the contract, looks at times when it has them, and can hide candidates from each other."""

from dataclasses import replace

import pytest
import torch

from segue.backbones.hstu import Hstu
from segue.core.batches import SequenceBatch
from segue.core.tables import Histories
from segue.testing import check_backbone

PART = Hstu(width=8, depth=1, heads=2, head_width=4)
VECTORS = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
BATCH = SequenceBatch.of(Histories.from_lists([[1, 2, 3, 4, 5]]))


def trunk_of(part: Hstu) -> torch.nn.Module:
    """Built from seed 0, with biases large enough to be seen."""
    torch.manual_seed(0)
    trunk = part.build(10).eval()
    for name, parameter in trunk.named_parameters():
        if name.endswith("_bias"):
            torch.nn.init.normal_(parameter)
    return trunk


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("heads", [1, 2])
def test_contract(timed: bool, heads: int) -> None:
    check_backbone(Hstu(width=16, head_width=8, heads=heads, timed=timed))


def test_times_matter_where_they_are_known() -> None:
    trunk = trunk_of(PART)
    times = torch.tensor([0, 60, 120, 180, 240])
    without, slow, fast = (trunk(VECTORS, replace(BATCH, timestamps=one)) for one in (None, times, times // 60))
    assert not torch.allclose(slow, without)
    assert not torch.allclose(slow, fast)


def test_only_distances_in_time_matter() -> None:
    trunk, times = trunk_of(PART), torch.tensor([0, 60, 120, 180, 240])
    later = trunk(VECTORS, replace(BATCH, timestamps=times + 1_000_000))
    assert torch.equal(trunk(VECTORS, replace(BATCH, timestamps=times)), later)


def test_the_time_of_the_target_matters_when_it_is_told() -> None:
    trunk, times = trunk_of(PART), torch.tensor([0, 60, 120, 180, 240])
    hidden = trunk(VECTORS, replace(BATCH, timestamps=times))
    told = trunk(VECTORS, replace(BATCH, timestamps=times, next_timestamps=times + 86_400))
    assert not torch.allclose(hidden, told)


def test_an_untimed_trunk_does_not_look_at_the_clock() -> None:
    trunk = trunk_of(Hstu(width=8, depth=1, heads=2, head_width=4, timed=False))
    assert torch.equal(trunk(VECTORS, BATCH), trunk(VECTORS, replace(BATCH, timestamps=torch.arange(5) * 60)))


def test_candidates_do_not_see_each_other() -> None:
    trunk = trunk_of(Hstu(width=8, depth=2, heads=2, head_width=4, candidates=2))
    changed = VECTORS.clone()
    changed[3] += 1.0
    before, after = trunk(VECTORS, BATCH), trunk(changed, BATCH)
    assert torch.equal(after[[0, 1, 2, 4]], before[[0, 1, 2, 4]])
    assert not torch.equal(after[3], before[3])
