"""Fit, evaluate and compare at the command line; what is refused, and that refusing changes nothing."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from cli.shell import TINY, Shell, contents, quiet, write_log
from segue.core import checkpoint
from segue.training.loop import LATEST

FILES = {
    "recipe.yaml", "weights.safetensors", "catalog.parquet", "report.json", "report.html", "per_user.npz",
    "metrics.jsonl", "comparison.md",
}  # fmt: skip


def test_fit_leaves_a_whole_run_folder_and_shows_the_table(segue: Shell, log: Path, tmp_path: Path) -> None:
    said = segue("fit", "sasrec_small", "--data", log, "--out", tmp_path / "run", *TINY)
    assert said.code == 0
    assert {"sasrec_small", "popularity", "item_knn"} <= set(said.out.replace("*", " ").split())
    assert "protocol" in said.out
    assert set(contents(tmp_path / "run")) >= FILES
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert 'src="http' not in page
    assert "<link" not in page
    assert not list((tmp_path / "run").glob(".*")), "no temporary file is left"


def test_json_is_one_document_and_nothing_else(segue: Shell, log: Path, tmp_path: Path) -> None:
    said = segue("fit", "popularity", "--data", log, "--out", tmp_path / "run", "--json", "--baselines", "")
    report = json.loads(said.out)
    assert said.code == 0
    assert (report["recipe"], report["users"]) == ("popularity", 40)
    assert {"HR@10", "NDCG@10"} <= set(report["metrics"])
    assert report["fingerprint"]


def test_a_run_is_not_overwritten_unasked(segue: Shell, log: Path, finished, tmp_path: Path) -> None:
    folder = shutil.copytree(finished["popularity"], tmp_path / "run")
    before = contents(folder)
    said = segue("fit", "popularity", "--data", log, "--out", folder)
    assert said.code == 1
    assert "--resume" in said.err
    assert "--overwrite" in said.err
    assert contents(folder) == before
    said = segue("fit", "popularity", "--data", log, "--out", folder, "--overwrite", "--baselines", "")
    assert said.code == 0


def test_a_run_is_not_resumed_as_another(segue: Shell, log: Path, finished, tmp_path: Path) -> None:
    folder = shutil.copytree(finished["popularity"], tmp_path / "run")
    before = contents(folder)
    said = segue("fit", "popularity", "--data", log, "--out", folder, "--resume", "--seed", "7")
    assert said.code == 1
    assert "seed: 7" in said.err
    assert contents(folder) == before


def test_a_folder_that_is_no_run_is_left_alone(segue: Shell, log: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    said = segue("fit", "popularity", "--data", log, "--out", tmp_path)
    assert said.code == 1
    assert "not a run folder" in said.err
    assert contents(tmp_path) == {"thesis.tex": b"years of work"}


@pytest.mark.slow
def test_killed_and_resumed_it_ends_with_the_same_weights(segue: Shell, log: Path, tmp_path: Path) -> None:
    words = ["fit", "sasrec_small", "--data", str(log), "--baselines", "", *TINY,
             "--set", "procedure.loop.epochs=30", "--set", "procedure.loop.checkpoint_every=0"]  # fmt: skip
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-m", "segue.cli.main", *words, "--out", str(killed)]
    with subprocess.Popen(command, env=quiet(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not (killed / LATEST).exists() and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert segue("recommend", killed, "--user", "u1").code == 1
    assert segue(*words, "--out", killed, "--resume").code == 0
    assert segue(*words, "--out", whole).code == 0
    one, other = (checkpoint.read(folder / "weights.safetensors")[0] for folder in (killed, whole))
    assert all(torch.equal(one[name], other[name]) for name in one)
    rows = [json.loads(line)["epoch"] for line in (killed / "metrics.jsonl").read_text().splitlines()]
    assert rows == list(range(1, 31))


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["sasrek"], "Did you mean 'sasrec'"),
        (["popularity", "--set", "windows=3"], "did you mean 'window'?"),
        (["popularity", "--set", "window=-1"], "recipe.window: Input should be greater than or equal to 0"),
        (["popularity", "--set", "window"], "path=value"),
        (["sasrec_small", "--set", "backbone=grue"], "did you mean 'gru'?"),
        (["sasrec_small", "--set", "backbone=top_scores"], "'top_scores' is not a Backbone"),
        (["sasrec_small", "--set", "backbone.heads=3"], "cannot be shared evenly by 3 heads"),
        (["sasrec_small", "--set", "objective=masked_item"], "model.question=mask"),
        (["popularity", "--data", "nowhere.csv"], "nowhere.csv"),
        (["popularity", "--device", "cuda"], "cuda"),
        (["no.yaml"], "no.yaml"),
        (["nothing.like:THIS"], "MODULE:NAME"),
    ],
    ids=str,
)
def test_a_wrong_word_gets_one_line_that_says_what_to_do(
    words: list[str], wanted: str, segue: Shell, log: Path, tmp_path: Path
) -> None:
    if words[-1] == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    data = [] if "--data" in words else ["--data", log]
    said = segue("fit", *words, *data, "--out", tmp_path / "run")
    assert said.code == 1
    assert said.err.startswith("error: ")
    assert wanted in said.err
    assert "Traceback" not in said.err
    assert len(said.err.strip().splitlines()) <= 2
    assert not (tmp_path / "run" / "weights.safetensors").exists()


def test_evaluating_again_gives_the_same_numbers(segue: Shell, finished, tmp_path: Path) -> None:
    folder = shutil.copytree(finished["sasrec"], tmp_path / "run")
    before = json.loads((folder / "report.json").read_text())
    after = json.loads(segue("evaluate", folder, "--baselines", "", "--json").out)
    assert after["metrics"] == before["metrics"]
    assert after["fingerprint"] == before["fingerprint"]
    assert after["seconds"] == before["seconds"]


def test_asking_otherwise_needs_a_folder_of_its_own(segue: Shell, finished, tmp_path: Path) -> None:
    before = contents(finished["sasrec"])
    unfiltered = ["--set", "evaluation.seen=true", "--baselines", ""]
    said = segue("evaluate", finished["sasrec"], *unfiltered)
    assert (said.code, "--out" in said.err) == (1, True)
    said = segue("evaluate", finished["sasrec"], *unfiltered, "--out", tmp_path / "other", "--json")
    assert said.code == 0
    assert json.loads(said.out)["protocol"]["seen"] is True
    assert contents(finished["sasrec"]) == before

    said = segue("compare", finished["sasrec"], tmp_path / "other")
    assert said.code == 1
    assert "different protocols" in said.err
    assert segue("compare", finished["sasrec"], tmp_path / "other", "--mixed").code == 0


def test_a_fitted_run_cannot_be_given_other_parts(segue: Shell, finished, tmp_path: Path) -> None:
    said = segue("evaluate", finished["sasrec"], "--set", "backbone.depth=2", "--out", tmp_path / "other")
    assert (said.code, "evaluation." in said.err) == (1, True)


def test_compare_puts_runs_side_by_side(segue: Shell, finished) -> None:
    said = segue("compare", finished["popularity"], finished["sasrec"], "--metric", "NDCG@10")
    assert said.code == 0
    assert "sasrec_small - popularity, NDCG@10" in said.out
    values = json.loads(segue("compare", finished["popularity"], finished["sasrec"], "--json").out)
    assert [row["name"] for row in values["rows"]] == ["popularity", "sasrec_small"]
    assert values["protocols"][0]["fingerprint"]


def test_a_folder_without_a_run_is_named_with_its_neighbours(segue: Shell, finished) -> None:
    missing = finished["sasrec"].parent / "nothing"
    for words in (["evaluate", missing], ["recommend", missing, "--user", "u1"]):
        said = segue(*words)
        assert said.code == 1
        assert "is not a run folder" in said.err
        assert str(finished["sasrec"]) in said.err
    assert segue("compare", missing, finished["sasrec"]).code == 1
    assert not missing.exists()


def test_a_row_that_nobody_plans_is_refused_with_those_that_are(segue: Shell) -> None:
    said = segue("reproduce", "popularity", "--row", "nothing")
    assert said.code == 1
    assert "popularity plans no row nothing of the ledger. Its rows: beauty, " in " ".join(said.err.split())


def test_a_page_of_no_group_is_refused_and_help_teaches_the_use_of_groups(segue: Shell) -> None:
    said = segue("reproduce", "popularity", "--page-only")
    assert said.code == 1
    assert "popularity is no group" in said.err
    text = " ".join(segue("reproduce", "--help").out.split())
    assert "segue reproduce gflowgr --page-only" in text
    assert "The name of a group stands for all rows of one published table." in text


def test_what_the_data_are_is_said_before_the_table(segue: Shell, tmp_path: Path) -> None:
    log = write_log(tmp_path / "three.csv", users=3)
    said = segue("fit", "popularity", "--data", log, "--out", tmp_path / "run", "--baselines", "")
    assert said.code == 0
    places = [said.out.index(words) for words in ("data: three, read as", "serious: ", "no measurement", "HR@10")]
    assert places == sorted(places)
    said = segue("evaluate", tmp_path / "run", "--baselines", "")
    assert "no measurement" in said.out
    for words in (("fit", "popularity", "--data", log, "--out", tmp_path / "other"), ("evaluate", tmp_path / "run")):
        said = segue(*words, "--strict", "--baselines", "")
        assert said.code == 1
        assert "3 test users are no measurement" in said.err
        assert len(said.err.strip().splitlines()) == 1
    assert not (tmp_path / "other").exists()
    said = segue("fit", "popularity", "--data", log, "--out", tmp_path / "run", "--overwrite", "--json")
    assert {one["name"] for one in json.loads(said.out)["data"]["findings"]} >= {"test users"}


def test_without_data_the_first_line_says_that_the_world_is_simulated(segue: Shell, tmp_path: Path) -> None:
    small = ("--set", "data.users=60", "--set", "data.items=40", "--baselines", "")
    said = segue("fit", "popularity", "--out", tmp_path / "run", *small)
    assert said.out.splitlines()[0].startswith("data: the simulated world, a made-up shop, for no --data was given")


def test_the_day_of_a_test_can_be_typed(segue: Shell, tmp_path: Path) -> None:
    log = write_log(tmp_path / "walks.csv")  # nine hours from 2023-11-14T22:13:20 on
    for at in ("2023-11-15", "2023-11-15T03:00:00", "2023-11-15 03:00:00"):
        words = ("--set", "split=global_time", "--set", f"split.at={at}", "--baselines", "", "--overwrite", "--json")
        said = segue("fit", "popularity", "--data", log, "--out", tmp_path / "run", *words)
        assert said.code == 0, said.err
        assert at[:10] in json.loads(said.out)["protocol"]["split"]
