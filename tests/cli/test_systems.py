"""What there is, and that what is shown can be read back."""

import json
from pathlib import Path

import pytest
import yaml

from cli.shell import TINY, Shell
from segue.workflows import systems


def test_all_systems_are_listed(segue: Shell) -> None:
    listed = segue("systems").out
    assert all(name in listed for name in systems.names())
    names = [entry["name"] for entry in json.loads(segue("systems", "--json").out)]
    assert {"sasrec", "sasrec_tuned", "hstu_large"} <= set(names)


def test_each_system_says_what_it_is_made_around(segue: Shell) -> None:
    forms = {entry["name"]: entry["form"] for entry in json.loads(segue("systems", "--json").out)}
    assert forms["sasrec"] == "scoring"
    assert forms["ease"] == "plain recipe"
    assert forms["tiger_small"] == forms["letter"] == "codes"


def test_what_is_shown_is_what_is_fitted(segue: Shell, log: Path, finished, tmp_path: Path) -> None:
    said = segue("show", "sasrec_small", *TINY)
    assert said.code == 0
    (tmp_path / "mine.yaml").write_text(said.out, encoding="utf-8")
    assert segue("show", tmp_path / "mine.yaml").out == said.out
    fitted = segue("fit", tmp_path / "mine.yaml", "--data", log, "--out", tmp_path / "run", "--baselines", "", "--json")
    assert fitted.code == 0
    before = json.loads((finished["sasrec"] / "report.json").read_text())
    assert json.loads(fitted.out)["metrics"] == before["metrics"]


@pytest.mark.parametrize("name", [recipe.name for recipe in systems.systems()])
def test_every_system_can_be_shown_and_read_back(name: str, segue: Shell, tmp_path: Path) -> None:
    shown = segue("show", name).out
    assert yaml.safe_load(shown)["recipe"] == name
    (tmp_path / "mine.yaml").write_text(shown, encoding="utf-8")
    assert segue("show", tmp_path / "mine.yaml").out == shown


def test_settings_are_shown_as_json(segue: Shell) -> None:
    shown = json.loads(segue("show", "sasrec_small", "--set", "backbone.depth=3", "--json").out)
    assert shown["recipe"]["backbone"]["depth"] == 3


def test_doctor_says_what_is_there_and_what_is_missing(segue: Shell) -> None:
    findings = {finding["what"]: finding for finding in json.loads(segue("doctor", "--json").out)}
    assert findings["torch"]["state"] == "good"
    assert findings["tensorboard"]["state"] in ("good", "missing")
    assert {"python", "cpu", "gpu", "cache", "allocator"} <= set(findings)
    assert "torch" in segue("doctor").out
