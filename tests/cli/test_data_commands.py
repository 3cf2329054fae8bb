import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from segue.cli.data import app
from segue.core.errors import DataError, SettingsError
from segue.data import public_sets
from segue.data.public_sets import PublicSet, RemoteFile


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_text(
        "user_id,item_id,timestamp,rating\n"
        + "".join(f"{i % 4},{i % 7},{1_600_000_000 + i},{i % 5 + 1}\n" for i in range(60))
    )
    return "mine.csv"


def run(*words, wrong=None, given=None):
    result = CliRunner().invoke(app, list(words), input=given)
    if wrong is not None:
        assert isinstance(result.exception, wrong), result.output
        return str(result.exception)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def test_prepare_makes_a_folder_named_after_the_file(log, tmp_path):
    facts = json.loads(run("prepare", log, "--positive", "rating >= 2", "--core", "2", "--json"))
    assert facts["folder"] == "prepared/mine"
    assert (facts["events"], facts["dropped"]) == (48, {"not positive": 12})
    assert facts["exposures"] == {"events": 60, "share taken": 0.8, "rows left out": 0}
    assert (tmp_path / "prepared" / "mine" / "manifest.json").is_file()
    assert "already" in run("prepare", log, wrong=DataError)
    assert "share taken" in run("inspect", "prepared/mine")
    assert "60" in run("prepare", log, "--replace")
    assert "exposures" not in run("inspect", "prepared/mine")


def test_settings_are_the_same_by_option_and_by_set(log):
    one = json.loads(run("prepare", log, "--core", "2", "--out", "one", "--json"))
    two = json.loads(run("prepare", log, "--set", "core=2", "--out", "two", "--json"))
    assert one["digest"] == two["digest"]
    assert "did you mean 'core'" in run("prepare", log, "--set", "cor=2", wrong=SettingsError)
    assert "NAME=VALUE" in run("prepare", log, "--set", "core", wrong=SettingsError)


def test_inspect_says_what_it_would_do(log):
    facts = json.loads(run("inspect", log, "--json"))
    assert facts["source"] == "files"
    assert facts["first rows"][0] == {"user_id": "0", "item_id": "0", "time": "2020-09-13 12:26:40", "rating": 1}
    run("prepare", log, "--out", "done")
    assert json.loads(run("inspect", "done", "--json"))["events"] == 60
    assert "would be read as 'files'" in run("inspect", log)


def test_inspect_finds_a_prepared_folder_that_is_not_as_it_was_written(log):
    run("prepare", log, "--out", "done")
    file = Path("done/timestamps.npy")
    whole = file.read_bytes()
    file.write_bytes(whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:])
    run("inspect", "done", wrong=DataError)
    assert json.loads(run("inspect", "done", "--no-verify", "--json"))["events"] == 60


def test_audit_prepares_in_the_cache_and_not_among_the_persons_own_folders(log):
    run("audit", log)
    assert not Path("prepared").exists()


def test_audit_reads_raw_and_prepared_alike(log):
    raw = json.loads(run("audit", log, "--json", "--split", "leave_two_out"))
    run("prepare", log, "--out", "done")
    done = json.loads(run("audit", "done", "--json", "--split", "leave_two_out"))
    assert raw["digest"] == done["digest"]
    assert raw["test_cases"] == 4
    assert "leave-one-out" in run("audit", log)
    early = json.loads(run("audit", log, "--json", "--split", "global_time", "--set", "split.ratio=0.5"))
    assert early["train_events"] == 27
    assert "did you mean" in run("audit", log, "--split", "leave_on_out", wrong=SettingsError)


def test_get_shows_the_licence_first_and_asks(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    chosen = PublicSet("mini", "Mini", "home", "MUST NOT BE SOLD", (RemoteFile("http://127.0.0.1:9/mini.zip"),))
    monkeypatch.setitem(public_sets.PUBLIC_SETS, "mini", chosen)
    refused = CliRunner().invoke(app, ["get", "mini"], input="n\n")
    assert refused.exit_code == 1
    assert "MUST NOT BE SOLD" in refused.output
    assert "Not checked: no checksum is published" in refused.output
    assert list(tmp_path.iterdir()) == []
    assert "cannot be reached" in run("get", "mini", "--accept-licence", wrong=DataError)
    assert "did you mean 'ml-100k'" in run("get", "ml-100", wrong=DataError)
    assert "ml-25m" in run("get")


def test_help_starts_without_polars_or_torch():
    program = (
        "import sys; from typer.testing import CliRunner; from segue.cli.data import app; "
        "text = CliRunner().invoke(app, ['prepare', '--help']).output; "
        "assert 'Example: segue data prepare' in text, text; "
        "print([name for name in ('polars', 'torch', 'pyarrow', 'numpy') if name in sys.modules])"
    )
    begin = time.monotonic()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "120"}
    answer = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True
    )
    assert answer.stdout.strip() == "[]"
    assert time.monotonic() - begin < 20
