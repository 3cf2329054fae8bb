"""What is odd about the systems of a service is said when it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.served import served


def test_a_log_that_ends_in_the_future_is_named_for_reported_events_are_older(
    studio_shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segue.service.remarks.time.time", lambda: 1_500_000_000.0)
    with served(studio_shelf, ["popularity"]) as client:
        (remark,) = client.app.state.service.remarks  # type: ignore[attr-defined]
    assert remark.startswith("the log of popularity ends in the future (Unix time 17")


def test_there_is_nothing_to_say_of_systems_that_fit_each_other(studio_shelf: Path) -> None:
    with served(studio_shelf, ["popularity", "sasrec"]) as client:
        assert client.app.state.service.remarks == []  # type: ignore[attr-defined]
