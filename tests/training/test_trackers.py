"""The metrics file: a line a look, also after a kill in the middle of a line."""

import builtins
import types
from pathlib import Path

import pytest

from segue.core.errors import MissingExtra
from segue.training import trackers
from segue.training.trackers import JsonLines, MlFlow, TensorBoard, curve


def test_a_line_a_look(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / "deep" / "metrics.jsonl", resume=False)
    lines.log(4, {"loss": 0.5})
    lines.log(8, {"loss": 0.25, "score": 0.1})
    assert curve(lines.path) == [{"step": 4, "loss": 0.5}, {"step": 8, "loss": 0.25, "score": 0.1}]


def test_a_new_run_starts_an_empty_file_and_a_resumed_one_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    JsonLines(path, resume=False).log(4, {"loss": 0.5})
    JsonLines(path, resume=True).log(8, {"loss": 0.25})
    assert [row["step"] for row in curve(path)] == [4, 8]
    JsonLines(path, resume=False)
    assert curve(path) == []


def test_what_a_killed_process_wrote_of_later_steps_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 4, "loss": 0.5}\n{"step": 8, "loss": 9.0}\n{"step": 12, "lo', encoding="utf-8")
    assert [row["step"] for row in curve(path)] == [4, 8]
    JsonLines(path, resume=True).log(8, {"loss": 0.25})
    assert curve(path) == [{"step": 4, "loss": 0.5}, {"step": 8, "loss": 0.25}]


def test_no_file_is_no_line(tmp_path: Path) -> None:
    assert curve(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize("package", ["tensorboard", "mlflow"])
def test_a_missing_tracker_names_the_extra(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = builtins.__import__

    def without(name: str, *rest: object, **keywords: object) -> object:
        if name.split(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return whole(name, *rest, **keywords)

    monkeypatch.setattr("segue.core.extras.importlib.import_module", without)
    with pytest.raises(MissingExtra, match=r"pip install 'segue\[track\]'"):
        TensorBoard(tmp_path) if package == "tensorboard" else MlFlow("run")


def test_nothing_is_written_before_the_first_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    class Writer:
        def __init__(self, folder: str) -> None:
            opened.append(folder)

        def add_scalar(self, name: str, value: float, step: int) -> None:
            opened.append(f"{name} {value} {step}")

        def flush(self) -> None: ...

    fake = types.SimpleNamespace(SummaryWriter=Writer)
    monkeypatch.setattr(trackers, "require", lambda package, *, extra: fake)
    board = trackers.TensorBoard(tmp_path)
    board.begin("training", 3)
    assert opened == []
    board.log(7, {"loss": 1.5})
    assert opened == [str(tmp_path), "loss 1.5 7"]
