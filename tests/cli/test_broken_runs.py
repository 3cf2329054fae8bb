"""Run folders that are damaged, foreign or hostile: one line that names the file and says what to do, and code 1."""

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import numpy as np
import polars as pl
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from cli.shell import Shell
from segue.core import checkpoint
from segue.core.errors import RunError, SettingsError
from segue.evaluation.report import Measured
from segue.workflows.runs import experiment_of, open_run


@pytest.fixture
def run(finished: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of a finished run, to be spoilt."""
    return Path(shutil.copytree(finished["sasrec"], tmp_path / "run"))


def changed(path: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Weights with other tensors and a checksum that fits them, as another program would write them."""
    tensors, state = checkpoint.read(path)
    change(tensors)
    checkpoint.write(path, tensors, state)


def flipped(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:-100] + bytes([whole[-100] ^ 64]) + whole[-99:])


def with_state(path: Path, state: str) -> None:
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, metadata={"state": state})


WEIGHTS = "weights.safetensors"
SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "flipped bit": (lambda run: flipped(run / WEIGHTS), "another checksum.*--resume"),
    "missing tensor": (lambda run: changed(run / WEIGHTS, lambda some: some.pop(next(iter(some)))), "does not fit"),
    "no popularity": (lambda run: changed(run / WEIGHTS, lambda some: some.pop("popularity")), "'popularity'"),
    "renamed tensor": (
        lambda run: changed(run / WEIGHTS, lambda some: some.update(x=some.pop(next(iter(some))))), "does not fit",
    ),
    "wrong shape": (
        lambda run: changed(run / WEIGHTS, lambda some: some.update({key: one[..., :1] for key, one in some.items()})),
        "does not fit recipe.yaml",
    ),
    "NaN": (
        lambda run: changed(
            run / WEIGHTS, lambda some: [one.fill_(torch.nan) for one in some.values() if one.is_floating_point()]
        ),
        "not numbers .NaN.: the training has diverged",
    ),
    "state that is no JSON": (lambda run: with_state(run / WEIGHTS, "{"), "its state cannot be read"),
    "state too deep": (lambda run: with_state(run / WEIGHTS, "[" * 100_000), "nested too deep"),
    "empty file": (lambda run: (run / WEIGHTS).write_bytes(b""), "not a whole safetensors file"),
    "empty header": (lambda run: (run / WEIGHTS).write_bytes((2).to_bytes(8, "little") + b"{}"), "does not fit"),
    "folder": (lambda run: ((run / WEIGHTS).unlink(), (run / WEIGHTS).mkdir()), "is not a file"),
    "no catalogue": (lambda run: (run / "catalog.parquet").unlink(), "catalog.parquet is missing"),
    "garbage catalogue": (lambda run: (run / "catalog.parquet").write_bytes(b"PAR1garbagePAR1"), "not a catalogue"),
    "catalogue without ids": (
        lambda run: pl.DataFrame({"x": [1]}).write_parquet(run / "catalog.parquet"), "no column 'item_id'",
    ),
    "catalogue of another size": (
        lambda run: pl.DataFrame({"item_id": ["a"]}).write_parquet(run / "catalog.parquet"),
        "has 1 items, and the run was fitted on 15",
    ),
    "ids with gaps": (
        lambda run: pl.DataFrame({"item_id": ["a", None] * 7 + ["b"]}).write_parquet(run / "catalog.parquet"),
        "text without gaps",
    ),
    "recipe not UTF-8": (lambda run: (run / "recipe.yaml").write_bytes(b"recipe: \xff"), "byte 9 is not UTF-8"),
    "recipe UTF-16": (lambda run: (run / "recipe.yaml").write_bytes("recipe: x".encode("utf-16")), "not UTF-8"),
    "recipe folder": (lambda run: ((run / "recipe.yaml").unlink(), (run / "recipe.yaml").mkdir()), "recipe.yaml"),
    "deep recipe": (lambda run: (run / "recipe.yaml").write_text("[" * 20_000), "nested more than"),
    "deep lists": (lambda run: (run / "recipe.yaml").write_text("- " * 20_000), "nested more than"),
    "large recipe": (lambda run: (run / "recipe.yaml").write_text("#" * 2_000_000), "at most 1,000,000"),
    "no name of a module": (lambda run: (run / "recipe.yaml").write_text("recipe: ':'"), "is no system"),
    "no module": (lambda run: (run / "recipe.yaml").write_text("recipe: ':x'"), "is no system"),
    "path": (lambda run: (run / "recipe.yaml").write_text("recipe: '../../x:Y'"), "is no system"),
    "no such module": (lambda run: (run / "recipe.yaml").write_text("recipe: nowhere_at_all:Y"), "cannot be imported"),
    "no recipe of a module": (lambda run: (run / "recipe.yaml").write_text("recipe: json:dumps"), "not a Recipe"),
    "settings that are no text": (lambda run: (run / "recipe.yaml").write_text("recipe: popularity\n1: 2"), "1 is not"),
    "data that are a number": (lambda run: (run / "recipe.yaml").write_text("recipe: popularity\ndata: 5"), "data"),
    "another system's weights": (
        lambda run: (run / "recipe.yaml").write_text("recipe: popularity"), "holds the weights of sasrec_small",
    ),
    "absurd width": (
        lambda run: (run / "recipe.yaml").write_text("recipe: sasrec_small\nbackbone: {width: 1000000000}"),
        "width 1,000,000,000",
    ),
    "absurd depth": (
        lambda run: (run / "recipe.yaml").write_text("recipe: sasrec_small\nbackbone: {depth: 100000}"),
        "depth 100,000",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILT)
