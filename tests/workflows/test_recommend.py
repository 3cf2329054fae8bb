"""A run whose data has changed does not answer as if it had not."""

from pathlib import Path

import pytest

from cli.shell import write_log
from segue.core.errors import RunError, SettingsError
from segue.workflows.evaluate import evaluate_run
from segue.workflows.experiment import new
from segue.workflows.fit import fit
from segue.workflows.recommend import recommend


def test_changed_data_is_noticed(tmp_path: Path) -> None:
    log = write_log(tmp_path / "walks.csv", users=20)
    fit(new("popularity", str(log), {}, 0), tmp_path / "run", baselines=())
    write_log(log, users=20, items=12)
    with pytest.raises(RunError, match="no longer what it was fitted on"):
        recommend(tmp_path / "run", user="u1")
    with pytest.raises(RunError, match="no longer what it was fitted on"):
        evaluate_run(tmp_path / "run", baselines=())
    answer = recommend(tmp_path / "run", history=["i1"], k=2)
    assert len(answer["items"]) == 2, "a history of one's own needs no log"


def test_a_user_or_a_history_not_both(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="either --user or --history"):
        recommend(tmp_path)
