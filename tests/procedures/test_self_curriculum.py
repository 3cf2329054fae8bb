"""The curriculum of drafts: what is written, learnt and measured, and what survives being stopped."""

import math
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from segue.core.batches import SequenceBatch
from segue.core.errors import DataError, SettingsError
from segue.core.run import Run
from segue.core.shapes import Float, Int
from segue.core.tables import Histories
from segue.core.text_recipe import FittedText
from segue.data.sequences import EveryPrefix, NextItem
from segue.decoding.nearest_items import NearestItems
from segue.language.instruction import Instruction
from segue.objectives.next_words import NextWords
from segue.procedures.self_curriculum import DRAFTS, SelfCurriculum, _Course
from segue.procedures.supervised import Supervised
from segue.procedures.untrained import Untrained
from segue.recipes.bigrec import VARIANTS
from segue.training.loop import LATEST, Loop
from segue.training.optim import AdamW
from segue.training.shares import FixedShare, LinearShare, SelfAdaptive
from segue.training.trackers import JsonLines, curve
from text_stub import Stub
from text_world import TITLES, kinds

WORLD = kinds(users=48, longest=8)
BATCHES = EveryPrefix(history=5, users=40)
CASES = BATCHES.epoch(WORLD.train, np.random.default_rng(0))[0]
LOOP = Loop(epochs=4, optimizer=AdamW(rate=1e-1), precision="float32")
PLAIN = Supervised(loop=LOOP, seen=True)


def procedure(**changes: Any) -> SelfCurriculum:
    settings = {"tuning": LOOP, "curriculum": LOOP, "beams": 2, "distance_cases": 16, "seen": True}
    return SelfCurriculum(**(settings | changes))


