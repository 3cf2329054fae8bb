"""What was computed once is found again, as long as everything that it depends on is the same."""

import logging
from pathlib import Path

import pytest
import torch
from torch import Tensor

from encoders.shelf import TITLES, shop
from segue.core.run import Run
from segue.encoders import _cache
from segue.encoders.text_vectors import TextVectors

PART = TextVectors(width=4)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one whenever text vectors are learnt."""
    calls: list[str] = []
    learn = TextVectors._learn

    def counting(part: TextVectors, *given: object) -> dict[str, Tensor]:
        calls.append("learnt")
        return learn(part, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(TextVectors, "_learn", counting)
    return calls


def test_the_second_fit_finds_the_first(tmp_path: Path, computed: list[str]) -> None:
    split, run = shop(), Run(cache=tmp_path)
    first, second = PART.fit(split, run), PART.fit(split, run)
    assert computed == ["learnt"]
    assert (first.encode(split.catalog) == second.encode(split.catalog)).all()
    assert [path.name[:13] for path in (tmp_path / "vectors").iterdir()] == ["text_vectors-"]


def test_without_a_cache_everything_is_computed(computed: list[str]) -> None:
    for _ in range(2):
        PART.fit(shop(), Run())
    assert len(computed) == 2


def test_a_change_of_title_part_or_seed_computes_again(tmp_path: Path, computed: list[str]) -> None:
    run = Run(cache=tmp_path)
    PART.fit(shop(), run)
    PART.fit(shop([*TITLES[:-1], "Hair brush, plastic"]), run)
    PART.changed({"width": 5}).fit(shop(), run)
    PART.fit(shop(), Run(seed=1, cache=tmp_path))
    assert len(computed) == 4
    PART.fit(shop(), run)
    assert len(computed) == 4


def test_letters_that_move_between_titles_are_a_change(tmp_path: Path, computed: list[str]) -> None:
    for titles in (["ab", "c"], ["a", "bc"]):
        PART.fit(shop([*titles, "d", "e"]), Run(cache=tmp_path))
    assert len(computed) == 2


def test_a_new_version_of_a_package_computes_again(
    tmp_path: Path, computed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    PART.fit(shop(), Run(cache=tmp_path))
    monkeypatch.setattr(_cache, "version", lambda package: "99.0")
    PART.fit(shop(), Run(cache=tmp_path))
    assert len(computed) == 2


def test_a_damaged_file_is_computed_again_with_a_warning(
    tmp_path: Path, computed: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    split, run = shop(), Run(cache=tmp_path)
    before = PART.fit(split, run).encode(split.catalog)
    (path,) = (tmp_path / "vectors").iterdir()
    path.write_bytes(path.read_bytes()[:-7])
    with caplog.at_level(logging.WARNING):
        after = PART.fit(split, run).encode(split.catalog)
    assert len(computed) == 2
    assert "computed again" in caplog.text
    assert (before == after).all()
    PART.fit(split, run)  # and the file is whole again
    assert len(computed) == 2


def test_a_full_disk_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(_cache.checkpoint, "write", full)
    kept = _cache.kept(Run(cache=tmp_path), PART, [], lambda: {"x": torch.ones(1)}, packages=[])
    assert kept["x"].item() == 1.0
    assert "no space left" in caplog.text
