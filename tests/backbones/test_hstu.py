"""HSTU keeps the contract, looks at times when it has them, and can hide candidates from each other."""

from dataclasses import replace

import pytest
import torch

from segue.backbones.hstu import Hstu
from segue.core.batches import Rows, SequenceBatch
from segue.core.impressions import Candidates
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


def rows_of(*lengths: int) -> Rows:
    return Rows(torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()]))


@pytest.mark.parametrize("timed", [True, False])
def test_what_is_read_is_what_the_trunk_says_of_a_history(timed: bool) -> None:
    trunk, times = trunk_of(PART.changed({"depth": 3, "timed": timed})), torch.tensor([0, 60, 4000, 4100, 90_000])
    read = trunk.read(VECTORS, BATCH.rows, times, states=True)
    torch.testing.assert_close(read.states, trunk(VECTORS, replace(BATCH, timestamps=times)))


def test_keys_and_values_are_the_same_when_the_last_layer_saves_the_rest() -> None:
    trunk = trunk_of(PART.changed({"depth": 2}))
    whole, saving = (trunk.read(VECTORS, BATCH.rows, states=states) for states in (True, False))
    assert saving.states is None
    torch.testing.assert_close(saving.layers, whole.layers)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("timed", [True, False])
def test_who_sees_itself_and_stands_where_an_event_does_is_that_event(depth: int, timed: bool) -> None:
    trunk, rows = trunk_of(PART.changed({"depth": depth, "own": True})), rows_of(2, 0, 3)
    times = torch.tensor([5, 60, 70, 4000, 90_000]) if timed else None
    read = trunk.read(VECTORS, rows, times, states=True)
    torch.testing.assert_close(trunk.judge(read, VECTORS, Candidates(rows.owners, rows.positions, times)), read.states)


def test_a_candidate_sees_so_many_events_and_its_own_time() -> None:
    trunk, times = trunk_of(PART), torch.tensor([0, 60, 120, 180, 240])
    read = trunk.read(VECTORS, BATCH.rows, times)
    asked = Candidates(torch.tensor([0, 0]), torch.tensor([2, 2]), torch.tensor([300, 86_400]))
    soon, late = trunk.judge(read, VECTORS[:1].repeat(2, 1), asked)
    assert not torch.allclose(soon, late)
    changed = VECTORS.clone()
    changed[2:] += 1.0
    again = trunk.judge(trunk.read(changed, BATCH.rows, times), VECTORS[:1].repeat(2, 1), asked)
    assert torch.equal(again, torch.stack([soon, late]))


def test_who_sees_nothing_gets_what_it_brings() -> None:
    # A(0) = 0 and its norm is 0, so a layer adds the bias of its last product alone.
    trunk = trunk_of(PART)
    read = trunk.read(VECTORS[:0], rows_of(0))
    asked = Candidates(torch.tensor([0]), torch.tensor([0]), None)
    found = trunk.judge(read, VECTORS[:1], asked)
    torch.testing.assert_close(found, VECTORS[:1] + trunk.places.weight[:1] + trunk.layers[0].out.bias)


@pytest.mark.parametrize("timed", [True, False])
def test_a_history_that_grows_is_as_one_that_is_read_at_once(timed: bool) -> None:
    trunk = trunk_of(PART.changed({"depth": 3}))
    times = torch.tensor([0, 60, 120, 180, 240]) if timed else None
    first, second = (
        torch.tensor([0, 2]),
        torch.tensor([1, 3, 4]),
    )  # rows of 2, 0, 3: one and none and one, then the rest
    pieces = [(VECTORS[some], None if times is None else times[some]) for some in (first, second)]
    begun = trunk.read(pieces[0][0], rows_of(1, 0, 1), pieces[0][1])
    grown = trunk.append(begun, pieces[1][0], rows_of(1, 0, 2), pieces[1][1], states=True)
    whole = trunk.read(VECTORS, rows_of(2, 0, 3), times, states=True)
    assert torch.equal(grown.rows.offsets, whole.rows.offsets)
    torch.testing.assert_close(grown.layers, whole.layers)
    torch.testing.assert_close(grown.states, whole.states[second])
    assert grown.times is None if times is None else torch.equal(grown.times, times)
