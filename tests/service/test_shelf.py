"""Runs by name, and nothing else by any name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from segue.core.errors import RunError
from segue.service.problems import Problem
from segue.service.shelf import Shelf


def run(folder: Path, *, finished: bool = True) -> Path:
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text("recipe: popularity")
    if finished:
        (folder / "weights.safetensors").write_bytes(b"")
    return folder


def test_runs_are_found_by_name_and_unfinished_ones_are_not(tmp_path: Path) -> None:
    given = run(tmp_path / "one" / "a")
    run(tmp_path / "many" / "b")
    run(tmp_path / "many" / "c", finished=False)
    shelf = Shelf([given], [tmp_path / "many", tmp_path / "nothing here"])
    assert dict(shelf.runs()) == {"a": given, "b": tmp_path / "many" / "b"}
    run(tmp_path / "many" / "d")
    assert "d" in shelf.runs()
    assert shelf.names_of([given, given]) == ["a"]


def test_a_name_never_becomes_a_path(tmp_path: Path) -> None:
    run(tmp_path / "secret")
    shelf = Shelf([run(tmp_path / "runs" / "a")], [tmp_path / "runs"])
    for name in ("../secret", str(tmp_path / "secret"), "", ".", "a/", "a/../a", "secret"):
        with pytest.raises(Problem, match="There is no run"):
            shelf.folder(name)


def test_folders_of_one_name_are_told_apart_by_their_parents(tmp_path: Path) -> None:
    one, other = run(tmp_path / "x" / "a"), run(tmp_path / "y" / "a")
    assert dict(Shelf([one, other]).runs()) == {"x-a": one, "y-a": other}
    third = run(tmp_path / "z" / "x" / "a")
    with pytest.raises(RunError, match="rename one"):
        Shelf([one, third])


def test_a_name_that_is_no_text_and_a_link_to_itself_are_passed_over(tmp_path: Path) -> None:
    fine = run(tmp_path / "fine")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    run(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")))
    assert dict(Shelf([], [tmp_path]).runs()) == {"fine": fine}
