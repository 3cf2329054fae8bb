"""The one training loop: every system that learns by gradient steps goes through it.

Each random choice of a step comes from a stream named by the step, and the order of an epoch from one named by the
epoch. So a checkpoint needs no generator states, and a process that is killed at any step and resumed ends with the
same bits (on a CPU).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from segue.core import checkpoint
from segue.core.batches import SequenceBatch
from segue.core.errors import RunError, diverged, in_words
from segue.core.forms import Batches, Objective, RankingBatches
from segue.core.impressions import Impressions, RankingBatch
from segue.core.part import Part
from segue.core.reading import shortly
from segue.core.run import Run
from segue.core.seeding import derived_seed
from segue.core.tables import Histories
from segue.training.distributed import Team, team
from segue.training.interrupt import Interrupt
from segue.training.optim import AdamW
from segue.training.precision import Precision, autocast

log = logging.getLogger(__name__)
LATEST, BEST = "checkpoints/latest.safetensors", "checkpoints/best.safetensors"


class Loop(Part):
    """How long, how fast and how carefully to train."""

    epochs: PositiveInt = 20
    """Passes over the training histories, at most."""
    optimizer: AdamW = AdamW()
    """The optimiser and the course of its learning rate over all epochs."""
    clip: NonNegativeFloat = 0.0
    """Longest gradient allowed (its norm over all parameters); 0 means any."""
    accumulation: PositiveInt = 1
    """Pieces in which a batch is computed, to save memory; the result is the same."""
    precision: Precision = "auto"
    """Of the matrix products: bfloat16 where the device has it, or as named. Weights are always float32."""
    evaluate_every: PositiveInt = 1
    """Epochs from one look at the validation cases to the next."""
    patience: NonNegativeInt = 0
    """Looks without a new best after which training stops; 0 means never."""
    checkpoint_every: float = Field(default=60.0, ge=0)
    """Seconds from one checkpoint to the next; 0 means after every step."""


class Moment(NamedTuple):
    """How far training has come."""

    epoch: int
    """From 0."""
    batch: int
    """Of this epoch, from 0."""
    epochs: int
    """As many as are planned."""

    @property
    def progress(self) -> float:
        """From 0 in the first epoch to 1 in the last that is planned."""
        return min(self.epoch / max(self.epochs - 1, 1), 1.0)


Complete = Callable[[SequenceBatch, Histories, Moment, torch.Generator], SequenceBatch]
"""Gives a batch what only the model as it is now can give it, such as roll-outs; the histories are the batch's rows."""


def train(
    model: nn.Module,
    batches: Batches | RankingBatches,
    objective: Objective,
    histories: Histories | Impressions,
    counts: np.ndarray,
    loop: Loop,
    run: Run,
    evaluate: Callable[[], float],
    complete: Complete | None = None,
) -> int:
    """Train the model in place and leave it with the weights that scored best in `evaluate`; gives the steps it took.

    A ranker learns from requests with `RankingBatches`, anything else from histories with `Batches`.
    `complete` is asked for each batch before its loss; it draws from the generator of the step.

    Raises:
        RunError: there is nothing to train on, or the loss is no longer finite.
        KeyboardInterrupt: after Ctrl-C, when the step is done and the checkpoint written.
    """
    with team(run.device) as us, Interrupt() as interrupt:
        training = _Training(model, batches, objective, histories, counts, loop, run, evaluate, us, interrupt, complete)
        training.go()
        return int(training.state["step"])


class _Step(nn.Module):
    """The loss as a module's forward, which is where data-parallel training hooks in."""

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def forward(
        self, batch: SequenceBatch | RankingBatch, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Mapping[str, Tensor]]:
        loss = self.objective(self.model, batch, rng)
        return loss.total, loss.count, loss.notes


