"""Fine-tuning beside trajectories: when it is supervised training to the bit, and what the trajectories are."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from segue.core.errors import DataError, SettingsError
from segue.core.ranking import Rules
from segue.core.recipe import FittedModel, TokenRecipe
from segue.core.run import Run
from segue.core.tables import Histories
from segue.core.trajectories import Situation
from segue.layers.flow_head import FlowHead
from segue.objectives.next_code import NextCode
from segue.objectives.preference import Preference
from segue.procedures._utility import Utility
from segue.procedures.rollout_finetune import RolloutFinetune
from segue.procedures.supervised import Supervised
from segue.recipes import gflowgr, grpo, popularity, sasrec, sprec
from segue.rewards.trajectory_value import TrajectoryValue
from segue.testing.worlds import ring, two_tastes
from segue.training.loop import LATEST, Loop
from segue.training.optim import AdamW
from segue.trajectories.random_items import RandomItems

ONE = Loop(epochs=2, optimizer=AdamW(rate=2e-3, quicker={"flow": 10.0}), precision="float32")
SMALL = gflowgr.VARIANTS["small"].changed(
    {
        "procedure.before": None,
        "procedure.loop": ONE,
        "procedure.reward.utility": "none",
        "procedure.sampler": RandomItems(),
        "backbone.dropout": 0.2,
        "tokenizer.iterations": 2,
    }
)


def weights(recipe: TokenRecipe, run: Run | None = None) -> dict[str, torch.Tensor]:
    return dict(recipe.fit(two_tastes(), run or Run(seed=2)).weights())


def same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize("changes", [{"objective.weight": 0.0}, {"procedure.count": 0}])
def test_without_trajectories_it_is_supervised_training_to_the_bit(changes: dict[str, float]) -> None:
    supervised = SMALL.changed({"objective": NextCode(), "procedure": Supervised(loop=ONE)})
    assert same(weights(SMALL.changed(changes)), weights(supervised))
    assert not same(weights(SMALL), weights(supervised))


def test_what_only_fine_tuning_needs_is_left_behind() -> None:
    """What a run answers cannot depend on flow heads: they are not among its weights."""
    supervised = SMALL.changed({"objective": NextCode(), "procedure": Supervised(loop=ONE)})
    assert weights(SMALL).keys() == weights(supervised).keys()


class Watching(RandomItems):
    """Random items, and a note of what the sampler was asked."""

    abstract = True  # no kind of its own: the shelf stays what it is

    def __call__(self, situation: Situation, count: int, rng: torch.Generator) -> Any:
        drawn = super().__call__(situation, count, rng)
        SEEN.append((situation, drawn))
        return drawn


SEEN: list[tuple[Situation, torch.Tensor]] = []


@pytest.mark.parametrize("name", ["small", "t5_small"])
def test_a_question_is_a_moment_of_a_training_history(name: str) -> None:
    """The positive is the event after the history asked about; nothing offered beside it was ever taken."""
    SEEN.clear()
    recipe = gflowgr.VARIANTS[name].changed(
        {"procedure.before": None, "procedure.loop": ONE, "procedure.reward.utility": "none"}
    )
    procedure = recipe.procedure.model_copy(update={"sampler": Watching()})
    world = two_tastes(users=40, items=40)
    recipe.model_copy(update={"procedure": procedure}).fit(world, Run(seed=2))
    assert len(SEEN) > 2
    items, bounds = world.train.packed()
    training = [set(items[bounds[row] : bounds[row + 1]].tolist()) for row in range(len(world.train))]
    moments = set()
    for situation, drawn in SEEN:
        histories = situation.histories
        assert np.array_equal(situation.positives.numpy(), histories.items[histories.ends])
        assert np.array_equal(situation.events.numpy(), histories.ends)
        assert (histories.lengths >= 1).all()
        packed, rows = histories.packed()
        assert np.array_equal(situation.batch.items.numpy(), packed)
        assert np.array_equal(situation.batch.rows.offsets.numpy(), rows)
        for user, row in zip(histories.users.tolist(), drawn.tolist(), strict=True):
            assert training[user].isdisjoint(row)
        moments |= set(zip(histories.users.tolist(), (histories.ends - histories.starts).tolist(), strict=True))
    assert len(moments) > len(world.train)  # not always the same moment of a history


def test_the_reference_is_the_start_or_the_start_of_the_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A renewed reference says what the policy says at the first step of each epoch."""
    gaps: list[float] = []
    whole = Preference.__call__

    def noting(self: Preference, model: Any, told: Any, policy: Any) -> Any:
        gaps.append(float((told.reference - policy.log_chances.detach()).abs().max()))
        return whole(self, model, told, policy)

    monkeypatch.setattr(Preference, "__call__", noting)
    recipe = sprec.VARIANTS["small"].changed(
        {"procedure.before": None, "procedure.loop": ONE, "procedure.sampler": RandomItems(), "batches.users": 128}
    )
    assert isinstance(recipe.procedure, RolloutFinetune)
    recipe.fit(two_tastes(), Run(seed=2))  # two steps an epoch
    assert [gap < 1e-4 for gap in gaps] == [True, False, True, False]
    gaps.clear()
    recipe.changed({"procedure.renewed": False}).fit(two_tastes(), Run(seed=2))
    assert [gap < 1e-4 for gap in gaps] == [True, False, False, False]


