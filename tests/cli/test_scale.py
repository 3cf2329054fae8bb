"""`segue scale` at the command line."""

import json
from pathlib import Path

import pytest

from cli.shell import Shell
from segue.simulation.world import TINY

QUICK = (
    "--set", f"data={json.dumps(TINY.dump())}", "--set", "procedure.pretraining.epochs=1",
    "--set", "procedure.ranking.loop.epochs=1", "--set", "backbone.depth=1",
)  # fmt: skip


@pytest.mark.slow
def test_a_ladder_ends_in_a_table_and_a_report(segue: Shell, tmp_path: Path) -> None:
    words = ("scale", "gpsd_small", "--widths", "8, 16", "--strategies", "nt", "--out", tmp_path / "out", *QUICK)
    said = segue(*words)
    assert said.code == 0, said.err
    assert "| nt | 16 | 4,144 |" in said.out
    assert "needs three widths" in said.out
    assert "nt, width 8 (1,048 dense), seed 0 (1 of 2): AUC" in said.err
    assert (tmp_path / "out" / "report.html").exists()
    assert [point["width"] for point in json.loads(segue(*words, "--json").out)["points"]] == [8, 16]


def test_what_does_not_fit_is_said_and_nothing_is_written(segue: Shell, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for words, hint in (
        (("gpsd_small", "--widths", "wide"), "write whole numbers"),
        (("gpsd_small", "--widths", ","), "no width is named"),
        (("gpsd_smal",), "Did you mean 'gpsd_small'"),
        (("sasrec_small", "--strategies", ""), "ranks nothing"),
        (("gpsd_small", "--strategies", "freeze"), "strategy"),
    ):
        said = segue("scale", *words, "--out", out)
        assert said.code == 1
        assert hint in said.err
        assert "Traceback" not in said.err
        assert not out.exists()


def test_help_teaches(segue: Shell) -> None:
    said = segue("scale", "--help")
    for word in ("dense parameters", "--widths", "--strategies", "Examples"):
        assert word in said.out