class Watched(Stub):
    """The stand-in, which keeps what it was asked to learn and to write."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(TITLES, **settings)
        self.learnt: list[SequenceBatch] = []
        self.begun: dict[str, Tensor] | None = None

    def answers(
        self, batch: SequenceBatch, *, own: bool = False, prompts: bool = False
    ) -> tuple[Float[Tensor, "tokens width"], Int[Tensor, " tokens"]]:
        if batch.responses is not None and self.begun is None:
            self.begun = {name: tensor.clone() for name, tensor in self.state_dict().items()}
        self.learnt.append(batch)
        return super().answers(batch, own=own, prompts=prompts)


def after(described: Any, model: Stub | None = None, run: Run | None = None, batches: Any = BATCHES) -> Any:
    model = model or Watched(dropout=0.2)
    described(model, batches, NextWords(), NearestItems(beams=2), WORLD, run or Run(seed=3))
    return model


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Watched, Path]:
    folder = tmp_path_factory.mktemp("finished")
    numbers = JsonLines(folder / "metrics.jsonl", resume=False)
    return after(procedure(), run=Run(seed=3, folder=folder, watches=(numbers,))), folder


def tuned() -> Stub:
    """The model after step A, which is supervised training."""
    return after(Supervised(loop=LOOP, seen=True))


def told(windows: Histories) -> Histories:
    return Histories(windows.items, windows.starts, windows.ends - 1, windows.users)


def test_every_training_case_has_the_draft_of_the_tuned_model(finished: tuple[Watched, Path]) -> None:
    _, folder = finished
    table = pl.read_parquet(folder / DRAFTS)
    order = np.argsort(CASES.ends)
    assert table["event"].to_list() == (CASES.ends[order] - 1).tolist()
    assert table["title"].to_list() == [TITLES[WORLD.train.items[event]] for event in table["event"]]
    model = tuned()
    drafts = model.write(told(CASES.take(order)), beams=2, length=8).texts.gather_every(2)
    assert table["draft"].to_list() == drafts.to_list()
    truths = model.places[WORLD.train.items[CASES.ends[order] - 1]]
    far = (model.placed(model.title(drafts)) - truths).norm(dim=1)
    assert table["distance"].to_list() == pytest.approx(far.tolist())
    assert 0 < sum(far == 0) < len(far)


def test_a_batch_brings_the_drafts_of_its_own_rows(finished: tuple[Watched, Path]) -> None:
    model, folder = finished
    table = pl.read_parquet(folder / DRAFTS)
    draft_of: dict[tuple[int, ...], set[str]] = {}
    for ends, starts, draft in zip(
        np.sort(CASES.ends), CASES.starts[np.argsort(CASES.ends)], table["draft"], strict=True
    ):
        draft_of.setdefault(tuple(CASES.items[starts:ends].tolist()), set()).add(draft)
    batches = [batch for batch in model.learnt if batch.responses is not None]
    assert sum(len(batch) for batch in batches[: math.ceil(len(CASES) / 40)]) == len(CASES)
    for batch in batches:
        assert batch.targets is not None
        assert batch.responses is not None
        bounds = batch.rows.offsets.tolist()
        for row, word in enumerate(batch.responses.tokens.tolist()):
            items = batch.items[bounds[row] : bounds[row + 1]].tolist()
            target = int(batch.targets[bounds[row + 1] - 1])
            assert f'"{TITLES[word]}"' in draft_of[(*items, target)]


@pytest.mark.parametrize("restart", [True, False])
def test_the_curriculum_begins_from_the_untuned_model_unless_it_goes_on(restart: bool) -> None:
    model = after(procedure(restart=restart))
    origin = Stub(TITLES) if restart else tuned()
    assert model.begun is not None
    assert same(model.begun, origin.state_dict())


def test_the_first_epoch_learns_drafts_alone_and_the_next_what_the_distance_says(
    finished: tuple[Watched, Path],
) -> None:
    model, folder = finished
    steps = math.ceil(len(CASES) / 40)
    lines = curve(folder / "metrics.jsonl")
    distances = [lines[0]["draft/distance_untuned"], *(line["draft/distance"] for line in lines)]
    shares = [SelfAdaptive().share(epoch, 4, distances) for epoch in (1, 2, 3, 4)]
    assert [line["draft/share"] for line in lines] == shares
    learnt = [batch for batch in model.learnt if batch.responses is not None]
    passes = [steps * (1 if share == 1 else 2) for share in shares]  # once for each part that has a weight
    assert len(learnt) == sum(passes)
    assert [batch.share for batch in learnt] == [
        share for share, count in zip(shares, passes, strict=True) for _ in range(count)
    ]
    assert 0 < shares[3] < shares[0] == 1
    assert "loss/titles" not in lines[0]
    assert lines[3]["loss"] == pytest.approx(
        shares[3] * lines[3]["loss/drafts"] + (1 - shares[3]) * lines[3]["loss/titles"], rel=2e-2
    )


def test_distances_are_those_of_the_untuned_model_and_of_each_epoch(finished: tuple[Watched, Path]) -> None:
    _, folder = finished
    lines = curve(folder / "metrics.jsonl")
    some = CASES.take(np.argsort(CASES.ends)).take(
        np.sort(np.random.default_rng(42).choice(len(CASES), 16, replace=False))
    )
    model = Stub(TITLES)
    texts = model.write(told(some), beams=2, length=8).texts.gather_every(2)
    far = (model.placed(model.title(texts)) - model.places[WORLD.train.items[some.ends - 1]]).norm(dim=1)
    assert lines[0]["draft/distance_untuned"] == pytest.approx(far.mean().item())
    assert lines[-1]["draft/distance"] != lines[-2]["draft/distance"]


def test_the_first_losses_of_both_steps_are_held_against_each_other(finished: tuple[Watched, Path]) -> None:
    _, folder = finished
    (first, *_), (titles, *_) = curve(folder / "metrics.jsonl"), curve(folder / "tuning" / "metrics.jsonl")
    assert first["draft/first_loss_ratio"] == pytest.approx(first["loss"] / titles["loss"])


def test_the_drafts_are_easier_than_the_titles(tmp_path: Path) -> None:
    """To who wrote them: 0.13 to 0.27 of what titles cost at first, with eight seeds.

    The published ratio is 0.47; there step B begins as untuned as step A, and for this stand-in that is luck.
    """
    numbers = JsonLines(tmp_path / "metrics.jsonl", resume=False)
    after(procedure(restart=False), run=Run(seed=3, folder=tmp_path, watches=(numbers,)))
    assert curve(tmp_path / "metrics.jsonl")[0]["draft/first_loss_ratio"] < 0.5


def test_the_closest_draft_is_no_farther_than_the_best(finished: tuple[Watched, Path], tmp_path: Path) -> None:
    after(procedure(draft="closest"), run=Run(seed=3, folder=tmp_path))
    top, closest = pl.read_parquet(finished[1] / DRAFTS), pl.read_parquet(tmp_path / DRAFTS)
    assert (closest["distance"] <= top["distance"]).all()
    assert (closest["distance"] < top["distance"]).any()
    assert ((closest["draft"] == top["draft"]) | (closest["distance"] < top["distance"])).all()


def test_without_any_share_it_is_supervised_training() -> None:
    ours = after(procedure(schedule=FixedShare(value=0.0)), Watched())
    plain = after(Supervised(loop=LOOP, seen=True), Watched())
    for name, tensor in plain.state_dict().items():
        assert torch.allclose(ours.state_dict()[name], tensor, atol=1e-5)
    assert not ours.asked[-1]["own"]


def test_who_needs_no_distances_measures_none(tmp_path: Path) -> None:
    numbers = JsonLines(tmp_path / "metrics.jsonl", resume=False)
    after(procedure(schedule=LinearShare()), run=Run(folder=tmp_path, watches=(numbers,)))
    lines = curve(tmp_path / "metrics.jsonl")
    assert [line["draft/share"] for line in lines] == pytest.approx([1.0, 2 / 3, 1 / 3, 0.0])
    assert not any("draft/distance" in line for line in lines)


class Stop:
    """Stops at a step of a phase: of step A, of the drafts, of step C, or at the look that ends its epoch."""

    def __init__(self, phase: str, nth: int, step: int) -> None:
        self.phase, self.nth, self.step = phase, nth, step
        self.now, self.seen, self.steps = "", 0, 0

    def begin(self, what: str, steps: int) -> None:
        self.now, self.steps = what, 0
        self.seen += what == self.phase

    def advance(self, steps: int, note: str = "") -> None:
        self.steps += steps
        if steps and self.now == self.phase and self.seen == self.nth and self.steps >= self.step:
            raise KeyboardInterrupt

    def end(self) -> None: ...

    def log(self, step: int, values: Mapping[str, float]) -> None: ...


@pytest.mark.parametrize(
    ("phase", "nth", "step"),
    [
        ("training", 1, 2),
        ("training", 1, 6),
        ("drafts", 1, 1),
        ("training", 2, 1),
        ("training", 2, 5),
        ("training", 2, 7),
    ],
)
def test_stopped_and_resumed_it_ends_with_the_same_bits(
    phase: str, nth: int, step: int, finished: tuple[Watched, Path], tmp_path: Path
) -> None:
    often = LOOP.changed({"checkpoint_every": 0.0})
    described = procedure(tuning=often, curriculum=often)
    with pytest.raises(KeyboardInterrupt):
        after(described, run=Run(seed=3, folder=tmp_path, watches=(Stop(phase, nth, step),)))
    numbers = JsonLines(tmp_path / "metrics.jsonl", resume=True)
    again = after(described, run=Run(seed=3, folder=tmp_path, resume=True, watches=(numbers,)))
    whole, folder = finished
    assert same(again.state_dict(), whole.state_dict())
    assert pl.read_parquet(tmp_path / DRAFTS).equals(pl.read_parquet(folder / DRAFTS))
    ours, theirs = curve(tmp_path / "metrics.jsonl"), curve(folder / "metrics.jsonl")
    for name in ("draft/share", "draft/distance", "score"):
        assert [line[name] for line in ours] == [line[name] for line in theirs][-len(ours) :]


@pytest.mark.parametrize("measured", [False, True])
def test_killed_about_a_look_it_counts_no_distance_twice(
    measured: bool, finished: tuple[Watched, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest checkpoint is then the last step of the epoch; its distance may be in the folder or not."""
    often = LOOP.changed({"checkpoint_every": 0.0})
    described = procedure(tuning=often, curriculum=often)
    whole, looks = _Course.look, []

    def look(self: _Course) -> None:
        looks.append(self)
        if len(looks) < 2 or measured:
            whole(self)
        if len(looks) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(_Course, "look", look)
    with pytest.raises(KeyboardInterrupt):
        after(described, run=Run(seed=3, folder=tmp_path))
    monkeypatch.undo()
    again = after(described, run=Run(seed=3, folder=tmp_path, resume=True))
    assert same(again.state_dict(), finished[0].state_dict())


