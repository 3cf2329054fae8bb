"""The fitted system, its exported program and the server are one: equal scores after the same histories."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from export.graphs import unchecked
from segue.core.ranking import Rules
from segue.core.tables import Histories
from segue.workflows.export import export_run
from segue.workflows.runs import open_run
from service.served import served

HISTORIES = [[7], [3, 11, 12], list(range(20)), [5, 5, 30, 2]]


@pytest.mark.slow
def test_run_export_and_server_give_equal_scores(studio_shelf: Path, tmp_path: Path) -> None:
    with unchecked():
        export_run(studio_shelf / "sasrec", tmp_path / "exported", formats=("torch",))
    program = torch.export.load(tmp_path / "exported" / "model.pt2").module()
    lengths = torch.tensor([len(history) for history in HISTORIES])
    items = torch.zeros(len(HISTORIES), int(lengths.max()), dtype=torch.int64)
    for row, history in zip(items, HISTORIES, strict=True):
        row[: len(history)] = torch.tensor(history)
    exported = program(items, lengths)[1].detach().numpy()

    fitted = open_run(studio_shelf / "sasrec")[1].recommend(Histories.from_lists(HISTORIES), 40, Rules(seen=True))
    by_run = np.take_along_axis(fitted.scores, np.argsort(fitted.items, axis=1), axis=1)

    with served(studio_shelf, ["sasrec"]) as client:
        told = np.zeros_like(by_run)
        for row, history in zip(told, HISTORIES, strict=True):
            body = {"history": [f"i{item:02d}" for item in history], "k": 40, "seen": True}
            for one in client.post("/recommend", json=body).json()["items"]:
                row[int(one["item_id"][1:])] = one["score"]

    assert np.ptp(by_run, axis=1).min() > 1e-4  # there is something to compare
    np.testing.assert_allclose(exported, by_run, atol=1e-5)
    np.testing.assert_allclose(told, by_run, atol=1e-5)
