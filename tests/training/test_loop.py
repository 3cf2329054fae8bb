"""The training loop: the same bits again, after any interruption, in pieces, and in company."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from segue.core import checkpoint
from segue.core.errors import RunError
from segue.core.run import Run
from segue.objectives.full_softmax import FullSoftmax
from segue.training import loop
from segue.training.loop import BEST, LATEST, Loop, train
from training.small import EPOCHS, STEPS, Watching, system, world
from training.together import CASES, losses

TESTS = Path(__file__).resolve().parents[1]
QUIET = {**os.environ, "OMP_NUM_THREADS": "1"}


def weights(run: Run, **changes: object) -> dict[str, Tensor]:
    """What the small system has learnt."""
    named = {f"procedure.loop.{name}": value for name, value in changes.items()}
    return {name: tensor.clone() for name, tensor in system(named).fit(world(), run).weights().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def uninterrupted() -> dict[str, Tensor]:
    return weights(Run(seed=3))


def test_the_same_seed_gives_the_same_bits(uninterrupted: dict[str, Tensor]) -> None:
    assert same(weights(Run(seed=3)), uninterrupted)
    assert not same(weights(Run(seed=4)), uninterrupted)


def test_a_folder_and_checkpoints_change_nothing(uninterrupted: dict[str, Tensor], tmp_path: Path) -> None:
    assert same(weights(Run(seed=3, folder=tmp_path), checkpoint_every=0.0), uninterrupted)
    assert (tmp_path / LATEST).exists()
    assert (tmp_path / BEST).exists()


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 4, 11])
def test_killed_and_resumed_it_ends_with_the_same_bits(
    step: int, uninterrupted: dict[str, Tensor], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "training.small", str(tmp_path)]
    with subprocess.Popen(command, cwd=TESTS, env=QUIET, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == step:
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    watching = Watching()
    assert same(weights(Run(seed=3, folder=tmp_path, resume=True, watches=(watching,))), uninterrupted)
    assert watching.steps == STEPS


@pytest.mark.parametrize("step", [1, 4, 6])
def test_ctrl_c_saves_and_the_run_can_go_on(step: int, uninterrupted: dict[str, Tensor], tmp_path: Path) -> None:
    stop = Watching({step: lambda: os.kill(os.getpid(), signal.SIGINT)})
    with pytest.raises(KeyboardInterrupt):
        weights(Run(seed=3, folder=tmp_path, watches=(stop,)))
    assert checkpoint.read(tmp_path / LATEST)[1]["step"] == step
    assert same(weights(Run(seed=3, folder=tmp_path, resume=True)), uninterrupted)


def test_what_is_finished_and_resumed_stays_as_it_is(uninterrupted: dict[str, Tensor], tmp_path: Path) -> None:
    weights(Run(seed=3, folder=tmp_path))
    watching = Watching()
    assert same(weights(Run(seed=3, folder=tmp_path, resume=True, watches=(watching,))), uninterrupted)
    assert watching.rows == []


@pytest.mark.parametrize("pieces", [2, 8, 30])
def test_a_batch_in_pieces_is_the_batch(pieces: int) -> None:
    one, other = Watching(), Watching()
    plain = {"backbone.dropout": 0.0}
    system(plain).fit(world(), Run(watches=(one,)))
    system({**plain, "procedure.loop.accumulation": pieces}).fit(world(), Run(watches=(other,)))
    assert other.losses == pytest.approx(one.losses, rel=1e-4)


@pytest.mark.slow
def test_two_processes_are_one_with_the_joint_batch(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {**QUIET, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    command = [sys.executable, "-m", "training.together", str(tmp_path / "losses.json")]
    processes = [subprocess.Popen(command, cwd=TESTS, env={**shared, "RANK": str(rank)}) for rank in range(2)]
    try:
        assert [process.wait(timeout=240) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    found = json.loads((tmp_path / "losses.json").read_text(encoding="utf-8"))
    for case in CASES:
        assert found[case] == pytest.approx(losses(case), rel=1e-4), case


def given(scores: list[float], **settings: object) -> tuple[torch.nn.Module, list[dict[str, Tensor]], Watching]:
    """Train with made-up scores; the model, its weights at each look, and who watched."""
    recipe, split, watching = system(), world(), Watching()
    model = recipe._build(split.catalog, 0)
    looks: list[dict[str, Tensor]] = []
    course: Iterator[float] = iter(scores)

    def evaluate() -> float:
        looks.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return next(course)

    plan = Loop(epochs=len(scores), precision="float32").changed(settings)
    run = Run(watches=(watching,))
    train(model, recipe.batches, FullSoftmax(), split.train, split.item_counts(), plan, run, evaluate)
    return model, looks, watching


def test_the_best_weights_are_kept() -> None:
    model, looks, _ = given([0.1, 0.3, 0.2, 0.3])
    assert len(looks) == 4
    assert same(dict(model.state_dict()), looks[1])  # an equal score later is not better
    assert not model.training


def test_training_stops_after_as_many_vain_looks_as_asked() -> None:
    model, looks, watching = given([0.1, 0.3, 0.2, 0.1, 0.9, 0.9], patience=2)
    assert len(looks) == len(watching.rows) == 4
    assert same(dict(model.state_dict()), looks[1])


def test_looks_come_every_so_many_epochs_and_at_the_end() -> None:
    _, looks, watching = given([0.1, 0.2, 0.3, 0.4, 0.5], evaluate_every=2)
    assert len(looks) == 3
    assert [row["epoch"] for row in watching.rows if "score" in row] == [2, 4, 5]


def test_a_loss_that_is_not_finite_stops_training_and_says_what_to_do() -> None:
    recipe, split = system(), world()
    model = recipe._build(split.catalog, 0)
    torch.nn.init.constant_(model.table.weight, torch.nan)
    with pytest.raises(RunError, match=r"diverged.*procedure\.loop\.optimizer\.rate"):
        train(model, recipe.batches, FullSoftmax(), split.train, split.item_counts(), Loop(), Run(), lambda: 0.0)


def test_histories_of_one_event_are_nothing_to_train_on() -> None:
    recipe, split = system(), world()
    model, short = recipe._build(split.catalog, 0), split.train.latest(1)
    with pytest.raises(RunError, match="no history has two events"):
        train(model, recipe.batches, FullSoftmax(), short, split.item_counts(), Loop(), Run(), lambda: 0.0)


def full_disk(*_: object) -> None:
    raise OSError("No space left on device")


def test_a_full_disk_costs_the_checkpoint_not_the_training(
    uninterrupted: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(checkpoint, "write", full_disk)
    with caplog.at_level(logging.WARNING):
        assert same(weights(Run(seed=3, folder=tmp_path), checkpoint_every=0.0), uninterrupted)
    assert "No space left" in caplog.text
    assert not (tmp_path / LATEST).exists()


def stopped_at(step: int, folder: Path, watching: Watching | None = None, **changes: object) -> None:
    """A fit that is stopped after a step, as by Ctrl-C."""
    stop = Watching({step: lambda: signal.raise_signal(signal.SIGINT)})
    with pytest.raises(KeyboardInterrupt):
        weights(Run(seed=3, folder=folder, watches=(stop, *([watching] if watching else []))), **changes)


@pytest.mark.parametrize("step", [2, 5, 7])
def test_an_epoch_that_was_stopped_in_the_middle_notes_the_loss_of_all_of_it(step: int, tmp_path: Path) -> None:
    whole, before, after = Watching(), Watching(), Watching()
    weights(Run(seed=3, watches=(whole,)))
    stopped_at(step, tmp_path, before)
    weights(Run(seed=3, folder=tmp_path, resume=True, watches=(after,)))
    assert before.losses + after.losses == whole.losses


def test_best_weights_that_could_not_be_written_hold_back_the_newest(
    uninterrupted: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk for the best weights of the second look, then a kill: who resumes ends with the same bits."""
    write, refused = checkpoint.write, []

    def sometimes_full(path: Path, tensors: Any, state: Any) -> None:
        if path.name == Path(BEST).name and state["epoch"] == 2:
            refused.append(state["step"])
            raise OSError(28, "No space left on device", str(path))
        write(path, tensors, state)

    monkeypatch.setattr(checkpoint, "write", sometimes_full)
    stopped_at(10, tmp_path, checkpoint_every=0.0)
    assert refused
    latest, best = (checkpoint.read(tmp_path / name)[1] for name in (LATEST, BEST))
    assert latest["best"] == best["best"]
    monkeypatch.setattr(checkpoint, "write", write)
    assert same(weights(Run(seed=3, folder=tmp_path, resume=True)), uninterrupted)


