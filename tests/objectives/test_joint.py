"""The joint loss: nothing beside leaves supervised training alone, and otherwise both means add up."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from decoding.token_models import random_codes, some_histories
from segue.backbones.causal_transformer import CausalTransformer
from segue.backbones.encoder_decoder import EncoderDecoder
from segue.core.batches import SequenceBatch, Trajectories
from segue.core.codes import ItemCodes
from segue.core.forms import AnswerObjective, Backbone, Loss, TokenModel
from segue.core.ranking import NOTHING, Rules
from segue.core.tables import Histories
from segue.core.trajectories import FlowModel, Policy
from segue.decoding.beam_search import BeamSearch
from segue.decoding.sampling import Sampling
from segue.layers.flow_head import FlowHead
from segue.layers.trajectory_chances import log_chances
from segue.models.token_generator import TokenGenerator, TokenGeneratorModel
from segue.objectives.flow_balance import FlowBalance
from segue.objectives.joint import Joint
from segue.objectives.next_code import NextCode
from segue.objectives.preference import Preference

WIDTH = 8


class Flowing(TokenGeneratorModel, FlowModel):
    """A real generator with a flow head, whose one reward signal is the reward."""

    def __init__(self, codes: ItemCodes, backbone: Backbone | None = None, history: int = 10) -> None:
        backbone = backbone or CausalTransformer(width=WIDTH, depth=1, heads=2, inner=16, dropout=0.0)
        super().__init__(TokenGenerator(spread=0.5), backbone, codes, history)
        self.flow = FlowHead(WIDTH)
        self.off = torch.zeros(())

    def log_flow(self, states: Tensor) -> Tensor:
        return self.flow(states)

    def log_reward(self, signals: Tensor) -> Tensor:
        return signals[..., 0].log()

    def prior(self) -> Tensor:
        return self.off


class Nan(AnswerObjective):
    """A supervised loss that has gone wrong."""

    def of_answers(self, model: TokenModel, states: Tensor, items: Tensor) -> Loss:
        return Loss(states.sum() * float("nan"), torch.tensor(float(len(items))))


def flowing(seed: int = 0, backbone: Backbone | None = None) -> Flowing:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Flowing(random_codes(30, 3, 5), backbone)


def asked(valid: bool = True) -> SequenceBatch:
    """Three histories; after each, what the user took and two other items, one of which is missing once."""
    batch = SequenceBatch.of(some_histories(30, 4, 6, 9), targets=True)
    assert batch.targets is not None
    items = torch.stack([batch.targets[batch.rows.last], torch.tensor([3, 4, 5]), torch.tensor([6, NOTHING, 8])], 1)
    rewards = torch.tensor([[6.0, 0.5, 1.0]]).repeat(3, 1)
    told = Trajectories(items, (items != NOTHING) & valid, batch.rows.lengths, rewards[..., None])
    return replace(batch, trajectories=told)


def gradients(model: Flowing, loss: Loss) -> list[Tensor | None]:
    model.zero_grad()
    loss.mean.backward()
    return [None if parameter.grad is None else parameter.grad.clone() for parameter in model.parameters()]


def beside_alone(model: Flowing, batch: SequenceBatch, renormalized: bool = False) -> Loss:
    assert batch.trajectories is not None
    told = batch.trajectories
    states = model.states_of(batch, told.items.clamp_min(0))
    return FlowBalance()(model, told, Policy(log_chances(model, states, told.items, renormalized), states))


@pytest.mark.parametrize("why", ["no weight", "no trajectories"])
def test_with_nothing_beside_it_is_the_supervised_loss_to_the_bit(why: str) -> None:
    model, batch = flowing(), asked()
    objective = Joint(supervised=NextCode(), beside=FlowBalance(), weight=0.0 if why == "no weight" else 1.0)
    if why == "no trajectories":
        batch = replace(batch, trajectories=None)
    joint, plain = objective(model, batch, torch.Generator()), NextCode()(model, batch, torch.Generator())
    assert torch.equal(joint.total, plain.total)
    assert torch.equal(joint.count, plain.count)
    assert not joint.notes
    for one, other in zip(gradients(model, joint), gradients(model, plain), strict=True):
        assert (one is None) == (other is None)
        assert one is None or other is None or torch.equal(one, other)


@pytest.mark.parametrize("backbone", [None, EncoderDecoder(width=WIDTH, depth=1, heads=2, size=4, inner=16, dropout=0)])
@pytest.mark.parametrize("renormalized", [False, True])
def test_the_mean_is_the_weighted_sum_of_both_means(backbone: Backbone | None, renormalized: bool) -> None:
    """From one pass as from two, in value and gradient."""
    model, batch = flowing(backbone=backbone), asked()
    objective = Joint(supervised=NextCode(), beside=FlowBalance(), weight=0.3, keep=0.6, renormalized=renormalized)
    joint = objective(model, batch, torch.Generator())
    supervised = NextCode()(model, batch, torch.Generator())
    beside = beside_alone(model, batch, renormalized)
    wanted = 0.6 * supervised.mean + 0.3 * beside.mean
    assert joint.mean.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert joint.count.item() == supervised.count.item()
    assert joint.notes["loss/supervised"].item() == pytest.approx(supervised.mean.item(), rel=1e-5)
    assert joint.notes["loss/beside"].item() == pytest.approx(beside.mean.item(), rel=1e-5)
    assert joint.notes["flow/residual"].item() == pytest.approx(beside.notes["flow/residual"].item(), rel=1e-4)
    for one, other in zip(gradients(model, joint), gradients(model, Loss(wanted, torch.tensor(1.0))), strict=True):
        assert one is not None
        assert other is not None
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_at_no_keep_the_supervised_loss_is_only_watched() -> None:
    model, batch = flowing(), asked()
    joint = Joint(supervised=Nan(), beside=FlowBalance(), keep=0.0)(model, batch, torch.Generator())
    alone = beside_alone(model, batch)
    assert joint.mean.item() == pytest.approx(alone.mean.item(), rel=1e-5)
    assert joint.notes["loss/supervised"].isnan()
    for one, other in zip(gradients(model, joint), gradients(model, alone), strict=True):
        assert one is not None
        assert other is not None
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_a_learnt_reward_pays_for_leaving_its_prior() -> None:
    model, batch = flowing(), asked()
    objective = Joint(supervised=NextCode(), beside=FlowBalance(), weight=0.5)
    before = objective(model, batch, torch.Generator()).mean.item()
    model.off = torch.tensor(3.0)
    assert objective(model, batch, torch.Generator()).mean.item() == pytest.approx(before + 1.5, rel=1e-5)


def test_nobody_to_compare_leaves_numbers_finite() -> None:
    model, batch = flowing(), asked(valid=False)
    assert batch.trajectories is not None
    told = replace(batch.trajectories, reference=torch.zeros(3, 3, 3))
    batch = replace(batch, trajectories=told)
    for beside in (FlowBalance(), Preference()):
        loss = Joint(supervised=NextCode(), beside=beside)(model, batch, torch.Generator())
        assert loss.mean.item() == pytest.approx(NextCode()(model, batch, torch.Generator()).mean.item(), rel=1e-5)
        assert all(note.isfinite() for note in loss.notes.values())
        assert all(grad is None or grad.isfinite().all() for grad in gradients(model, loss))


def test_under_autocast_probabilities_and_flows_stay_in_float32() -> None:
    model, batch = flowing(), asked()
    objective = Joint(supervised=NextCode(), beside=FlowBalance(balance="detailed"))
    plain = objective(model, batch, torch.Generator())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = objective(model, batch, torch.Generator())
    assert half.total.dtype == torch.float32
    assert half.total.item() == pytest.approx(plain.total.item(), rel=0.02)
    assert all(note.dtype == torch.float32 for note in half.notes.values())


@pytest.mark.learns
def test_trained_by_flow_balance_alone_a_generator_draws_items_in_proportion_to_their_rewards(
    learning_seed: int,
) -> None:
    """Twelve items in a trie with gaps, all of them rewarded: 20,000 draws pass a chi-square test (p > 0.001)."""
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    codes = ItemCodes(grid[[0, 1, 3, 4, 7, 9, 13, 14, 17, 20, 24, 26]], (3, 3, 3))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(learning_seed)
        model = Flowing(codes)
    rewards = torch.arange(1, 13, dtype=torch.float32)[None] / 4
    batch = SequenceBatch.of(Histories.from_lists([[2, 5, 7]]), targets=True)
    history = Histories.from_lists([[2, 5]])  # what the batch asks after
    told = Trajectories(torch.arange(12)[None], rewards > 0, batch.rows.lengths, rewards[..., None], positive=False)
    batch = replace(batch, trajectories=told)
    objective = Joint(supervised=NextCode(), beside=FlowBalance(), keep=0.0, renormalized=True)
    optimiser = torch.optim.LBFGS(model.parameters(), max_iter=300, line_search_fn="strong_wolfe")

    def close() -> Tensor:
        optimiser.zero_grad()
        loss = objective(model, batch, torch.Generator()).mean
        loss.backward()
        return loss

    optimiser.step(close)
    notes = objective(model, batch, torch.Generator()).notes
    assert notes["flow/residual"].item() < 1e-3
    assert notes["flow/log_z"].item() == pytest.approx(rewards.sum().log().item(), abs=1e-3)
    draws = Sampling()(model, history, 20_000, Rules(seen=True), torch.Generator().manual_seed(3))
    drawn = np.bincount(draws.items[0], minlength=12)
    wanted = (rewards[0] / rewards.sum()).numpy() * 20_000
    assert ((drawn - wanted) ** 2 / wanted).sum() < 31.26  # eleven degrees of freedom
    ranking = BeamSearch(beams=12, renormalized=True)(model, history, 12, Rules(seen=True))
    assert ranking.items[0].tolist() == list(range(11, -1, -1))