def test_a_spoilt_run_is_told_in_one_line(what: str, run: Path, segue: Shell) -> None:
    spoil, said = SPOILT[what]
    spoil(run)
    began = time.process_time()
    answer = segue("recommend", run, "--history", "i1,i2")
    assert answer.code == 1
    assert answer.err.startswith("error: ")
    assert str(run) in answer.err
    assert len(answer.err.splitlines()) == 1
    with pytest.raises((RunError, SettingsError), match=said):
        open_run(run)
    assert time.process_time() - began < 5  # twice; a deep recipe took 26 s, an absurd depth minutes


def test_broken_weights_come_back_from_the_checkpoint(run: Path, segue: Shell) -> None:
    whole = (run / WEIGHTS).read_bytes()
    flipped(run / WEIGHTS)
    said = segue("recommend", run, "--history", "i1")
    command = said.err.strip().rpartition("segue ")[2].rstrip(".").split()
    (run / WEIGHTS).unlink()
    assert segue(*command, "--baselines", "").code == 0
    assert (run / WEIGHTS).read_bytes() == whole


def stored(path: Path, kind: int, content: bytes) -> None:
    with ZipFile(path, "w", kind) as archive:
        archive.writestr("users.npy", content)


PER_USER: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-30]), "not a zip file"),
    "garbage": (lambda path: path.write_bytes(b"garbage"), "not a zip file"),
    "empty": (lambda path: path.write_bytes(b""), "not a zip file"),
    "damaged": (lambda path: path.write_bytes(path.read_bytes().replace(b"NUMPY", b"NUMPX")), "per-user values"),
    "a bomb": (lambda path: stored(path, ZIP_DEFLATED, bytes(10_000_000)), "is compressed"),
    "a lying header": (
        lambda path: stored(
            path, ZIP_STORED,
            b"\x93NUMPY\x01\x00v\x00"
            + b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,), }".ljust(117) + b"\n",
        ),
        "per-user values",
    ),
    "pickled objects": (
        lambda path: np.savez(path, users=np.array([{}], dtype=object), allow_pickle=True), "per-user values",
    ),
    "no users": (lambda path: np.savez(path, x=np.ones(3)), "users"),
    "other lengths": (lambda path: np.savez(path, **{"users": np.arange(3), "metric a": np.ones(2)}), "for .3,. users"),
    "text": (lambda path: np.savez(path, **{"users": np.arange(1), "metric a": np.array(["x"])}), "<U1"),
    "folder": (lambda path: (path.unlink(), path.mkdir()), "per-user values"),
}  # fmt: skip


@pytest.mark.parametrize("what", PER_USER)
def test_spoilt_values_of_users_are_told_in_one_line(what: str, run: Path, segue: Shell) -> None:
    spoil, said = PER_USER[what]
    spoil(run / "per_user.npz")
    answer = segue("compare", run, run)
    assert answer.code == 1
    assert len(answer.err.splitlines()) == 1
    with pytest.raises(RunError, match=f"per_user.npz is not a file.*{said}.*segue evaluate"):
        Measured.read(run)


@pytest.mark.parametrize(
    "content",
    [b'{"a"', "{}".encode("utf-16"), b"[" * 100_000 + b"]" * 100_000, b"{}", b"[]", b'{"recipe": "\xff"}', b""],
)
def test_a_spoilt_report_is_told_in_one_line(content: bytes, run: Path, segue: Shell) -> None:
    (run / "report.json").write_bytes(content)
    answer = segue("compare", run, run)
    assert answer.code == 1
    assert "report.json is not a report that this version of segue can read" in answer.err
    assert len(answer.err.splitlines()) == 1


def test_a_file_of_numbers_that_is_spoilt_ends_the_curve_and_nothing_else(run: Path) -> None:
    from segue.training.trackers import curve

    good = (run / "metrics.jsonl").read_bytes()
    for bad in (b"\xff\n", b"[1]\n", b'{"step": "x"}\n', b"{}\n", b"[" * 100_000 + b"\n"):
        (run / "metrics.jsonl").write_bytes(good + bad)
        assert len(curve(run / "metrics.jsonl")) == 2


def test_a_system_of_ones_own_is_imported_for_a_run_that_is_opened_and_for_no_list(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_system_of_a_stranger.py").write_text(
        "from segue.recipes.sasrec import VARIANTS\nMINE = VARIANTS['small']\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    recipe = (run / "recipe.yaml").read_text().replace("sasrec_small", "own_system_of_a_stranger:MINE")
    (run / "recipe.yaml").write_text(recipe)
    with pytest.raises(SettingsError, match="imported only for a run that is opened"):
        experiment_of(run)
    assert "own_system_of_a_stranger" not in sys.modules
    assert open_run(run)[0].recipe.name == "sasrec_small"
    assert experiment_of(run).recipe.name == "sasrec_small"  # now that it is there anyway
    del sys.modules["own_system_of_a_stranger"]


def test_a_module_that_fails_is_told_in_one_line(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "failing_system.py").write_text("raise ZeroDivisionError('mine')\n")
    monkeypatch.syspath_prepend(tmp_path)
    (run / "recipe.yaml").write_text("recipe: failing_system:MINE\n")
    with pytest.raises(SettingsError, match="cannot be imported: mine"):
        open_run(run)


def test_weights_of_before_there_were_checksums_are_opened(run: Path) -> None:
    with_state(run / WEIGHTS, json.dumps({"system": "sasrec_small"}))
    assert open_run(run)[1].recipe.name == "sasrec_small"
