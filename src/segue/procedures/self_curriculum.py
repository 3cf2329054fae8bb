"""SOFT: tune a language model, let it write its own answers, and begin anew with these before the true ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import polars as pl
import torch
from pydantic import PositiveInt, SerializeAsAny, model_validator
from pydantic_core import PydanticCustomError
from torch import Tensor, nn

from segue.core import checkpoint
from segue.core.batches import SequenceBatch
from segue.core.errors import SettingsError
from segue.core.forms import Batches, Decoder, Objective, Procedure
from segue.core.part import Part
from segue.core.run import Run
from segue.core.shapes import Float, Int
from segue.core.tables import Histories, Split
from segue.core.text_forms import TextModel
from segue.core.whole import whole_file
from segue.procedures._earlier import Earlier
from segue.procedures._validation import validation_score
from segue.training.loop import LATEST, Loop, Moment, train
from segue.training.shares import SelfAdaptive, Shares
from segue.training.trackers import JsonLines, curve

Self = TypeVar("Self", bound="SelfCurriculum")  # not typing's: the shape checker of the tests cannot read that
DRAFTS, COURSE = "drafts.parquet", "checkpoints/course.safetensors"
"""In a run folder: what the tuned model wrote, and how the curriculum went so far."""
AT_ONCE = 256
"""Rows written between two signs of life."""
DISTANCE_SEED = 42
"""Draws the training cases by which distances are measured: the same ones whatever the seed of the run."""


class SelfCurriculum(Procedure[TextModel]):
    """Fine-tuning that is guided by the model's own words.

    Step A tunes the model on the titles of the next items. Step B has it write a draft for every training case. Step C
    begins again from the model as it was before step A, and learns drafts and titles side by side: the drafts alone at
    first, fewer of them as the model's own texts come nearer to the truth. Distances are those between what the model
    writes for some training cases and their true titles, where the frozen model places both.

    Neither step A nor the drafts depend on the schedule, so other schedules may take them from a run that has them
    (`drafts`), and step A itself is plain tuning, which may have been done (`tuned`). What is learnt is the same to the
    bit as without either, if that run has the same seed.

    Source: SOFT, arXiv:2505.20771, and its code. That saves the weights of the last epoch where it stops early,
    and reseeds the global generator on the way; here the best epoch on the validation cases is kept, by NDCG instead of
    HR, and every random choice has a stream of its own.
    """

    tuning: Loop = Loop(epochs=7, patience=2)
    """Step A: how long, how fast and how carefully to tune."""
    curriculum: Loop = Loop(epochs=7, patience=2)
    """Step C: the same for the curriculum."""
    schedule: SerializeAsAny[Shares] = SelfAdaptive()
    """The share of the drafts in the loss of each epoch."""
    beams: PositiveInt = 4
    """Texts that are written side by side, for drafts and for distances."""
    length: PositiveInt = 64
    """Tokens that a text has at most."""
    draft: Literal["top", "closest"] = "top"
    """Which of the beams is learnt: the best, or the one closest to the truth, which tells it something of the label
    (an ablation; the released code computes it and takes the best)."""
    restart: bool = True
    """Whether step C begins from the model before step A; False goes on with the tuned one, as a control."""
    distance_cases: PositiveInt = 256
    """Training cases by which distances are measured."""
    tuned: str | None = None
    """The folder of a run of plain tuning (such as bigrec's) that stands for step A; None tunes here."""
    drafts: str | None = None
    """The folder of an earlier run of this procedure whose drafts are learnt; None has them written here."""
    k: PositiveInt = 10
    """Length of the lists whose NDCG chooses the weights."""
    seen: bool = False
    """Whether items of the history may stand in those lists: as in the protocol of the final evaluation."""
    users: PositiveInt = 10_000
    """At most so many validation cases are looked at while training; the same ones each time."""

    @model_validator(mode="after")
    def _look_each_epoch(self: Self) -> Self:
        if self.schedule.needs_distances and self.curriculum.evaluate_every != 1:
            raise PydanticCustomError(
                "each_epoch",
                "the share of an epoch follows from the distance at the end of the one before, so "
                "curriculum.evaluate_every must be 1",
            )
        if self.drafts is not None and self.tuned is None and not self.restart:
            raise PydanticCustomError(
                "tuned_model",
                "with restart=false step C goes on with the tuned model, which a run of this procedure does not keep; "
                "beside drafts, name the run that was tuned as tuned",
            )
        return self

    def __call__(
        self,
        model: Any,
        batches: Batches,
        objective: Objective[TextModel],
        decoder: Decoder[TextModel],
        split: Split,
        run: Run,
    ) -> None:
        """Train the model in place; the drafts stay in the run folder, as `drafts.parquet`."""
        assert isinstance(model, nn.Module)
        network: Any = model.to(run.device)
        score = validation_score(network, decoder, split, run, k=self.k, seen=self.seen, users=self.users)
        untuned = {name: tensor.clone() for name, tensor in network.state_dict().items()} if self.restart else None
        course = _Course(self, network, batches, split, run)
        tuned, written = self._earlier(network, split, run, batches=batches, objective=objective, decoder=decoder)
        course.begin(written)
        counts = split.item_counts()
        if tuned is not None:
            network.load_state_dict(tuned.fitted.model.state_dict())
            course.keep_first_of(tuned.folder)
        elif written is None:
            train(network, batches, objective, split.train, counts, self.tuning, course.aside("tuning"), score)
        del tuned, written  # each holds a language model
        course.draft()
        if untuned is not None:
            network.load_state_dict(untuned)

        def look() -> float:
            course.look()
            return score()

        watched = course.watched("drafts", run)
        train(network, batches, objective, split.train, counts, self.curriculum, watched, look, course.complete)

    def _earlier(self, model: Any, split: Split, run: Run, **parts: Part) -> tuple[Earlier | None, Earlier | None]:
        """The run that was tuned, where its model is needed here, and the one that has the drafts.

        Raises:
            SettingsError: it cannot be opened, or it learnt something else or otherwise.
            DataError: it learnt from other data.
        """
        tuned = written = None
        if self.drafts is not None:
            written = Earlier.opened("procedure.drafts", self.drafts, run)
            written.check(model, split, **parts)
            if not isinstance(written.procedure, SelfCurriculum):
                raise SettingsError(
                    f"procedure.drafts: '{self.drafts}' is a run of {written.fitted.recipe.name}, which writes no "
                    "drafts; name a run of soft, or set procedure.tuned to it."
                )
            for name in ("tuning", "beams", "length", "draft", "k", "seen", "users"):
                written.same(f"procedure.{name}", getattr(self, name), getattr(written.procedure, name))
        if self.tuned is not None and (written is None or not self.restart):
            tuned = Earlier.opened("procedure.tuned", self.tuned, run)
            tuned.check(model, split, **parts)
            tuned.same("way of tuning", self.tuning, getattr(tuned.procedure, "loop", None))
            for name in ("k", "seen", "users"):
                tuned.same(f"procedure.{name}", getattr(self, name), getattr(tuned.procedure, name))
        return tuned, written


class _Course:
    """The drafts, the distances so far, and how both reach the training loop.

    What cannot be computed again lies in the run folder, written whole: whoever was killed finds it, and so do the
    other processes where several train as one.
    """

    def __init__(self, procedure: SelfCurriculum, model: Any, batches: Batches, split: Split, run: Run) -> None:
        self.procedure, self.model, self.split, self.run = procedure, model, split, run
        windows, _ = batches.epoch(split.train, run.numpy_generator("epoch", 0))
        self.windows: Histories = windows.take(np.argsort(windows.ends))
        """Every training case, in the order of the log; its last event is the target."""
        rng = np.random.default_rng(DISTANCE_SEED)
        some = rng.choice(len(windows), min(procedure.distance_cases, len(windows)), replace=False)
        self.measured = self.windows.take(np.sort(some))
        self.drafts = pl.Series("draft", [], dtype=pl.String)
        self.distances: list[float] = []
        self.first: dict[str, float] = {}
        self.drafted = False
        self.epoch = 0

    def begin(self, written: Earlier | None) -> None:
        """Measure the untuned model, or find what an earlier process or another run left."""
        if self.run.resume and self._file(COURSE) is not None:
            self._read()
            latest = self._file(LATEST)
            self.epoch = 0 if latest is None else int(checkpoint.read(latest)[1]["epoch"])
            return
        if written is not None:
            self._take(written)
        if self.procedure.schedule.needs_distances and not self.distances:
            self.distances = [self._distance()]
        self._write()

    def aside(self, name: str) -> Run:
        """The run of step A: a folder of its own in ours, with its own numbers."""
        aside = self.run.aside(name)
        if aside.folder is not None:
            if not self.run.resume:
                (aside.folder / LATEST).unlink(missing_ok=True)
            numbers = JsonLines(aside.folder / "metrics.jsonl", resume=self.run.resume)
            aside = replace(aside, watches=(numbers, *aside.watches))
        return self.watched("titles", aside)

    def watched(self, what: str, run: Run) -> Run:
        """The run, with our numbers among those of each epoch."""
        return replace(run, watches=(_Beside(run, self, what),))

    def draft(self) -> None:
        """Have the model write a text for every training case, as it is now."""
        path = self._file(DRAFTS)
        if self.drafted and path is not None:
            self.drafts = pl.read_parquet(path)["draft"]
            return
        if self.drafted:
            return
        self.model.eval()
        beams, truths = self.procedure.beams, self._truths(self.windows)
        texts, chosen = [], []
        self.run.begin("drafts", len(self.windows))
        for start in range(0, len(self.windows), AT_ONCE):
            rows = self.windows.take(slice(start, start + AT_ONCE))
            written = self._written(rows)
            far = self._apart(written, truths[start : start + AT_ONCE].repeat_interleave(beams)).view(-1, beams)
            best = far.argmin(1) if self.procedure.draft == "closest" else far.new_zeros(len(rows), dtype=torch.int64)
            places = torch.arange(len(rows), device=best.device) * beams + best
            texts.append(written.gather(places.cpu().numpy()))
            chosen.append(far.gather(1, best[:, None])[:, 0].cpu())
            self.run.advance(len(rows))
        self.run.end()
        self.drafts = pl.concat(texts)
        self._keep_drafts(torch.cat(chosen).numpy())
        self.drafted = True
        self._write()

    def complete(self, batch: SequenceBatch, rows: Histories, moment: Moment, rng: torch.Generator) -> SequenceBatch:
        """The batch with the drafts of its rows, and their share in this epoch."""
        self.epoch = moment.epoch
        places = np.searchsorted(self.windows.ends, rows.ends).clip(max=len(self.windows) - 1)
        if not np.array_equal(self.windows.ends[places], rows.ends):
            raise SettingsError(
                "batches: this procedure needs the same training cases in every epoch, and these change; take "
                "batches=every_prefix, or set batches.wander=0."
            )
        responses = self.model.responses(self.drafts.gather(places)).to(batch.items.device)
        return replace(batch, responses=responses, share=self.share(moment.epoch + 1))

    def share(self, epoch: int) -> float:
        """The share of the drafts in one epoch, from 1."""
        schedule = self.procedure.schedule
        if schedule.needs_distances and len(self.distances) < epoch:
            self._read()  # measured by the process that leads
        return schedule.share(epoch, self.procedure.curriculum.epochs, self.distances)

    def look(self) -> None:
        """Measure the model at the end of an epoch."""
        if self.procedure.schedule.needs_distances:
            done = self.epoch + 1
            self.distances = [*self.distances[:done], self._distance()]
            self._write()

    def said(self, epoch: int) -> dict[str, float]:
        """Our numbers for the line of an epoch of the curriculum that is over."""
        numbers = {"draft/share": self.share(epoch)}
        if epoch < len(self.distances):
            numbers["draft/distance"] = self.distances[epoch]
        if epoch == 1 and self.distances:
            numbers["draft/distance_untuned"] = self.distances[0]
        if epoch == 1 and self.first.keys() >= {"titles", "drafts"}:
            numbers["draft/first_loss_ratio"] = self.first["drafts"] / self.first["titles"]
        return numbers

    def keep_first(self, what: str, loss: float) -> None:
        """Keep the mean loss of a first epoch."""
        self.first[what] = loss
        self._write()

    def keep_first_of(self, folder: Path) -> None:
        """Keep the mean loss on the titles in the first epoch of the run in this folder, where it says so."""
        losses = [line["loss"] for line in curve(folder / "metrics.jsonl") if line.get("epoch") == 1 and "loss" in line]
        if losses:
            self.keep_first("titles", losses[0])

    def _distance(self) -> float:
        """How far what the model writes for the measured cases is from the truth, on average."""
        self.model.eval()
        written = self._written(self.measured).gather_every(self.procedure.beams)
        return float(self._apart(written, self._truths(self.measured)).double().mean())

    def _written(self, windows: Histories) -> pl.Series:
        """What the model writes before the last event of each window: all beams, row after row."""
        told = replace(windows, ends=windows.ends - 1, asked_at=None).latest(self.model.history)
        texts: pl.Series = self.model.write(told, beams=self.procedure.beams, length=self.procedure.length).texts
        return texts

    def _truths(self, windows: Histories) -> Int[Tensor, " rows"]:
        """The title of the last event of each window."""
        items = torch.from_numpy(windows.items[windows.ends - 1].astype(np.int64))
        titles: Tensor = self.model.title_of[items.to(self.model.title_of.device)]
        return titles

    def _apart(self, texts: pl.Series, titles: Int[Tensor, " rows"]) -> Float[Tensor, " rows"]:
        """The Euclidean distance of each text from a title."""
        with torch.no_grad():
            places = self.model.placed(self.model.title(texts))
            return torch.linalg.vector_norm(places - self.model.places[titles], dim=1)

    def _take(self, written: Earlier) -> None:
        """The drafts of another run, and what it measured of the untuned model."""
        for name in (DRAFTS, COURSE):
            if not (written.folder / name).exists():
                raise SettingsError(
                    f"{written.setting}: '{written.folder}' has no {name}, so its drafts are gone; name another run."
                )
        table = pl.read_parquet(written.folder / DRAFTS)
        if table["event"].to_list() != (self.windows.ends - 1).tolist():
            raise SettingsError(
                f"{written.setting}: the {len(table)} drafts of '{written.folder}' are not of the {len(self.windows)} "
                "training cases here; name a run with the same batches and the same data and split."
            )
        _, state = checkpoint.read(written.folder / COURSE)
        self.drafts, self.drafted = table["draft"], True
        self.first = {what: loss for what, loss in state["first"].items() if what == "titles"}
        ours, theirs = self.procedure, written.procedure
        if ours.schedule.needs_distances and ours.distance_cases == theirs.distance_cases:
            self.distances = state["distances"][:1]
        self._keep_drafts(table["distance"].to_numpy())

    def _keep_drafts(self, distances: Float[np.ndarray, " rows"]) -> None:
        """Write the drafts for people to read, and for whoever resumes."""
        if self.run.folder is None:
            return
        events = self.windows.ends - 1
        table = pl.DataFrame(
            {
                "event": events,
                "title": self.split.catalog.names().gather(self.windows.items[events]),
                "draft": self.drafts,
                "distance": distances,
            }
        )
        with whole_file(self.run.folder / DRAFTS) as partial:
            table.write_parquet(partial)

    def _file(self, name: str) -> Path | None:
        """A file of the run folder, where it exists."""
        path = None if self.run.folder is None else self.run.folder / name
        return path if path is not None and path.exists() else None

    def _read(self) -> None:
        assert self.run.folder is not None
        _, state = checkpoint.read(self.run.folder / COURSE)
        self.distances, self.first, self.drafted = state["distances"], state["first"], state["drafted"]

    def _write(self) -> None:
        if self.run.folder is not None:
            state = {"distances": self.distances, "first": self.first, "drafted": self.drafted}
            checkpoint.write(self.run.folder / COURSE, {}, state)


@dataclass(frozen=True)
class _Beside:
    """Looks on for a run, and tells it our numbers with those of the loop."""

    run: Run
    course: _Course
    what: str

    def begin(self, what: str, steps: int) -> None:
        self.run.begin(what, steps)

    def advance(self, steps: int, note: str = "") -> None:
        self.run.advance(steps, note)

    def end(self) -> None:
        self.run.end()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        epoch = int(values["epoch"])
        if epoch == 1 and "loss" in values:
            self.course.keep_first(self.what, values["loss"])
        self.run.log(step, {**values, **(self.course.said(epoch) if self.what == "drafts" else {})})
