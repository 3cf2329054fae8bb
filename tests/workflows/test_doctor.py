"""The doctor looks at the machine and changes nothing but the allocator."""

from pathlib import Path

import pytest

from segue.workflows import doctor


@pytest.fixture(autouse=True)
def plain_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_ALLOCATOR", "default")


def found(what: str) -> dict[str, str]:
    return next(finding for finding in doctor.examine() if finding["what"] == what)


def test_a_missing_package_comes_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = doctor.importlib.util.find_spec
    monkeypatch.setattr(
        doctor.importlib.util, "find_spec", lambda name, *rest: None if name == "mlflow" else whole(name, *rest)
    )
    assert found("mlflow")["state"] == "missing"
    assert "pip install 'segue[track]'" in found("mlflow")["words"]


def test_a_full_disk_is_bad(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEGUE_CACHE", str(tmp_path / "not" / "yet"))
    assert str(tmp_path) in found("cache")["words"]
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1e9}))
    assert found("cache")["state"] == "bad"
