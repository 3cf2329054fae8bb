"""Checkpoints: whole or not at all, and nothing in them is code."""

import re
from pathlib import Path

import pytest
import torch

from segue.core import checkpoint
from segue.core.errors import RunError

ONE, OTHER = {"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([3.0, 4.0])}


def test_tensors_and_state_come_back(tmp_path: Path) -> None:
    tensors = {"w": torch.randn(3, 4).T, "steps": torch.tensor(7)}
    checkpoint.write(tmp_path / "deep" / "one.safetensors", tensors, {"epoch": 3, "best": None})
    found, state = checkpoint.read(tmp_path / "deep" / "one.safetensors")
    assert state == {"epoch": 3, "best": None}
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_writer_that_is_stopped_half_way_leaves_the_file_before(
    error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.safetensors"
    checkpoint.write(path, ONE, {"step": 1})

    def half(tensors: object, partial: Path, metadata: object) -> None:
        partial.write_bytes(b"half")
        raise error("stopped")

    monkeypatch.setattr(checkpoint, "save_file", half)
    with pytest.raises(error):
        checkpoint.write(path, OTHER, {"step": 2})
    tensors, state = checkpoint.read(path)
    assert state == {"step": 1}
    assert torch.equal(tensors["w"], ONE["w"])
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        checkpoint.write(tmp_path / "file" / "one.safetensors", ONE, {})


def test_a_missing_file_and_a_broken_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not exist"):
        checkpoint.read(tmp_path / "none.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"not a safetensors file")
    with pytest.raises(RunError, match=r"broken\.safetensors is not a whole safetensors file"):
        checkpoint.read(tmp_path / "broken.safetensors")


def test_an_optimiser_gets_its_memory_back() -> None:
    def optimiser() -> torch.optim.Optimizer:
        weight = torch.nn.Parameter(torch.ones(2))
        weight.grad = torch.tensor([0.5, -1.0])
        return torch.optim.AdamW([weight])

    one, other = optimiser(), optimiser()
    one.step()
    memory = checkpoint.optimizer_tensors(one)
    assert set(memory) == {"0.step", "0.exp_avg", "0.exp_avg_sq"}
    checkpoint.load_optimizer(other, memory)
    assert all(torch.equal(checkpoint.optimizer_tensors(other)[name], memory[name]) for name in memory)


def test_nothing_is_pickled_anywhere() -> None:
    code = re.compile(r"import pickle|pickle\.(load|dump)|torch\.(load|save)\(|allow_pickle=True|cloudpickle|joblib")
    source = Path(checkpoint.__file__).parents[1]
    guilty = [path for path in source.rglob("*.py") if code.search(path.read_text(encoding="utf-8"))]
    assert guilty == []
