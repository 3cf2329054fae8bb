"""The bar goes to standard error, and a look leaves a line."""

import pytest

from segue.cli.progress import Bar


def test_a_look_leaves_a_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Bar()
    bar.begin("training", 10)
    bar.advance(3, "loss 0.5")
    bar.advance(1)
    bar.log(4, {"epoch": 2, "seconds": 7.2, "loss": 0.51234, "score": 0.25})
    bar.end()
    bar.end()
    said = capsys.readouterr()
    assert said.out == ""
    assert "epoch 2 · loss 0.5123 · score 0.2500 · 7 s" in said.err


def test_outside_of_any_work_nothing_moves() -> None:
    Bar().advance(1)
