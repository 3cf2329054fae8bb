"""A shell, a log, and two finished runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.shell import TINY, Shell, write_log
from segue.workflows.experiment import new, parse_setting
from segue.workflows.fit import fit


@pytest.fixture(autouse=True)
def plain_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The C library of the test process stays as it is."""
    monkeypatch.setenv("SEGUE_ALLOCATOR", "default")


@pytest.fixture
def segue(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(capsys, monkeypatch)


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("log") / "walks.csv")


@pytest.fixture(scope="session")
def finished(log: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Run folders by system, with no baselines; do not write into them."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("SEGUE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        settings = dict(parse_setting(word) for word in TINY if word != "--set")
        fit(new("sasrec_small", str(log), settings, 0), folder / "sasrec", baselines=())
        fit(new("popularity", str(log), {}, 0), folder / "popularity", baselines=())
        yield {"sasrec": folder / "sasrec", "popularity": folder / "popularity"}