class _Training:
    """What one call of `train` holds."""

    def __init__(
        self,
        model: nn.Module,
        batches: Batches | RankingBatches,
        objective: Objective,
        histories: Histories | Impressions,
        counts: np.ndarray,
        loop: Loop,
        run: Run,
        evaluate: Callable[[], float],
        us: Team,
        interrupt: Interrupt,
        complete: Complete | None,
    ) -> None:
        self.model = model.to(run.device)
        self.batches: Any = batches  # these and the histories are of one kind, which the types cannot say
        self.histories = histories
        self.loop, self.run, self.evaluate, self.us, self.interrupt = loop, run, evaluate, us, interrupt
        self.rng = torch.Generator(device=run.device)
        for module in model.modules():
            if hasattr(module, "rng"):  # what draws random numbers, such as dropout, draws them from us
                vars(module)["rng"] = self.rng
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimizer = loop.optimizer.build(model)
        step = _Step(model, objective)
        # Not every parameter is in every loss: HSTU's time bias is in none where the log has no times.
        self.together = DistributedDataParallel(step, find_unused_parameters=True) if us.size > 1 else None
        self.step_module = self.together or step
        self.counts = torch.from_numpy(counts.astype(np.float32)).to(run.device)
        self.state: dict[str, Any] = {"epoch": 0, "batch": 0, "step": 0, "best": None, "since_best": 0, "seconds": 0.0}
        self.sums = [0.0, 0.0]
        """Of this epoch: the losses and the targets."""
        self.complete = complete
        self.notes: dict[str, Tensor] = {}
        """Of this epoch: the sum and the count of each note of the objective."""
        self.best_unsaved = False
        self.saved_at = time.monotonic()

    def go(self) -> None:
        self.restore()
        windows, chunks = self.epoch(0)
        if not chunks:
            raise RunError("There is nothing to train on: no history has two events or more (a ranker: no request).")
        self.steps = len(chunks) * self.loop.epochs
        self.report(lambda: self.run.begin("training", self.steps))
        self.report(lambda: self.run.advance(self.state["step"]))
        while self.state["epoch"] < self.loop.epochs and not self.stalled():
            windows, chunks = self.epoch(self.state["epoch"])
            self.one_epoch(windows, chunks)
        self.report(self.run.end)
        self.save()
        self.take_best()

    def epoch(self, number: int) -> tuple[Any, list[np.ndarray]]:
        windows, chunks = self.batches.epoch(self.histories, self.run.numpy_generator("epoch", number))
        return windows, chunks

    def stalled(self) -> bool:
        return bool(0 < self.loop.patience <= self.state["since_best"])

    def one_epoch(self, windows: Any, chunks: list[np.ndarray]) -> None:
        if not self.state["batch"]:
            self.sums, self.notes = [0.0, 0.0], {}
        began = time.monotonic()
        self.model.train()
        for rows in chunks[self.state["batch"] :]:
            total, count = self.one_step(windows, rows)
            self.sums = [self.sums[0] + total, self.sums[1] + count]
            self.state["batch"] += 1
            self.state["step"] += 1
            self.state["seconds"] += time.monotonic() - began
            began = time.monotonic()
            note = f"loss {total / count:.3f}{self.best_note()}"
            if self.us.leads:
                self.run.advance(1, note)
            if self.interrupt.asked:
                self.save()
                raise KeyboardInterrupt
            if self.us.leads and time.monotonic() - self.saved_at >= self.loop.checkpoint_every:
                self.save()
        self.state |= {"epoch": self.state["epoch"] + 1, "batch": 0}
        values = {"epoch": self.state["epoch"], "seconds": self.state["seconds"]}
        if self.sums[1]:
            values["loss"] = self.sums[0] / self.sums[1]
        values |= {name: float(total / count) for name, (total, count) in self.notes.items()}
        last = self.state["epoch"] == self.loop.epochs
        if last or self.state["epoch"] % self.loop.evaluate_every == 0:
            values["score"] = self.look()
        self.report(lambda: self.run.log(self.state["step"], values))
        if "score" in values:
            self.save()

    def one_step(self, windows: Any, rows: np.ndarray) -> tuple[float, float]:
        """One optimiser step; returns the summed loss and the number of targets over all processes."""
        state, loop = self.state, self.loop
        self.rng.manual_seed(derived_seed(self.run.seed, "step", state["step"], self.us.rank))
        for group in self.optimizer.param_groups:
            group["lr"] = loop.optimizer.rate_at(state["step"], self.steps) * group.get("quicker", 1.0)
        self.optimizer.zero_grad(set_to_none=True)
        sums = torch.zeros(2, dtype=torch.float64, device=self.run.device)
        mine = rows[self.us.rank :: self.us.size]
        weight = 1.0 if len(mine) else 0.0  # who has no row lends a hand with one that counts for nothing
        mine = mine if len(mine) else rows[:1]
        pieces = np.array_split(mine, min(loop.accumulation, len(mine)))
        for number, piece in enumerate(pieces):
            final = number == len(pieces) - 1
            with nullcontext() if final or self.together is None else self.together.no_sync():
                total, count = self.forward(windows, piece)
                torch.autograd.backward(total * weight)
            sums += weight * torch.stack([total.detach().double(), count.double()])
        total_sum, count_sum = self.us.sum(sums).tolist()
        if not np.isfinite(total_sum):
            raise diverged(f"The loss is {total_sum} at step {state['step']}")
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        torch._foreach_mul_(gradients, self.us.size / max(count_sum, 1.0))  # DDP took the mean over processes
        if loop.clip:
            nn.utils.clip_grad_norm_(self.parameters, loop.clip)
        self.optimizer.step()
        return total_sum, max(count_sum, 1.0)

    def forward(self, windows: Any, piece: np.ndarray) -> tuple[Tensor, Tensor]:
        batch = self.batches.batch(windows, piece).to(self.run.device)
        if isinstance(batch, SequenceBatch):
            batch = replace(batch, counts=self.counts)
        with autocast(self.run.device, self.loop.precision):
            if self.complete is not None:
                rows = windows.take(piece[batch.order.cpu().numpy()])
                moment = Moment(self.state["epoch"], self.state["batch"], self.loop.epochs)
                batch = self.complete(batch, rows, moment, self.rng)
            total, count, notes = self.step_module(batch, self.rng)
        for name, value in notes.items():
            one = torch.stack([value.detach().double(), torch.ones((), dtype=torch.float64, device=value.device)])
            self.notes[name] = one + self.notes[name].to(value.device) if name in self.notes else one
        return total, count

    def look(self) -> float:
        """Score the model on the validation cases, and keep the weights if they are the best so far."""
        if any(bool(parameter.isnan().any()) for parameter in self.parameters):
            raise diverged(f"A weight is not a number (NaN) after step {self.state['step']}")
        self.model.eval()
        score = self.us.agree(self.evaluate() if self.us.leads else 0.0)
        self.model.train()
        if self.state["best"] is None or score > self.state["best"]:
            self.state |= {"best": score, "since_best": 0, "best_epoch": self.state["epoch"]}
            self.best_weights = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
            self.best_unsaved = not self.write(BEST, self.best_weights)
        else:
            self.state["since_best"] += 1
        return score

    def best_note(self) -> str:
        return "" if self.state["best"] is None else f" · best {self.state['best']:.4f}"

    def report(self, tell: Callable[[], None]) -> None:
        if self.us.leads:
            tell()

    def save(self) -> None:
        """Write a checkpoint; a full disk costs the checkpoint, not the training.

        The newest weights are never written before the best ones that they tell of: who resumed would end with others.
        """
        self.saved_at = time.monotonic()
        if self.best_unsaved:
            self.best_unsaved = not self.write(BEST, self.best_weights)
            if self.best_unsaved:
                return
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        memory = checkpoint.optimizer_tensors(self.optimizer)
        self.write(LATEST, tensors | {f"optimizer.{name}": tensor for name, tensor in memory.items()})

    def write(self, name: str, tensors: dict[str, Tensor]) -> bool:
        """Whether it was written, or nobody wants it."""
        if self.run.folder is None or not self.us.leads:
            return True
        notes = {note: sums.tolist() for note, sums in self.notes.items()}
        try:
            checkpoint.write(self.run.folder / name, tensors, {**self.state, "sums": self.sums, "notes": notes})
        except OSError as error:
            log.warning("no checkpoint was written; training goes on with the one before it (%s)", in_words(error))
            return False
        return True

    def restore(self) -> None:
        """Continue from the newest checkpoint, if the run asks for it and there is one.

        Raises:
            RunError: it is damaged, of another system, or its best weights are not those that it tells of.
        """
        if self.run.folder is None or not self.run.resume or not (self.run.folder / LATEST).exists():
            return
        latest, best = self.run.folder / LATEST, self.run.folder / BEST
        remedy = "there is no other to go on from, so train anew with --overwrite in the place of --resume"
        tensors, state = checkpoint.read(latest, remedy=remedy)
        with checkpoint.fits(latest, "the system and the data of this run", remedy):
            self.sums = [float(value) for value in state.pop("sums", (0.0, 0.0))]
            notes = state.pop("notes", {}).items()
            self.notes = {name: torch.tensor(sums, dtype=torch.float64) for name, sums in notes}
            self.state = {name: _checked(state, name, kind) for name, kind in _STATE.items()} | state
            self.model.load_state_dict(_under(tensors, "model."))
            checkpoint.load_optimizer(self.optimizer, _under(tensors, "optimizer."))
        if self.state["best"] is not None and best.exists():
            self.best_weights = self.best_of(best)
        elif self.state["best"] is not None:
            log.warning("%s is missing; the newest weights stand in for the best ones", best)
            self.best_weights = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        log.info("resumed at epoch %d, step %d", self.state["epoch"], self.state["step"])

    def best_of(self, path: Path) -> dict[str, Tensor]:
        """The best weights, if they are of the look that we know of or of a later one, to which we come again."""
        remedy = "delete it to go on with the newest weights in its place, or train anew with --overwrite"
        tensors, theirs = checkpoint.read(path, remedy=remedy)
        with checkpoint.fits(path, "the system of this run", remedy):
            score, step = _checked(theirs, "best", _STATE["best"]), _checked(theirs, "step", _STATE["step"])
            if score != self.state["best"] and step <= self.state["step"]:
                raise RunError(
                    f"{path} is of another look (score {score}) than the best one that {Path(LATEST).name} tells of "
                    f"(score {self.state['best']}): the weights of that look were lost; {remedy}."
                )
            mine = {name: tensor.shape for name, tensor in self.model.state_dict().items()}
            if {name: tensor.shape for name, tensor in tensors.items()} != mine:
                raise ValueError("its tensors have other names or shapes than those of the model")
        return tensors

    def take_best(self) -> None:
        self.model.load_state_dict(self.best_weights)
        self.model.eval()


_STATE: dict[str, type | tuple[type, ...]] = {
    "epoch": int,
    "batch": int,
    "step": int,
    "best": (int, float, type(None)),
    "since_best": int,
    "seconds": (int, float),
}
"""What the state of a checkpoint must have."""


def _checked(state: Mapping[str, Any], name: str, kind: type | tuple[type, ...]) -> Any:
    if name not in state:
        raise ValueError(f"its state has no '{name}'")
    if not isinstance(state[name], kind) or isinstance(state[name], bool):
        raise ValueError(f"'{name}' of its state is {shortly(repr(state[name]), 60)}")
    return state[name]


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
