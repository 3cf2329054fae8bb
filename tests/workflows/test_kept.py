"""A fit that is cut off: what is there stays, and the words say how to go on."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from segue.core import checkpoint
from segue.core.errors import RunError
from segue.core.run import Run
from segue.core.whole import is_leftover, write_text
from segue.training.loop import LATEST
from segue.workflows import runs
from segue.workflows.experiment import Experiment, new
from segue.workflows.fit import fit

WORLD = {"data.users": 60, "data.items": 40, "data.categories": 4, "data.clicks": 8.0}
TINY = {
    "backbone.width": 8, "backbone.depth": 1, "backbone.heads": 1, "backbone.inner": 8, "batches.users": 16,
    "procedure.loop.epochs": 2, "procedure.loop.precision": "float32",
}  # fmt: skip


@pytest.fixture
def small() -> Experiment:
    return new("sasrec_small", "world", {**WORLD, **TINY}, 0)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file can grow beyond, as on a disk that is nearly full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_full_at_the_very_end_costs_no_training(
    small: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(small, tmp_path / "whole", baselines=())
    write = checkpoint.write

    def full(path: Path, *rest: object) -> None:
        if path.name == runs.WEIGHTS:
            raise OSError(28, "No space left on device", str(path))
        write(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(checkpoint, "write", full)
    with pytest.raises(
        RunError, match=r"the disk is full.*up to the last checkpoint is kept; go on with: segue fit.*--resume$"
    ):
        fit(small, tmp_path / "run", baselines=())
    monkeypatch.setattr(checkpoint, "write", write)
    steps: list[int] = []
    monkeypatch.setattr("segue.training.loop._Training.one_step", lambda *_: steps.append(1))
    fit(small, tmp_path / "run", Run(resume=True), baselines=())
    assert steps == []  # nothing is trained again
    assert (tmp_path / "run" / runs.WEIGHTS).read_bytes() == (tmp_path / "whole" / runs.WEIGHTS).read_bytes()


def test_with_no_room_for_checkpoints_it_ends_well_or_says_so(small: Experiment, tmp_path: Path) -> None:
    with files_of_at_most(4_000), pytest.raises(RunError, match=r"Raise the limit .ulimit -f.*Nothing was learnt yet"):
        fit(small, tmp_path / "run", baselines=())
    assert not (tmp_path / "run" / LATEST).exists()
    assert not [path for path in tmp_path.rglob("*") if is_leftover(path)]
    fit(small, tmp_path / "run", Run(resume=True), baselines=())
    assert (tmp_path / "run" / "report.json").exists()


def test_a_place_below_a_file_is_one_line_and_changes_nothing(small: Experiment, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match=r"a file where a folder was expected.*run the same command again"):
        fit(small, tmp_path / "file" / "run", baselines=())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def dead() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


@pytest.mark.parametrize("how", ["plain", "resume", "overwrite"])
def test_leftovers_of_a_killed_fit_neither_stop_the_next_one_nor_stay(how: str, tmp_path: Path) -> None:
    # What is in a run folder is decided already: which split the data ask for.
    popular, run = new("popularity", "world", {**WORLD, "split": "leave_one_out"}, 0), tmp_path / "run"
    names = ["recipe.yaml"]
    if how != "plain":
        write_text(run / runs.RECIPE, popular.yaml())
        names += ["weights.safetensors", "checkpoints/latest.safetensors"]
    for path in (run / name for name in names):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f".{path.name}.{dead()}.partial").write_text("half")
    fit(popular, run, Run(resume=how == "resume"), overwrite=how == "overwrite", baselines=())
    assert not [path for path in run.rglob("*") if is_leftover(path)]
