"""What stands in a report: metrics of lists, and of their categories where items have any."""

from pathlib import Path

import numpy as np

from segue.evaluation.report import Measured
from segue.workflows.experiment import new
from segue.workflows.fit import fit

WORLD = {"data.users": 60, "data.items": 40, "data.categories": 4, "data.clicks": 8.0}


def test_where_items_have_categories_a_report_says_how_often_they_are_met(tmp_path: Path) -> None:
    settings = {**WORLD, "evaluation.ks": [5, 10]}
    report = fit(new("popularity", None, settings, 0), tmp_path / "run", baselines=())
    names = [name for name in report.metrics if name.startswith("CategoryHR")]
    assert names == ["CategoryHR@1", "CategoryHR@5", "CategoryHR@10"]
    measured = Measured.read(tmp_path / "run")
    for k in (5, 10):
        assert (measured.values[f"CategoryHR@{k}"] >= measured.values[f"HR@{k}"]).all()
        assert report.metrics[f"CategoryHR@{k}"].mean == measured.values[f"CategoryHR@{k}"].mean()


def test_without_categories_there_is_no_such_metric(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [f"{user},{item},{time}" for user in range(20) for time, item in enumerate(rng.permutation(9)[:5])]
    (tmp_path / "log.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n")
    report = fit(new("popularity", str(tmp_path / "log.csv"), {}, 0), tmp_path / "run", baselines=())
    assert {name.partition("@")[0] for name in report.metrics} == {"HR", "Recall", "Precision", "NDCG", "MRR", "MAP"}
