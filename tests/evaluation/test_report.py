"""A report survives its file whole, or is refused with a reason."""

import json

import numpy as np
import polars as pl
import pytest

from segue.core.errors import RunError
from segue.core.tables import Catalog, Dataset, InteractionLog
from segue.evaluation.protocol import Protocol
from segue.evaluation.report import DatasetNote, Measured, Report, Value, means, read_report


def measured(**changes):
    values = {"NDCG@10": np.array([0.5, 0.0, 1.0]), "HR@10": np.array([1.0, 0.0, 1.0])}
    fields = {
        "recipe": "sasrec",
        "dataset": DatasetNote(name="toy", digest="abc", users=3, items=5, events=12),
        "protocol": Protocol(length=50),
        "users": 3,
        "metrics": means(values),
        "seed": 7,
        "curves": {"training loss": [(0, 2.5), (10, 1.5)]},
        "settings": {"kind": "sasrec", "width": 64},
    }
    return Measured(Report(**(fields | changes)), np.array(["u1", "u2", "Ünï"]), values)


def test_saved_and_read_is_the_same(tmp_path):
    run = measured()
    run.save(tmp_path)
    found = Measured.read(tmp_path)
    assert found.report == run.report
    assert found.users.tolist() == run.users.tolist()
    assert list(found.values) == list(run.values)
    for name, values in run.values.items():
        assert np.array_equal(found.values[name], values)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["per_user.npz", "report.json"]


def test_ids_from_polars_are_stored_without_pickle(tmp_path):
    run = measured()
    Measured(run.report, pl.Series(["a", "b", "c"]).to_numpy(), run.values).save(tmp_path)
    with np.load(tmp_path / "per_user.npz", allow_pickle=False) as file:
        assert file["users"].tolist() == ["a", "b", "c"]


def test_the_fingerprint_is_in_the_file_and_is_checked(tmp_path):
    measured().save(tmp_path)
    stored = json.loads((tmp_path / "report.json").read_text())
    assert stored["fingerprint"] == Protocol(length=50).fingerprint
    stored["protocol"]["length"] = 20
    (tmp_path / "report.json").write_text(json.dumps(stored))
    with pytest.raises(RunError, match=r"one of them was edited"):
        read_report(tmp_path)


def test_what_is_missing_or_broken_says_what_to_do(tmp_path):
    with pytest.raises(RunError, match=r"has no report\.json.*segue evaluate"):
        read_report(tmp_path)
    measured().save(tmp_path)
    (tmp_path / "per_user.npz").write_bytes(b"half of")
    with pytest.raises(RunError, match="is not a file of per-user values"):
        Measured.read(tmp_path)
    (tmp_path / "per_user.npz").unlink()
    with pytest.raises(RunError, match="no paired test can be made"):
        Measured.read(tmp_path)
    (tmp_path / "report.json").write_text('{"recipe": ')
    with pytest.raises(RunError, match="is not a report"):
        read_report(tmp_path)


def test_means_by_hand():
    found = means({"HR@1": np.array([0.0, 1.0]), "HR@5": np.array([1.0])})
    assert found["HR@1"] == Value(mean=0.5, error=0.5)
    assert found["HR@5"] == Value(mean=1.0, error=0.0)


def test_a_dataset_in_a_report():
    log = InteractionLog(np.array([0, 1, 1]), np.array([0, 2, 3]), pl.DataFrame({"user_id": ["a", "b"]}))
    dataset = Dataset("toy", log, Catalog(pl.DataFrame({"item_id": ["x", "y"]})), "d1")
    assert DatasetNote.of(dataset) == DatasetNote(name="toy", digest="d1", users=2, items=2, events=3)
