"""Exported files say what the run says, in a process that knows nothing of us; or nothing is left behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cli.shell import write_log
from export.graphs import system, unchecked
from segue.core.errors import RunError, SettingsError
from segue.export.parity import TOLERANCE
from segue.workflows import export
from segue.workflows.experiment import new
from segue.workflows.export import ABOUT, ExportNote, export_run, write
from segue.workflows.export_page import program
from segue.workflows.fit import fit
from segue.workflows.place import check_place
from segue.workflows.recommend import recommend

TINY = {"backbone.width": 8, "backbone.depth": 1, "backbone.heads": 1, "procedure.loop.epochs": 1}


@pytest.fixture(autouse=True)
def traced() -> Iterator[None]:
    with unchecked():
        yield


def run_of(tmp_path: Path, name: str = "item_knn", **settings: object) -> Path:
    log = write_log(tmp_path / "walks.csv", users=20)
    fit(new(name, str(log), settings, 0), tmp_path / "run", baselines=())
    return tmp_path / "run"


def alone(folder: Path, code: str) -> str:
    """What a program prints in a process of its own, which cannot import us."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", f"import sys; sys.modules['segue'] = None\n{code}"]
    said = subprocess.run(
        command, cwd=folder, env={**environment, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    return said.stdout


def programs(folder: Path) -> list[str]:
    """Those that the README of an export shows."""
    return re.findall(r"^```python\n(.*?)^```$", (folder / "README.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("sasrec_small", {"backbone.norm": "rms", "backbone.position": "rotary", "backbone.activation": "swiglu"}),
        ("sasrec_small", {"backbone.gated": True, "backbone.order": "post"}),
        ("bert4rec_small", {"backbone.order": "pre"}),
        ("gru4rec_small", {"backbone.depth": 2}),
        ("hstu_tuned", {}),
        ("item_knn_fading", {}),
        ("ease", {}),
        ("tiger_small", {"model.user_tokens": 7}),
        ("tiger_t5_small", {}),
        ("dfgr_small", {}),
        ("din_small", {"model.softmax": True}),
        ("dlrm_small", {"model.recent": 4}),
        ("metagr_small", {"model.apart": False}),
        ("gpsd_small", {"model.head": "linear"}),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(map(str, value.values())) or "usual",
)
def test_both_files_say_what_the_system_says(name: str, settings: Mapping[str, object], tmp_path: Path) -> None:
    recommender, graph, cases = system(name, **settings)
    note = write(tmp_path, graph, cases, ("torch", "onnx"))
    for parity in note.parity.values():
        assert 0 <= parity.largest_difference < TOLERANCE / 5
    assert {path.name for path in tmp_path.iterdir()} == {"model.pt2", "model.onnx"}
    assert note.opset is not None
    assert note.opset >= 18
    if not settings:
        (tmp_path / "items.json").write_text(json.dumps(recommender.catalog.ids.to_list()))
        one, other = (alone(tmp_path, program(graph, name)) for name in ("torch", "onnx"))
        assert len(one.splitlines()) == 2
        assert one == other, "the programs of the README"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sasrec_small", "small_tokens"])
def test_the_programs_of_the_readme_run_without_us_and_name_what_we_recommend(name: str, tmp_path: Path) -> None:
    codes = name == "small_tokens"
    settings = {"tokenizer": "random_codes"} if codes else TINY
    run = run_of(tmp_path, "workflows.small_tokens:RECIPE" if codes else name, **settings)
    note = export_run(run, tmp_path / "out")
    ids = json.loads((tmp_path / "out" / "items.json").read_text())
    assert ids == pl.read_parquet(tmp_path / "out" / "catalog.parquet")["item_id"].to_list()
    shown = programs(tmp_path / "out")
    assert len(shown) == 2
    for code, package in zip(shown, ("torch", "onnxruntime"), strict=True):
        assert set(re.findall(r"^import (\w+)", code, re.MULTILINE)) == {"json", "numpy", package}
        assert len(code.splitlines()) <= 18
        lists = [json.loads(line.replace("'", '"')) for line in alone(tmp_path / "out", code).splitlines()]
        for history, found in zip(([0, 1, 2], [2]), lists, strict=True):
            wanted = recommend(run, history=[ids[item] for item in history], k=len(found))["items"]
            assert found == [item["item_id"] for item in wanted]
    assert note == ExportNote.model_validate_json((tmp_path / "out" / ABOUT).read_text())


def test_an_export_says_where_it_comes_from(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    note = export_run(run, tmp_path / "out", ("torch",))
    report = json.loads((run / "report.json").read_text())
    assert (note.system, note.items, note.form, note.window) == ("item_knn", 15, "scores", None)
    assert (note.data, note.fingerprint) == (report["dataset"]["digest"], report["fingerprint"])
    assert set(note.files) == {"README.md", "catalog.parquet", "items.json", "model.pt2"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*note.files, ABOUT}
    assert (note.parity["torch"].shortest, note.parity["torch"].rows) == (0, 22)
    assert note.parity["torch"].largest_difference < TOLERANCE


def test_a_file_that_says_something_else_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(tmp_path)
    true = export.torch_program

    def wrong(path, names):
        program = true(path, names)
        return lambda inputs: [output * np.float32(1.001) for output in program(inputs)]

    monkeypatch.setattr(export, "torch_program", wrong)
    with pytest.raises(RunError, match=r"differs from the run by 0\.001"):
        export_run(run, tmp_path / "out", ("torch",))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "walks.csv"]


def test_only_exports_are_replaced_and_only_when_asked(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is a file"):
        check_place(tmp_path / "file", ABOUT, "export files", overwrite=True)
    with pytest.raises(RunError, match="holds no export"):
        check_place(tmp_path, ABOUT, "export files", overwrite=True)
    (tmp_path / ABOUT).write_text("{}")
    with pytest.raises(RunError, match="--overwrite"):
        check_place(tmp_path, ABOUT, "export files", overwrite=False)
    check_place(tmp_path, ABOUT, "export files", overwrite=True)


def test_changed_data_and_systems_without_a_graph_are_refused(tmp_path: Path) -> None:
    run = run_of(tmp_path, "popularity")
    with pytest.raises(SettingsError, match="answers from counts"):
        export_run(run, tmp_path / "out")
    write_log(tmp_path / "walks.csv", users=20, items=12)
    with pytest.raises(RunError, match="no longer what it was fitted on"):
        export_run(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()