def test_a_new_run_in_an_old_folder_takes_nothing_over(finished: tuple[Watched, Path], tmp_path: Path) -> None:
    """Also when it is stopped before it wrote anything of its own, and resumed."""
    after(procedure(), Watched(seed=1), run=Run(seed=8, folder=tmp_path))
    (tmp_path / LATEST).unlink()  # what `--overwrite` removes
    with pytest.raises(KeyboardInterrupt):
        after(procedure(), run=Run(seed=3, folder=tmp_path, watches=(Stop("training", 1, 1),)))
    again = after(procedure(), run=Run(seed=3, folder=tmp_path, resume=True))
    assert same(again.state_dict(), finished[0].state_dict())


def fitted(model: Any, described: Any) -> FittedText:
    """What opens a run that learnt so."""
    parts = {"batches": BATCHES, "prompts": model.prompts, "decoder": NearestItems(beams=2), "procedure": described}
    return FittedText(VARIANTS["small"].changed(parts), WORLD.catalog, model, "", {})


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Watched, Path]:
    """A run of plain tuning, with the seed of all the others here."""
    folder = tmp_path_factory.mktemp("plain")
    numbers = JsonLines(folder / "metrics.jsonl", resume=False)
    return after(PLAIN, run=Run(seed=3, folder=folder, watches=(numbers,))), folder


