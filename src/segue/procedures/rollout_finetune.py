"""Learn from what users did next and from items written beside it, which a sampler chooses and a reward judges.

GFlowGR, S-DPO, GRPO, IPA, SPRec and Flower are this procedure with other samplers, rewards and objectives.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from pydantic import NonNegativeInt, PositiveInt, SerializeAsAny
from torch import Tensor

from segue.core.batches import SequenceBatch, Trajectories
from segue.core.errors import SettingsError
from segue.core.forms import Batches, Decoder, Procedure, TokenModel
from segue.core.ranking import NOTHING
from segue.core.recipe import Recipe
from segue.core.run import Run
from segue.core.seeding import derived_seed
from segue.core.shapes import Bool, Float, Int
from segue.core.tables import Histories, Split
from segue.core.trajectories import BesideObjective, FlowModel, Reward, Situation, TrajectorySampler
from segue.layers.flow_head import FlowHead
from segue.layers.trajectory_chances import log_chances
from segue.procedures._utility import Utility
from segue.procedures._validation import validation_score
from segue.training.loop import Loop, Moment, train


class RolloutFinetune(Procedure[TokenModel]):
    """Gradient steps on a `BesideObjective`; before each, trajectories are chosen for every history of the batch.

    Each history asks at one event: a trunk that learns from all events of a row at once, at an event drawn anew each
    time; an encoder, at the end of its row. The context is read once for the supervised loss and all trajectories.
    """

    loop: Loop = Loop()
    """How long, how fast and how carefully to fine-tune."""
    before: Loop | None = None
    """Supervised training that comes first; not needed by who starts from an earlier run."""
    sampler: SerializeAsAny[TrajectorySampler]
    """Chooses the items that are written beside the positive."""
    reward: SerializeAsAny[Reward]
    """Says what a trajectory is worth."""
    count: NonNegativeInt = 3
    """Trajectories of each history (the paper's N), the positive among them; 0 leaves the supervised loss alone."""
    positive: bool = True
    """Whether the first trajectory is what the user took next."""
    collaborative: SerializeAsAny[Recipe] | None = None
    """A scoring recipe, fitted on the training histories, whose scores reward and sampler may ask for."""
    collaborative_run: str | None = None
    """The folder of an earlier run of a scoring recipe; where it is named, `collaborative` is not fitted."""
    renewed: bool = False
    """Whether the frozen model that is compared with is the policy at the start of each epoch; otherwise it is the one
    that fine-tuning began with."""
    from_reference: bool = False
    """Whether samplers that ask the generator ask the frozen one."""
    k: PositiveInt = 10
    """Length of the lists whose NDCG chooses the weights."""
    seen: bool = False
    """Whether items of the history may stand in those lists: as in the protocol of the final evaluation."""
    users: PositiveInt = 10_000
    """At most so many validation cases are looked at while training; the same ones each time."""

    def __call__(
        self, model: Any, batches: Batches, objective: Any, decoder: Decoder[TokenModel], split: Split, run: Run
    ) -> None:
        """Train the model in place; flow head, fused rewards and reference are left behind.

        Raises:
            SettingsError: the objective has no place for trajectories, or a collaborative model is asked for and there
                is none.
        """
        if not isinstance(objective, BesideObjective):
            raise SettingsError(
                "objective: this procedure needs one with a term for trajectories; set objective=joint, or "
                "procedure=supervised."
            )
        counts = split.item_counts()
        score = validation_score(model, decoder, split, run, k=self.k, seen=self.seen, users=self.users)
        if self.before is not None:
            first = replace(run, folder=None if run.folder is None else run.folder / "before")
            run = run.after(train(model, batches, objective.supervised, split.train, counts, self.before, first, score))
        if not self.count or not objective.weight:
            train(model, batches, objective.supervised, split.train, counts, self.loop, run, score)
            return
        rollouts = _Rollouts(self, model, objective, split, run)
        rollouts.tuned.flow.begin_at(rollouts.first_log_z(batches))
        train(rollouts.tuned, batches, objective, split.train, counts, self.loop, run, score, rollouts.complete)


class _Tuned(FlowModel):
    """The policy with what only its fine-tuning needs: a flow head, the fusion of rewards, a frozen reference."""

    def __init__(self, policy: Any, reward: Reward, reference: bool, seed: int) -> None:
        super().__init__()
        self.policy: Any = policy
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(seed, "flow"))
            self.flow = FlowHead(policy.codebook(0)[0].shape[1])
            self.fusion: Any = reward.build()
        self.reference: Any = copy.deepcopy(policy).requires_grad_(False) if reference else None

    def __getattr__(self, name: str) -> Any:
        """What it does not have itself the policy has: its codes, its tree, its verbs."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("policy"), name)

    def train(self, mode: bool = True) -> _Tuned:
        """The reference never has dropout."""
        super().train(mode)
        if self.reference is not None:
            self.reference.eval()
        return self

    def log_flow(self, states: Float[Tensor, "users asked levels width"]) -> Float[Tensor, "users asked levels"]:
        """log F of each prefix, from the state after it."""
        flows: Tensor = self.flow(states)
        return flows

    def log_reward(self, signals: Float[Tensor, "users asked signals"]) -> Float[Tensor, "users asked"]:
        """log R of each trajectory."""
        rewards: Tensor = self.fusion(signals)
        return rewards

    def prior(self) -> Float[Tensor, ""]:
        """What keeps a learnt fusion near the plain sum."""
        prior: Tensor = self.fusion.prior() if hasattr(self.fusion, "prior") else super().prior()
        return prior


class _Rollouts:
    """Chooses and judges the trajectories of each batch."""

    def __init__(
        self, procedure: RolloutFinetune, model: Any, objective: BesideObjective, split: Split, run: Run
    ) -> None:
        self.procedure, self.objective, self.split, self.run = procedure, objective, split, run
        reference = objective.beside.needs_reference or procedure.from_reference
        self.tuned = _Tuned(model.to(run.device), procedure.reward, reference, run.seed)
        asks = procedure.sampler.needs_utility or procedure.reward.needs_utility
        self.utility = Utility.of(procedure.collaborative, procedure.collaborative_run, split, run) if asks else None
        self.started: int | None = None

    @cached_property
    def keys(self) -> Int[Tensor, " pairs"]:
        """user * items + item of everything in the training histories, in order."""
        items, bounds = self.split.train.packed()
        users = np.repeat(self.split.train.users, np.diff(bounds)).astype(np.int64)
        return torch.from_numpy(np.unique(users * len(self.split.catalog) + items)).to(self.run.device)

    def taken(
        self, users: Int[Tensor, " users"]
    ) -> Callable[[Int[Tensor, "users asked"]], Bool[Tensor, "users asked"]]:
        """Whether each user has items in the training history; the positive is one of them."""

        def has(items: Int[Tensor, "users asked"]) -> Bool[Tensor, "users asked"]:
            wanted = users[:, None] * len(self.split.catalog) + items
            places = torch.searchsorted(self.keys, wanted).clamp_max(len(self.keys) - 1)
            return self.keys[places] == wanted

        return has

    def complete(self, batch: SequenceBatch, rows: Histories, moment: Moment, rng: torch.Generator) -> SequenceBatch:
        """The batch with trajectories; the policy writes them without dropout."""
        tuned, procedure = self.tuned, self.procedure
        if procedure.renewed and tuned.reference is not None and moment.batch == 0 and self.started != moment.epoch:
            tuned.reference.load_state_dict(tuned.policy.state_dict())
            self.started = moment.epoch
        learning = tuned.training
        tuned.eval()
        try:
            with torch.no_grad():
                told = self.trajectories(batch, rows, moment.progress, rng)
        finally:
            tuned.train(learning)
        return replace(batch, trajectories=told)

    def trajectories(
        self, batch: SequenceBatch, rows: Histories, progress: float, rng: torch.Generator
    ) -> Trajectories:
        procedure, beside = self.procedure, self.objective.beside
        lengths = batch.rows.lengths
        at = lengths
        if self.tuned.policy.whole:
            at = 1 + (torch.rand(len(batch), generator=rng, device=rng.device) * lengths).long().clamp_max(lengths - 1)
        order = at.argsort(stable=True)  # shorter histories lie in another order than whole rows
        situation = self.situation(batch, rows, at, order, progress)
        count = procedure.count - procedure.positive
        others = situation.positives.new_empty(len(batch), 0)
        if count:
            others = procedure.sampler(situation, count, rng)
        items = torch.cat([situation.positives[:, None], others], 1) if procedure.positive else others
        known = items.clamp_min(0)
        signals = procedure.reward.signals(situation, known)
        flows = procedure.reward.flows(situation, known)
        back = torch.empty_like(order).index_put((order,), torch.arange(len(order), device=order.device))

        def chances(model: Any) -> Float[Tensor, "users asked levels"]:
            states = model.states_of(situation.batch, known)
            return log_chances(model, states, known, self.objective.renormalized)[back]

        return Trajectories(
            items=known[back],
            valid=(items != NOTHING)[back],
            at=at,
            signals=signals[back],
            positive=procedure.positive,
            flows=None if flows is None else flows[back],
            notes=self.notes(signals, items != NOTHING, progress, count),
            reference=chances(self.tuned.reference) if beside.needs_reference else None,
            before=chances(self.tuned.policy) if beside.needs_before else None,
        )

    def situation(self, batch: SequenceBatch, rows: Histories, at: Tensor, order: Tensor, progress: float) -> Situation:
        """The questions of a batch, each after its first `at` events, in this order."""
        assert batch.targets is not None
        assert batch.users is not None
        ends = rows.starts + at.cpu().numpy()
        histories = replace(rows, ends=ends, asked_at=None).take(order.cpu().numpy())
        return Situation(
            split=self.split,
            histories=histories,
            batch=replace(SequenceBatch.of(histories), counts=batch.counts).to(self.run.device),
            positives=batch.targets[batch.rows.offsets[:-1] + at - 1][order],
            events=torch.from_numpy(histories.ends.astype(np.int64)).to(self.run.device),
            progress=progress,
            model=self.tuned.reference if self.procedure.from_reference else self.tuned.policy,
            taken=self.taken(batch.users[order]),
            utility=None if self.utility is None else self.utility.asked_by(histories),
        )

    def notes(self, signals: Tensor, valid: Tensor, progress: float, count: int) -> dict[str, Tensor]:
        """Where the sampler stands, how often it found enough, and the mean of each signal."""
        found = {f"sampler/{name}": value for name, value in self.procedure.sampler.notes(progress, count).items()}
        numbers = {name: signals.new_tensor(value) for name, value in found.items()}
        means = signals[valid].mean(0) if valid.any() else signals.new_zeros(signals.shape[2])
        rewards = dict(zip((f"reward/{name}" for name in self.procedure.reward.names), means, strict=True))
        return {"sampler/found": valid.float().mean(), **numbers, **rewards}

    def first_log_z(self, batches: Batches) -> float:
        """log R - log P on average over the trajectories of the first batch: the constant flow that fits them best."""
        windows, chunks = batches.epoch(self.split.train, self.run.numpy_generator("epoch", 0))
        batch = batches.batch(windows, chunks[0]).to(self.run.device)
        rows = windows.take(chunks[0][batch.order.cpu().numpy()])
        rng = self.run.torch_generator("first trajectories")
        self.tuned.eval()
        with torch.no_grad():
            told = self.trajectories(batch, rows, 0.0, rng)
            _, _, states = self.tuned.answers_and_states_of(batch, told.items, told.at, told.positive)
            chances = log_chances(self.tuned.policy, states, told.items, self.objective.renormalized).sum(2)
            apart = (self.tuned.log_reward(told.signals) - chances)[told.valid]
        return float(apart.mean()) if len(apart) else 0.0
