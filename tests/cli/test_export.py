"""A run as files, at the command line."""

import json
from collections.abc import Iterator

import pytest

from cli.shell import Shell
from export.graphs import unchecked


@pytest.fixture(autouse=True)
def traced() -> Iterator[None]:
    with unchecked():
        yield


@pytest.mark.slow
def test_both_files_are_written_and_their_difference_is_said(segue: Shell, finished, tmp_path) -> None:
    said = segue("export", finished["sasrec"], "--out", tmp_path / "out")
    assert said.code == 0, said.err
    assert "torch: the largest difference" in said.out
    assert "onnx: the largest difference" in said.out
    assert {"model.pt2", "model.onnx", "export.json", "items.json", "catalog.parquet", "README.md"} == {
        path.name for path in (tmp_path / "out").iterdir()
    }
    again = segue("export", finished["sasrec"], "--out", tmp_path / "out")
    assert (again.code, "--overwrite" in again.err) == (1, True)
    said = segue("export", finished["sasrec"], "--out", tmp_path / "out", "--format", "torch", "--overwrite", "--json")
    note = json.loads(said.out)
    assert list(note["parity"]) == ["torch"]
    assert note == json.loads((tmp_path / "out" / "export.json").read_text())
    assert not (tmp_path / "out" / "model.onnx").exists()


def test_what_cannot_be_exported_is_said(segue: Shell, finished, tmp_path) -> None:
    said = segue("export", finished["popularity"], "--out", tmp_path / "out")
    assert (said.code, "answers from counts" in said.err) == (1, True)
    said = segue("export", finished["sasrec"], "--out", tmp_path / "out", "-k", "5")
    assert (said.code, "-k is for systems that search" in said.err) == (1, True)
    assert list(tmp_path.iterdir()) == []