def built_on(
    finished: tuple[Watched, Path], plain: tuple[Watched, Path], folder: Path | None = None, **others: Any
) -> Run:
    """A run that can open the two before it."""
    earlier = {finished[1]: fitted(finished[0], procedure()), plain[1]: fitted(plain[0], PLAIN), **others}
    numbers = () if folder is None else (JsonLines(folder / "metrics.jsonl", resume=False),)
    return Run(seed=3, folder=folder, watches=numbers, open_run=lambda path: earlier[path])


@pytest.mark.parametrize(
    "changes",
    [{}, {"schedule": SelfAdaptive(alpha=10.0)}, {"schedule": LinearShare()}, {"distance_cases": 8}],
    ids=["same", "alpha", "linear", "other distances"],
)
def test_with_the_drafts_of_an_earlier_run_it_ends_with_the_bits_of_one_that_wrote_them_itself(
    changes: dict[str, Any], finished: tuple[Watched, Path], plain: tuple[Watched, Path], tmp_path: Path
) -> None:
    alone, theirs = tmp_path / "alone", tmp_path / "theirs"
    for folder in (alone, theirs):
        folder.mkdir()
    numbers = JsonLines(alone / "metrics.jsonl", resume=False)
    whole = after(procedure(**changes), run=Run(seed=3, folder=alone, watches=(numbers,)))
    short = after(procedure(drafts=str(finished[1]), **changes), run=built_on(finished, plain, theirs))
    assert same(short.state_dict(), whole.state_dict())
    assert pl.read_parquet(theirs / DRAFTS).equals(pl.read_parquet(alone / DRAFTS))
    lines, others = curve(theirs / "metrics.jsonl"), curve(alone / "metrics.jsonl")
    for name in ("draft/share", "draft/distance", "draft/distance_untuned", "draft/first_loss_ratio", "score"):
        assert [line.get(name) for line in lines] == [line.get(name) for line in others]
    assert all(batch.responses is not None for batch in short.learnt), "nothing was tuned"
    assert not (theirs / "tuning").exists()


@pytest.mark.parametrize("restart", [True, False])
@pytest.mark.parametrize("drafted", [True, False])
def test_a_run_of_plain_tuning_stands_for_step_a(
    restart: bool, drafted: bool, finished: tuple[Watched, Path], plain: tuple[Watched, Path], tmp_path: Path
) -> None:
    drafts = str(finished[1]) if drafted else None
    described = procedure(tuned=str(plain[1]), drafts=drafts, restart=restart)
    short = after(described, run=built_on(finished, plain, tmp_path))
    assert same(short.state_dict(), after(procedure(restart=restart)).state_dict())
    assert all(batch.responses is not None for batch in short.learnt)
    assert pl.read_parquet(tmp_path / DRAFTS).equals(pl.read_parquet(finished[1] / DRAFTS))
    ratios = [curve(folder / "metrics.jsonl")[0]["draft/first_loss_ratio"] for folder in (tmp_path, finished[1])]
    assert not restart or ratios[0] == ratios[1]


