"""One run takes the place of another, or the service goes on as it was and says why."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from segue.workflows.experiment import new
from segue.workflows.fit import fit
from service.conftest import WORLD
from service.served import problem, served


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a shop with further items."""
    folder = tmp_path_factory.mktemp("other") / "larger"
    fit(new("popularity", "world", WORLD | {"data.items": 44}, 0), folder, baselines=())
    return folder


@pytest.fixture
def shelf(studio_shelf: Path, tmp_path: Path) -> Path:
    """A shelf that a test may break."""
    for name in ("sasrec", "popularity"):
        shutil.copytree(studio_shelf / name, tmp_path / name)
    return tmp_path


def best(client: TestClient) -> list[str]:
    told = client.post("/recommend", json={"user_id": "u07", "k": 5})
    assert told.status_code == 200, told.text
    return [one["item_id"] for one in told.json()["items"]]


def test_a_run_of_other_items_is_refused_with_the_difference_until_it_is_allowed(shelf: Path, other: Path) -> None:
    shutil.copytree(other, shelf / "larger")
    with served(shelf, ["sasrec"]) as client:
        before = best(client)
        refused = problem(client.post("/systems/sasrec/swap", json={"run": "larger"}), 409, "other-catalog")
        assert "40 items against 44" in refused["detail"]
        assert "'i40'" in refused["detail"]
        assert best(client) == before
        assert client.get("/systems").json()["systems"][0]["run"] == "sasrec"
        allowed = client.post("/systems/sasrec/swap", json={"run": "larger", "other_catalog": True})
        assert (allowed.json()["before"], allowed.json()["now"]) == ("sasrec", "larger")


def test_systems_of_other_items_are_named_when_the_service_starts(shelf: Path, other: Path) -> None:
    shutil.copytree(other, shelf / "larger")
    with served(shelf, ["sasrec", "popularity", "larger"]) as client:
        (remark,) = client.app.state.service.remarks  # type: ignore[attr-defined]
        assert remark.startswith("larger was fitted on other items than sasrec (40 items against 44")


BREAKS: dict[str, Callable[[Path], object]] = {
    "no weights to speak of": lambda run: (run / "weights.safetensors").write_bytes(b"\x00" * 64),
    "another system's weights": lambda run: shutil.copy(
        run.parent / "sasrec" / "weights.safetensors", run / "weights.safetensors"
    ),
    "a recipe that is no text": lambda run: (run / "recipe.yaml").write_bytes(b"recipe: \xff\xfe"),
    "a recipe that is no YAML": lambda run: (run / "recipe.yaml").write_text("[" * 500),
    "a folder in the place of weights": lambda run: (
        (run / "weights.safetensors").unlink(),
        (run / "weights.safetensors").mkdir(),
    ),
}


@pytest.mark.parametrize("way", BREAKS)
def test_a_broken_run_is_refused_with_a_reason_and_the_old_one_goes_on(shelf: Path, way: str) -> None:
    with served(shelf, ["sasrec"]) as client:
        before = best(client)
        BREAKS[way](shelf / "popularity")
        refused = problem(client.post("/systems/sasrec/swap", json={"run": "popularity"}), 409, "unreadable-run")
        assert str(shelf) not in refused["detail"]
        assert len(refused["detail"]) > 20
        assert best(client) == before