@pytest.mark.parametrize("step", [1, 3])
@pytest.mark.parametrize("recipe", [SMALL, grpo.VARIANTS["small"], sprec.VARIANTS["small"]], ids=lambda one: one.name)
def test_stopped_and_resumed_it_ends_with_the_same_bits(recipe: TokenRecipe, step: int, tmp_path: Path) -> None:
    recipe = recipe.changed(
        {
            "procedure.before": Loop(epochs=1, precision="float32"),
            "procedure.loop": ONE,
            "procedure.reward.utility": "none",
            "batches.users": 128,
        }
    )
    whole = weights(recipe)

    class Stop:
        phases = steps = 0

        def begin(self, what: str, steps: int) -> None:
            self.phases += what == "training"
            self.steps = 0

        def advance(self, steps: int, note: str = "") -> None:
            self.steps += steps
            if self.phases == 2 and self.steps == step:
                raise KeyboardInterrupt

        def end(self) -> None: ...

        def log(self, step: int, values: Mapping[str, float]) -> None: ...

    often = recipe.changed({"procedure.loop.checkpoint_every": 0.0})
    with pytest.raises(KeyboardInterrupt):
        weights(often, Run(seed=2, folder=tmp_path, watches=(Stop(),)))
    assert (tmp_path / LATEST).exists() == (step > 1)
    assert same(weights(often, Run(seed=2, folder=tmp_path, resume=True)), whole)