def test_stopped_with_drafts_of_another_run_it_goes_on(
    finished: tuple[Watched, Path], plain: tuple[Watched, Path], tmp_path: Path
) -> None:
    often = procedure(drafts=str(finished[1]), curriculum=LOOP.changed({"checkpoint_every": 0.0}))
    run = built_on(finished, plain)
    with pytest.raises(KeyboardInterrupt):
        after(often, run=replace(run, folder=tmp_path, watches=(Stop("training", 1, 5),)))
    again = after(often, run=replace(run, folder=tmp_path, resume=True))
    assert same(again.state_dict(), finished[0].state_dict())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tuning": LOOP.changed({"epochs": 5})}, "another procedure.tuning: its epochs is 4 and not 5"),
        ({"beams": 3}, "another procedure.beams: it has 2 and not 3"),
        ({"seen": False}, "another procedure.seen"),
    ],
)
def test_drafts_of_a_run_that_learnt_otherwise_are_refused(
    changes: dict[str, Any], words: str, finished: tuple[Watched, Path], plain: tuple[Watched, Path]
) -> None:
    with pytest.raises(SettingsError, match=words):
        after(procedure(drafts=str(finished[1]), **changes), run=built_on(finished, plain))
    named = {"tuned": str(plain[1])} | changes
    if "beams" not in changes:
        with pytest.raises(SettingsError, match=r"another (way of tuning|procedure\.seen)"):
            after(procedure(**named), run=built_on(finished, plain))


def test_what_is_no_run_of_the_same_parts_is_refused(
    finished: tuple[Watched, Path], plain: tuple[Watched, Path]
) -> None:
    drafts, run = procedure(drafts=str(finished[1])), built_on(finished, plain)
    with pytest.raises(SettingsError, match="no access to other runs"):
        after(drafts)
    with pytest.raises(SettingsError, match=r"a run of bigrec_small, which writes no drafts.*set procedure.tuned"):
        after(procedure(drafts=str(plain[1])), run=run)
    with pytest.raises(SettingsError, match="another way of tuning: it has None"):
        after(procedure(tuned=str(finished[1])), run=run)
    with pytest.raises(SettingsError, match="another batches: its users is 40 and not 20"):
        after(drafts, run=run, batches=BATCHES.changed({"users": 20}))
    with pytest.raises(SettingsError, match=r"restart=false .* the tuned model"):
        SelfCurriculum.parse({"drafts": "x", "restart": False})
    listed = Watched()
    listed.prompts = Instruction(history=5, noun="books")
    with pytest.raises(SettingsError, match="another prompts: its noun is items and not books"):
        after(drafts, listed, run)
    elsewhere = Watched()
    elsewhere.places += 1
    with pytest.raises(SettingsError, match=r"places the titles elsewhere.*the same backbone"):
        after(drafts, elsewhere, run)
    told = Watched()
    told.behaviour = torch.ones(len(TITLES), 3)  # type: ignore[assignment]
    with pytest.raises(SettingsError, match="other vectors of the items"):
        after(drafts, told, run)
    counted = Watched()
    counted.counts *= 2
    with pytest.raises(DataError, match="learnt from 24 training events, and here there are 48"):
        after(drafts, counted, run)


def test_drafts_of_other_cases_are_refused(
    finished: tuple[Watched, Path], plain: tuple[Watched, Path], tmp_path: Path
) -> None:
    shutil.copytree(finished[1], tmp_path / "copy")
    copy = tmp_path / "copy"
    run = replace(built_on(finished, plain), open_run=lambda _: fitted(finished[0], procedure()))
    pl.read_parquet(copy / DRAFTS).with_columns(pl.col("event") + 1).write_parquet(copy / DRAFTS)
    with pytest.raises(SettingsError, match=r"are not of the .* training cases here"):
        after(procedure(drafts=str(copy)), run=run)
    (copy / DRAFTS).unlink()
    with pytest.raises(SettingsError, match="its drafts are gone"):
        after(procedure(drafts=str(copy)), run=run)


def test_cases_that_change_from_epoch_to_epoch_are_refused() -> None:
    wandering = NextItem(history=3, users=8, wander=1.0)
    with pytest.raises(SettingsError, match="the same training cases in every epoch"):
        after(procedure(), batches=wandering)


def test_the_share_needs_a_look_at_every_epoch() -> None:
    with pytest.raises(SettingsError, match="evaluate_every must be 1"):
        SelfCurriculum.parse({"curriculum": {"evaluate_every": 2}})
    SelfCurriculum.parse({"curriculum": {"evaluate_every": 2}, "schedule": "linear_share"})


def test_untrained_leaves_everything_as_it_is() -> None:
    model = after(Untrained())
    assert same(model.state_dict(), Stub(TITLES).state_dict())
    assert not model.training
    assert model.asked == []
