"""Everybody who watches a run hears everything."""

from collections.abc import Mapping
from pathlib import Path

from segue.core.run import Run


class Heard:
    def __init__(self) -> None:
        self.words: list[tuple] = []

    def begin(self, what: str, steps: int) -> None:
        self.words.append(("begin", what, steps))

    def advance(self, steps: int, note: str = "") -> None:
        self.words.append(("advance", steps, note))

    def end(self) -> None:
        self.words.append(("end",))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.words.append(("log", step, dict(values)))


def test_all_watches_hear_all() -> None:
    watches = Heard(), Heard()
    run = Run(watches=watches)
    run.begin("training", 2)
    run.advance(1, "half")
    run.log(1, {"loss": 0.5})
    run.end()
    for watch in watches:
        assert watch.words == [("begin", "training", 2), ("advance", 1, "half"), ("log", 1, {"loss": 0.5}), ("end",)]


def test_a_helper_has_a_folder_of_its_own_and_keeps_no_numbers(tmp_path: Path) -> None:
    watch = Heard()
    run = Run(seed=3, folder=tmp_path, watches=(watch,)).aside("helper")
    run.begin("helping", 2)
    run.advance(1, "note")
    run.log(1, {"loss": 1.0})
    run.end()
    assert (run.folder, run.seed) == (tmp_path / "helper", 3)
    assert watch.words == [("begin", "helping", 2), ("advance", 1, "note"), ("end",)]
    assert Run().aside("helper").folder is None


def test_a_second_training_counts_on() -> None:
    watch = Heard()
    Run(watches=(watch,)).after(40).log(2, {"loss": 1.0})
    assert watch.words == [("log", 42, {"loss": 1.0})]
