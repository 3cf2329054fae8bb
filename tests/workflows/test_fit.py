"""The whole way in the simulated world: nobody beats the oracle, and two runs of a seed are one."""

from pathlib import Path

import pytest

from segue.core.errors import RunError
from segue.evaluation.report import read_report
from segue.workflows.experiment import new
from segue.workflows.fit import fit, headline

WORLD = {"data.users": 60, "data.items": 40, "data.categories": 4, "data.clicks": 8.0}


def test_the_world_comes_with_its_oracle_whom_nobody_beats(tmp_path: Path) -> None:
    report = fit(new("popularity", None, WORLD, 0), tmp_path / "run", baselines=())
    assert read_report(tmp_path / "run") == report
    text = (tmp_path / "run" / "comparison.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(" *`"): line for line in text.splitlines() if line.startswith("| ")}
    assert {"popularity", "oracle"} <= set(rows)


def test_a_run_is_the_same_twice(tmp_path: Path) -> None:
    one, other = (fit(new("item_knn", None, WORLD, 0), tmp_path / name, baselines=()) for name in ("one", "other"))
    assert one.metrics == other.metrics
    assert one.beyond == other.beyond
    assert (tmp_path / "one" / "recipe.yaml").read_text() == (tmp_path / "other" / "recipe.yaml").read_text()


def test_fewer_users_can_be_asked(tmp_path: Path) -> None:
    report = fit(new("popularity", None, {**WORLD, "evaluation.users": 10}, 0), tmp_path / "run", baselines=())
    assert report.users == 10


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(RunError, match="is a file"):
        fit(new("popularity", None, WORLD, 0), tmp_path / "run")


def test_tables_show_lists_of_ten_where_there_are_any() -> None:
    assert headline([5, 10, 20]) == ["HR@10", "NDCG@10"]
    assert headline([1, 3]) == ["HR@3", "NDCG@3"]
