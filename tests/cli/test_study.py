"""`segue study` at the command line."""

import json
from pathlib import Path

from cli.shell import Shell

WORLD = (
    "--world-set", "users=60", "--world-set", "items=40", "--world-set", "categories=5", "--world-set", "clicks=12",
    "--world-set", "shown=6",
)  # fmt: skip


def test_a_study_ends_in_a_table_with_references_and_a_report(segue: Shell, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = segue("study", "exposure_bias", "--systems", "popularity, item_knn", "--seeds", 1, "--out", out, *WORLD)
    assert said.code == 0
    for word in ("popularity", "item_knn", "oracle", "ideal", "hidden", "slope", "report:"):
        assert word in said.out
    line = next(line for line in said.out.splitlines() if "slope" in line)
    assert line.split()[1:3] == ["-", "-"]
    assert "item_knn, seed 0 (2 of 2): hidden recall@10" in said.err
    assert (out / "report.html").exists()


def test_json_is_one_document_and_nothing_else(segue: Shell, tmp_path: Path) -> None:
    said = segue(
        "study", "exposure_bias", "--systems", "popularity", "--seeds", 1, "--k", 5, "--out", tmp_path, "--json", *WORLD
    )
    report = json.loads(said.out)
    assert (report["study"]["k"], report["data"]["users"], report["users"]) == (5, 60, 60)
    assert said.err == ""


def test_what_does_not_fit_is_said_and_nothing_is_written(segue: Shell, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for words, hint in (
        (("--systems", "tiger_smal"), "Did you mean 'tiger_small'"),
        (("--systems", "popularity", "--world-set", "user=5"), "did you mean 'users'"),
        (("--systems", "popularity", "--liked", "2"), "liked: "),
        (("--systems", ""), "no system is named"),
    ):
        said = segue("study", "exposure_bias", "--out", out, *words)
        assert said.code == 1
        assert hint in said.err
        assert "Traceback" not in said.err
        assert not out.exists()


def test_help_teaches(segue: Shell) -> None:
    said = segue("study", "exposure_bias", "--help")
    for word in ("hidden favourites", "--world-set", "--systems", "Examples"):
        assert word in said.out
