"""Run folders: whole, half, and foreign."""

from pathlib import Path

import numpy as np
import pytest

from segue.core.errors import RunError
from segue.core.run import Run
from segue.core.whole import write_text
from segue.recipes import popularity
from segue.testing import ring
from segue.workflows import runs
from segue.workflows.experiment import new


def test_what_is_saved_is_opened_again(tmp_path: Path) -> None:
    world = ring(users=20, items=6)
    fitted = popularity.RECIPE.fit(world, Run())
    write_text(tmp_path / runs.RECIPE, new("popularity", "log.csv", {}, 0).yaml())
    runs.save(tmp_path, fitted, world.dataset)
    experiment, opened = runs.open_run(tmp_path)
    assert experiment == new("popularity", "log.csv", {}, 0)
    assert opened.catalog.table.equals(world.catalog.table)
    assert np.array_equal(
        opened.recommend(world.test.histories, 3).items, fitted.recommend(world.test.histories, 3).items
    )


def test_a_run_whose_training_did_not_end_says_how_to_go_on(tmp_path: Path) -> None:
    write_text(tmp_path / runs.RECIPE, new("popularity", "log.csv", {}, 0).yaml())
    with pytest.raises(RunError, match=r"training did not end.*--resume"):
        runs.open_run(tmp_path)


def test_a_folder_that_is_no_run_names_runs_nearby(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="'segue fit' makes one"):
        runs.open_run(tmp_path / "nothing")
    write_text(tmp_path / "mine" / runs.RECIPE, "recipe: popularity\n")
    with pytest.raises(RunError, match=r"Runs here: .*mine"):
        runs.open_run(tmp_path / "nothing")


def test_the_cache_is_where_the_person_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_CACHE", str(tmp_path))
    assert runs.cache_folder() == tmp_path
    monkeypatch.delenv("SEGUE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert runs.cache_folder() == tmp_path / "segue"