def test_best_weights_of_another_look_are_refused(tmp_path: Path) -> None:
    stopped_at(6, tmp_path)
    stale = (tmp_path / BEST).read_bytes()
    weights(Run(seed=3, folder=tmp_path, resume=True))
    (tmp_path / BEST).write_bytes(stale)
    with pytest.raises(RunError, match=r"best\.safetensors is of another look.*delete it to go on"):
        weights(Run(seed=3, folder=tmp_path, resume=True))


def tampered(path: Path, change: Callable[[dict[str, Tensor], dict[str, Any]], object]) -> None:
    """Other contents under a checksum that fits them."""
    tensors, state = checkpoint.read(path)
    change(tensors, state)
    checkpoint.write(path, tensors, state)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (LATEST, lambda tensors, state: state.pop("epoch"), "its state has no 'epoch'"),
        (LATEST, lambda tensors, state: state.update(step="7"), "'step' of its state is '7'"),
        (LATEST, lambda tensors, state: state.update(sums="x"), "could not convert"),
        (LATEST, lambda tensors, state: tensors.pop("model.table.weight"), "Missing key"),
        (LATEST, lambda tensors, state: tensors.update({"model.x": torch.ones(1)}), "Unexpected"),
        (LATEST, lambda tensors, state: tensors.update({"model.table.weight": torch.ones(1, 8)}), "size mismatch"),
        (LATEST, lambda tensors, state: tensors.update({"optimizer.0.exp_avg": torch.ones(1, 8)}), "has shape"),
        (LATEST, lambda tensors, state: tensors.update(w=tensors.pop("optimizer.0.exp_avg")), "not of one kind"),
        (BEST, lambda tensors, state: tensors.pop(next(iter(tensors))), "other names or shapes"),
        (BEST, lambda tensors, state: state.clear(), "its state has no 'best'"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_told_in_a_line(name: str, change: Any, said: str, tmp_path: Path) -> None:
    stopped_at(5, tmp_path)
    tampered(tmp_path / name, change)
    with pytest.raises(RunError, match=f"{Path(name).name} does not fit.*{said}.*--overwrite") as raised:
        weights(Run(seed=3, folder=tmp_path, resume=True))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", [LATEST, BEST])
def test_a_flipped_bit_in_a_checkpoint_is_not_gone_on_from(name: str, tmp_path: Path) -> None:
    stopped_at(5, tmp_path)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[:-50] + bytes([whole[-50] ^ 1]) + whole[-49:])
    with pytest.raises(RunError, match=f"{Path(name).name} is damaged or was changed.*--overwrite"):
        weights(Run(seed=3, folder=tmp_path, resume=True))