class TestUtility:
    def fitted(self) -> FittedModel:
        recipe = sasrec.VARIANTS["small"].changed({"procedure.loop.epochs": 1, "backbone.width": 16})
        fitted = recipe.fit(ring(), Run())
        assert isinstance(fitted, FittedModel)
        return fitted

    def test_it_lies_between_the_worst_and_the_best_of_the_catalogue(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("segue.procedures._utility.TILE", 7)  # three tiles of 20 items
        fitted = self.fitted()
        past = ring().test.histories.take(np.array([3, 40, 5]))
        everything = torch.arange(20).expand(3, -1)
        found = Utility(fitted.model, torch.device("cpu")).asked_by(past)(everything)
        assert found.amin(1).tolist() == pytest.approx([0.0] * 3, abs=1e-6)
        assert found.amax(1).tolist() == pytest.approx([1.0] * 3, abs=1e-6)
        order = fitted.recommend(past, 20, Rules(seen=True)).items
        assert np.array_equal(np.argsort(-found.numpy(), axis=1, kind="stable")[:, :5], order[:, :5])

    def test_a_run_on_other_items_is_refused(self) -> None:
        fitted = self.fitted()
        run = Run(open_run=lambda folder: fitted)
        Utility.of(None, "somewhere", ring(), run)
        with pytest.raises(DataError, match="is not that of this data"):
            Utility.of(None, "somewhere", two_tastes(items=24), run)

    def test_one_must_be_named_and_a_run_goes_before_a_recipe(self) -> None:
        with pytest.raises(SettingsError, match=r"procedure\.collaborative"):
            Utility.of(None, None, ring(), Run())
        fitted = self.fitted()
        run = Run(open_run=lambda folder: fitted)
        assert Utility.of(sasrec.RECIPE, "somewhere", ring(), run).model is fitted.model

    def test_a_system_without_vectors_is_refused(self) -> None:
        run = Run(open_run=lambda folder: popularity.RECIPE.fit(ring(), Run()))
        with pytest.raises(SettingsError, match="no vectors of users and items"):
            Utility.of(None, "somewhere", ring(), run)


def test_the_flow_head_begins_where_it_fits_best(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one trajectory a user the first mean residual of trajectory balance is near zero."""
    starts: list[float] = []
    whole = FlowHead.forward

    def noting(self: FlowHead, states: torch.Tensor) -> torch.Tensor:
        starts.append(float(self.narrow.bias.detach()))
        return whole(self, states)

    monkeypatch.setattr(FlowHead, "forward", noting)
    recipe = SMALL.changed({"procedure.count": 1, "procedure.loop.epochs": 1})
    recipe.fit(two_tastes(), Run(seed=2))
    # An untrained generator gives each of 8 codes an eighth, level after level; the reward is 10 + 0 + the levels.
    levels = 3
    assert starts[0] == pytest.approx(np.log(10 + levels) + levels * np.log(8), abs=0.6)


def test_an_objective_without_a_place_for_trajectories_is_refused() -> None:
    with pytest.raises(SettingsError, match="objective=joint"):
        weights(SMALL.changed({"objective": NextCode()}))


def test_a_collaborative_model_must_be_named_when_one_is_asked() -> None:
    changes = {"procedure.collaborative": None, "procedure.reward": TrajectoryValue()}
    with pytest.raises(SettingsError, match="asks a collaborative model"):
        weights(SMALL.changed(changes))


class TestStart:
    def opened(self, recipe: TokenRecipe) -> tuple[FittedModel, Callable[[Path], Any]]:
        fitted = recipe.fit(two_tastes(), Run(seed=5))
        assert isinstance(fitted, FittedModel)
        return fitted, lambda folder: fitted

    def test_it_begins_with_the_codes_and_weights_of_the_run(self) -> None:
        supervised = SMALL.changed({"objective": NextCode(), "procedure": Supervised(loop=ONE)})
        before, opener = self.opened(supervised)
        frozen = SMALL.changed({"start": "somewhere", "procedure.loop.optimizer.rate": 1e-30})
        found = frozen.fit(two_tastes(), Run(seed=9, open_run=opener))
        assert isinstance(found, FittedModel)
        assert same(found.weights(), before.weights())
        moved = SMALL.changed({"start": "somewhere"}).fit(two_tastes(), Run(seed=9, open_run=opener))
        assert not same(moved.weights(), before.weights())

    def test_other_parts_are_refused(self) -> None:
        _, opener = self.opened(SMALL)
        run = Run(open_run=opener)
        with pytest.raises(SettingsError, match="has another backbone"):
            SMALL.changed({"start": "x", "backbone.depth": 2}).fit(two_tastes(), run)
        with pytest.raises(SettingsError, match=r"looks at 20 events, and batches\.history is 9"):
            SMALL.changed({"start": "x", "batches.history": 9}).fit(two_tastes(), run)
        with pytest.raises(DataError, match="is not that of this data"):
            SMALL.changed({"start": "x"}).fit(two_tastes(items=24), run)
        with pytest.raises(SettingsError, match="cannot be opened"):
            SMALL.changed({"start": "x"}).fit(two_tastes(), Run())
        scorer = sasrec.VARIANTS["small"].changed({"procedure.loop.epochs": 1}).fit(ring(), Run())
        with pytest.raises(SettingsError, match="does not write codes"):
            SMALL.changed({"start": "x"}).fit(two_tastes(), Run(open_run=lambda folder: scorer))


def test_histories_are_windows_only() -> None:
    """Nothing of a roll-out copies the log."""
    SEEN.clear()
    procedure = SMALL.procedure.model_copy(update={"sampler": Watching()})
    world = two_tastes(users=40)
    SMALL.model_copy(update={"procedure": procedure}).fit(world, Run(seed=2))
    histories = SEEN[0][0].histories
    assert isinstance(histories, Histories)
    assert histories.items is world.train.items
