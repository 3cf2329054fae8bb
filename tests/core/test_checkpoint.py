"""Checkpoints: whole or not at all, and nothing in them is code."""

import errno
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from segue.core import checkpoint
from segue.core.errors import DataError, RunError

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


def damaged(path: Path, change: Callable[[dict[str, torch.Tensor], dict[str, str]], None]) -> None:
    """The same file with other contents under the same checksum, as who tampers with it would write it."""
    with safe_open(path, framework="pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata())  # noqa: SIM118
    change(tensors, metadata)
    save_file(tensors, path, metadata=metadata)


def test_a_single_flipped_bit_of_any_tensor_is_found(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    tensors = {"w": torch.randn(5), "half": torch.randn(3, dtype=torch.bfloat16), "none": torch.zeros(0, 2)}
    checkpoint.write(path, tensors, {"step": 1})
    whole = path.read_bytes()
    begin = 8 + int.from_bytes(whole[:8], "little")
    assert len(whole) - begin == 26
    for place in range(begin, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        with pytest.raises(RunError, match=r"one\.safetensors is damaged or was changed.*start again"):
            checkpoint.read(path)
    path.write_bytes(whole)
    assert checkpoint.read(path)[1] == {"step": 1}


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors, metadata: tensors.update(v=tensors.pop("w")),
        lambda tensors, metadata: tensors.update(more=torch.ones(1)),
        lambda tensors, metadata: tensors.update(w=tensors["w"][:, None]),
        lambda tensors, metadata: tensors.update(w=tensors["w"].view(torch.int32)),
        lambda tensors, metadata: metadata.update(state=metadata["state"].replace('"step": 1', '"step": 2')),
    ],
)
def test_names_shapes_types_and_the_state_are_part_of_the_checksum(change: Any, tmp_path: Path) -> None:
    checkpoint.write(tmp_path / "one", ONE, {"step": 1})
    damaged(tmp_path / "one", change)
    with pytest.raises(RunError, match="another checksum"):
        checkpoint.read(tmp_path / "one")


def test_the_same_contents_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        checkpoint.write(tmp_path / name, {**ONE, "v": OTHER["w"]}, {"step": 1, "best": 0.1, "notes": {"a": (1, 2)}})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert checkpoint.read(tmp_path / "one")[1] == {"step": 1, "best": 0.1, "notes": {"a": [1, 2]}}


def test_a_file_of_before_there_were_checksums_is_read(tmp_path: Path) -> None:
    save_file(dict(ONE), tmp_path / "one", metadata={"state": '{"step": 1}'})
    tensors, state = checkpoint.read(tmp_path / "one")
    assert state == {"step": 1}
    assert torch.equal(tensors["w"], ONE["w"])


@pytest.mark.parametrize("state", ["{", "[1]", "[" * 100_000])
def test_a_state_that_is_none_is_named(state: str, tmp_path: Path) -> None:
    save_file(dict(ONE), tmp_path / "one", metadata={"state": state})
    with pytest.raises(RunError, match=r"one: its state"):
        checkpoint.read(tmp_path / "one")


def test_a_folder_in_the_place_of_a_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a file; make it again"):
        checkpoint.read(tmp_path, remedy="make it again")


def test_a_full_disk_is_told_with_its_number_and_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OSError, match="No space left") as raised:
        checkpoint.write(tmp_path / "one", ONE, {})
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(tmp_path / "one"))


def test_what_does_not_fit_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 3)
    with (
        pytest.raises(RunError, match=r"one does not fit its recipe: .*size mismatch.*; fit it again\.$") as raised,
        checkpoint.fits(tmp_path / "one", "its recipe", "fit it again"),
    ):
        model.load_state_dict({"weight": torch.ones(3, 4), "bias": torch.ones(3)})
    assert "\n" not in str(raised.value)
    with pytest.raises(RunError, match="KeyError 'x'"), checkpoint.fits(tmp_path / "one", "its recipe"):
        _ = {}["x"]
    with pytest.raises(DataError, match="as it is"), checkpoint.fits(tmp_path / "one", "its recipe"):
        raise DataError("as it is")


@pytest.mark.parametrize(
    ("memory", "said"),
    [
        ({"7.step": torch.tensor(1.0)}, "no parameter '7'"),
        ({"x.step": torch.tensor(1.0)}, "no parameter 'x'"),
        ({"0.exp_avg": torch.ones(3)}, r"shape \(3,\)"),
        ({"0.step": torch.tensor(1.0), "1.exp_avg": torch.ones(4)}, "not of one kind"),
    ],
)
def test_memory_of_another_optimiser_is_refused(memory: dict[str, torch.Tensor], said: str) -> None:
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(4))])
    with pytest.raises(ValueError, match=said):
        checkpoint.load_optimizer(optimizer, memory)


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