def test_a_checkpoint_of_before_there_were_sums_goes_on(uninterrupted: dict[str, Tensor], tmp_path: Path) -> None:
    stopped_at(6, tmp_path)
    tampered(tmp_path / LATEST, lambda tensors, state: (state.pop("sums"), state.pop("notes")))
    assert same(weights(Run(seed=3, folder=tmp_path, resume=True)), uninterrupted)


@pytest.mark.parametrize("rate", [1e6, 1e12])
def test_a_finite_loss_with_weights_that_are_none_is_told_at_the_first_look(rate: float) -> None:
    recipe = system({"procedure.loop.epochs": 1}).changed({"procedure.loop.optimizer.rate": rate})
    with pytest.raises(RunError, match=r"diverged.*procedure\.loop\.optimizer\.rate"):
        recipe.fit(world(), Run())


def test_a_run_whose_best_weights_were_lost_can_be_resumed(tmp_path: Path) -> None:
    weights(Run(seed=3, folder=tmp_path))
    latest = checkpoint.read(tmp_path / LATEST)[0]
    (tmp_path / BEST).unlink()
    found = weights(Run(seed=3, folder=tmp_path, resume=True))
    assert all(torch.equal(tensor, latest[f"model.{name}"]) for name, tensor in found.items() if name != "popularity")


def test_clipping_bounds_the_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[float] = []

    class Noting(torch.optim.SGD):
        def step(self, closure: object = None) -> None:
            flat = [p.grad.ravel() for group in self.param_groups for p in group["params"] if p.grad is not None]
            lengths.append(float(torch.cat(flat).norm()))

    monkeypatch.setattr(loop.AdamW, "build", lambda self, model: Noting(model.parameters(), lr=0.0))
    given([0.0], clip=0.01)
    assert len(lengths) == STEPS // EPOCHS
    assert np.max(lengths) == pytest.approx(0.01, rel=1e-3)
