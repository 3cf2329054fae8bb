"""A transformer that judges: reading once is writing every candidate behind its history; a context may grow."""

import pytest
import torch

from kernels.packed import rows_of
from segue.backbones.causal_transformer import CausalTransformer
from segue.core.batches import Rows
from segue.core.errors import SettingsError
from segue.core.impressions import Candidates
from segue.layers.transformer import Transformer
from segue.layers.transformer_judge import TransformerJudge

WIDTH = 8
LENGTHS = (0, 2, 5)
ROWS = rows_of(LENGTHS)
VECTORS = torch.randn(7, WIDTH, generator=torch.Generator().manual_seed(1))
CANDIDATES = Candidates(torch.tensor([0, 1, 1, 2, 2]), torch.tensor([0, 0, 2, 3, 5]), None)
SHOWN = torch.randn(5, WIDTH, generator=torch.Generator().manual_seed(2))
FORMS = [
    {"norm": "rms", "position": "rotary", "activation": "swiglu"},
    {"norm": "layer", "position": "learned", "gated": True},
    {"norm": "rms", "position": "rotary", "order": "post"},
]


def judge_of(**settings) -> TransformerJudge:
    torch.manual_seed(0)
    trunk = CausalTransformer(width=WIDTH, depth=2, heads=2, inner=16, **settings).build(6).eval()
    assert isinstance(trunk, Transformer)
    return TransformerJudge(trunk)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_candidate_is_judged_as_if_it_were_written_behind_its_history(form) -> None:
    judge = judge_of(**form)
    found = judge.judge(judge.read(VECTORS, ROWS), SHOWN, CANDIDATES)
    for place, (owner, at) in enumerate(zip(CANDIDATES.owners.tolist(), CANDIDATES.at.tolist(), strict=True)):
        start = int(ROWS.offsets[owner])
        row = torch.cat([VECTORS[start : start + at], SHOWN[place : place + 1]])
        torch.testing.assert_close(found[place], judge.trunk.states(row, rows_of((at + 1,)))[-1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_reading_on_is_reading_at_once(form) -> None:
    judge = judge_of(**form)
    times = torch.arange(7)
    whole = judge.read(VECTORS, ROWS, times, states=True)
    first, rest = torch.tensor([0, 2, 3]), torch.tensor([1, 4, 5, 6])  # of the rows (0, 1, 2) and then (0, 1, 3) events
    begun = judge.read(VECTORS[first], rows_of((0, 1, 2)), times[first])
    grown = judge.append(begun, VECTORS[rest], rows_of((0, 1, 3)), times[rest], states=True)
    assert torch.equal(grown.rows.offsets, whole.rows.offsets)
    assert grown.times is not None
    assert grown.states is not None
    assert whole.states is not None
    assert torch.equal(grown.times, times)
    torch.testing.assert_close(grown.states, whole.states[rest], atol=1e-5, rtol=1e-4)
    for one, other in zip(grown.layers, whole.layers, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_without_states_the_keys_and_values_are_the_same() -> None:
    judge = judge_of(**FORMS[0])
    for one, other in zip(judge.read(VECTORS, ROWS).layers, judge.read(VECTORS, ROWS, states=True).layers, strict=True):
        torch.testing.assert_close(one, other)


def test_only_distances_matter() -> None:
    """With rotary positions, moving all events and candidates on by three places changes nothing."""
    judge = judge_of(**FORMS[0])
    wanted = judge.judge(judge.read(VECTORS, ROWS), SHOWN, CANDIDATES)
    turns = judge.trunk.blocks[0].brick.rotary
    later = CausalTransformer(
        width=WIDTH, depth=2, heads=2, inner=16, norm="rms", position="rotary", activation="swiglu"
    ).build(9).blocks[0].brick.rotary  # fmt: skip
    turns.cos, turns.sin = later.cos[3:], later.sin[3:]
    found = judge.judge(judge.read(VECTORS, ROWS), SHOWN, CANDIDATES)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


def test_a_trunk_that_sees_the_future_is_refused() -> None:
    torch.manual_seed(0)
    settings = CausalTransformer(width=8, heads=2, inner=8).dump()
    del settings["kind"]
    with pytest.raises(SettingsError, match="causal"):
        TransformerJudge(Transformer(causal=False, length=4, **settings))


def test_no_rows_and_nobody_asked_is_no_error() -> None:
    judge = judge_of(**FORMS[0])
    nobody = Candidates(torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long), None)
    empty = Rows(torch.zeros(1, dtype=torch.long))
    assert judge.judge(judge.read(VECTORS[:0], empty), SHOWN[:0], nobody).shape == (0, WIDTH)
