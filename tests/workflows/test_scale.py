"""Several widths of one ranker: fitted once, counted, and put into a law and a picture."""

import json
from pathlib import Path

import pytest
from torch import nn

from segue.core.errors import SettingsError
from segue.simulation.world import TINY
from segue.workflows import scale as workflow
from segue.workflows.scale import ScaleReport, dense_parameters, scale

SETTINGS = {
    "data": TINY.dump(),
    "backbone.depth": 1,
    "batches.users": 64,
    "procedure.pretraining.epochs": 1,
    "procedure.ranking.loop.epochs": 1,
}


@pytest.mark.slow
def test_a_ladder_is_fitted_once_and_read_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    asked = {"widths": (8, 16, 24), "strategies": ("nt", "st_sf"), "folder": tmp_path, "settings": SETTINGS}
    report = scale("gpsd_small", tell=told.append, **asked)

    assert report.lines == ["nt", "st_sf"]
    assert len(report.points) == len(told) == 6
    assert (tmp_path / "st_sf" / "width-16" / "seed-0" / "report.json").exists()
    # 4 w^2 of attention, 3 w inner of feed-forward, 3 w of norms: inner is 32, 64, 64
    assert [point.parameters for point in report.points if point.line == "nt"] == [1_048, 4_144, 6_984]
    tasks = {name.partition(" ")[2] for name in report.laws}
    assert set(report.laws) == {f"{measure} {task}" for measure in ("AUC", "LogLoss") for task in tasks}
    assert all(law is not None for laws in report.laws.values() for law in laws.values())

    monkeypatch.setattr(workflow, "fit", None)
    again = scale("gpsd_small", **asked)
    assert again.points == report.points
    assert ScaleReport.model_validate(json.loads((tmp_path / "report.json").read_text())).laws == report.laws
    text, page = (tmp_path / "report.md").read_text(), (tmp_path / "report.html").read_text()
    assert "| st_sf | 16 | 4,144 |" in text
    assert text.count("x^-") == 1 + 2 * len(report.laws)
    assert page.count("<svg") == len(report.laws)


def test_dense_parameters_are_those_of_the_trunk_or_of_all_but_the_items() -> None:
    plain = nn.Module()
    plain.items, plain.tower = nn.Embedding(100, 3), nn.Linear(3, 2)
    assert dense_parameters(plain) == 8
    model = nn.Module()
    model.items, model.trunk, model.head = nn.Embedding(7, 5), nn.Linear(5, 5, bias=False), nn.Linear(5, 1)
    assert dense_parameters(model) == 25


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"widths": ()}, "no width"),
        ({"system": "sasrec_small"}, "ranks nothing that is shown"),
        ({"strategies": ("freeze",)}, "strategy"),
    ],
    ids=str,
)
def test_what_cannot_be_is_said_before_anything_is_fitted(words, said, tmp_path: Path) -> None:
    asked = {"system": "gpsd_small", "widths": (8,), "strategies": (), "folder": tmp_path / "out"} | words
    system = asked.pop("system")
    with pytest.raises(SettingsError, match=said):
        scale(system, **asked)
    assert not (tmp_path / "out").exists()
