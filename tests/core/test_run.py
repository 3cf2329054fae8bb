"""Everybody who watches a run hears everything."""

from collections.abc import Mapping

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
