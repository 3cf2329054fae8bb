"""The ranker that writes candidates behind histories: what a logit depends on, and how large it is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segue.backbones.bidirectional import Bidirectional
from segue.backbones.causal_transformer import CausalTransformer
from segue.backbones.gru import Gru
from segue.core.batches import SequenceBatch
from segue.core.errors import SettingsError
from segue.core.forms import RankingModel
from segue.core.impressions import Candidates, RankingBatch, Schema
from segue.data.passes import SharedHistory
from segue.layers.generating import Generating
from segue.models.prefix_ranker import PrefixRanker
from segue.testing.requests import parity_requests

SPLIT = parity_requests(users=6)
BATCHES = SharedHistory(history=50, slack=0, users=6)
TRUNK = CausalTransformer(
    width=16, depth=2, heads=2, inner=None, dropout=0.0, activation="swiglu", norm="rms", position="rotary", eps=1e-5
)


def built(backbone: CausalTransformer = TRUNK, **settings) -> nn.Module:
    torch.manual_seed(0)
    facts = {name: torch.from_numpy(np.array(values)) for name, values in SPLIT.item_features.items()}
    model = PrefixRanker(**settings).build(backbone, SPLIT.schema, facts, length=50)
    assert isinstance(model, RankingModel)
    assert isinstance(model, Generating)
    return model.eval()


def batch_of() -> RankingBatch:
    passes, _ = BATCHES.epoch(SPLIT.learnt, np.random.default_rng(0))
    return BATCHES.batch(passes, np.arange(6))


BATCH = batch_of()


def with_items(batch: RankingBatch, items: Tensor) -> RankingBatch:
    return replace(batch, events=replace(batch.events, items=items))


def newest(batch: RankingBatch) -> int:
    """The candidate of the last row that sees the most."""
    mine = batch.candidates.owners == len(batch) - 1
    return int(batch.candidates.at.where(mine, -1).argmax())


@pytest.mark.parametrize("settings", [{}, {"actions": True}, {"embedding": 8}, {"head": "linear"}], ids=str)
@torch.no_grad()
def test_a_candidate_sees_its_first_events_and_nothing_after_them(settings) -> None:
    model = built(**settings)
    place = newest(BATCH)
    before, start = int(BATCH.candidates.at[place]), int(BATCH.events.rows.offsets[-2])
    assert before > 2
    earlier = int((BATCH.candidates.owners == len(BATCH) - 1).nonzero()[0])  # sees nothing yet
    wanted = model.logits(BATCH)
    changed = BATCH.events.items.clone()
    changed[start + before - 1] = (changed[start + before - 1] + 1) % 12
    found = model.logits(with_items(BATCH, changed))
    assert not torch.allclose(found[place], wanted[place], atol=1e-7)
    assert torch.equal(found[earlier], wanted[earlier])
    after = BATCH.candidates.at < before
    assert torch.allclose(found[after], wanted[after], atol=1e-7)


@torch.no_grad()
def test_events_after_the_candidate_leave_its_logit_alone() -> None:
    model = built(actions=True)
    rows = BATCH.events.rows
    at = torch.minimum(BATCH.candidates.at, torch.tensor(3))
    asked = replace(BATCH, candidates=Candidates(BATCH.candidates.owners, at, None))
    late = rows.positions >= 3
    assert late.any()
    changed = with_items(asked, BATCH.events.items.where(~late, 11 - BATCH.events.items))
    changed = replace(changed, actions=BATCH.actions.where(~late[:, None], 1 - BATCH.actions))
    torch.testing.assert_close(model.logits(changed), model.logits(asked))


@torch.no_grad()
def test_permuting_candidates_permutes_answers_and_nobody_sees_another() -> None:
    model, owners = built(), BATCH.candidates.owners
    wanted = model.logits(BATCH)
    order = torch.cat([(owners == row).nonzero()[:, 0].flip(0) for row in range(len(BATCH))])  # within each row
    turned = replace(
        BATCH,
        items=BATCH.items[order],
        candidates=Candidates(owners[order], BATCH.candidates.at[order], None),
        features={name: values[order] for name, values in BATCH.features.items()},
    )
    torch.testing.assert_close(model.logits(turned), wanted[order], atol=1e-6, rtol=1e-5)


@torch.no_grad()
def test_what_was_done_is_seen_only_by_who_is_told() -> None:
    other = replace(BATCH, actions=1 - BATCH.actions)
    assert torch.equal(built().logits(other), built().logits(BATCH))
    telling = built(actions=True)
    assert not torch.allclose(telling.logits(other), telling.logits(BATCH), atol=1e-7)


@torch.no_grad()
def test_somebody_without_a_past_is_judged_by_the_item_alone() -> None:
    model = built()
    empty = SequenceBatch(
        items=torch.zeros(0, dtype=torch.long),
        rows=replace(BATCH.events.rows, offsets=torch.zeros(7, dtype=torch.long)),
        order=BATCH.events.order,
        users=BATCH.events.users,
    )
    nobody = replace(
        BATCH,
        events=empty,
        actions=BATCH.actions[:0],
        candidates=Candidates(BATCH.candidates.owners, torch.zeros_like(BATCH.candidates.at), None),
    )
    logits = model.logits(nobody)
    assert torch.isfinite(logits).all()
    shorter = replace(BATCH, candidates=nobody.candidates)
    torch.testing.assert_close(model.logits(shorter), logits, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("width", "parameters"),
    [(32, 4_353), (64, 16_897), (128, 66_561), (256, 264_193), (512, 1_052_673), (768, 2_365_441), (1024, 4_202_497)],
)
def test_the_rank_heads_of_gpsd(width: int, parameters: int) -> None:
    trunk = TRUNK.changed({"width": width, "depth": 1, "heads": 4})
    with torch.device("meta"):
        model = PrefixRanker().build(trunk, Schema(items=2, tasks=("click",), actions=()), {}, length=50)
    assert sum(parameter.numel() for parameter in model.head.parameters()) == parameters


def test_matrices_begin_with_a_deviation_of_two_hundredths_and_biases_at_zero() -> None:
    model = built(TRUNK.changed({"width": 128}))
    for module in model.modules():
        if isinstance(module, nn.Linear):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
            assert module.bias is None or not module.bias.any()


@torch.no_grad()
def test_a_history_of_full_length_has_a_place_for_its_candidate() -> None:
    torch.manual_seed(0)
    facts = {name: torch.from_numpy(np.array(values)) for name, values in SPLIT.item_features.items()}
    longest = int(BATCH.events.rows.lengths.max())
    model = PrefixRanker().build(TRUNK, SPLIT.schema, facts, length=longest)
    at = BATCH.events.rows.lengths[BATCH.candidates.owners]
    assert torch.isfinite(model.logits(replace(BATCH, candidates=BATCH.candidates._replace(at=at)))).all()


def test_next_states_lie_in_the_space_of_the_tables() -> None:
    assert built(embedding=8).next_states(BATCH).shape == (len(BATCH.events.items), 8)


@pytest.mark.parametrize("backbone", [None, Bidirectional(width=16, heads=2), Gru(width=16)], ids=str)
def test_a_trunk_that_cannot_judge_is_refused(backbone) -> None:
    with pytest.raises(SettingsError, match="causal"):
        PrefixRanker().build(backbone, SPLIT.schema, {}, length=50)
