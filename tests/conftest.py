"""One thread, no global surprises, where the real data lies, and what tests that learn may not depend on."""

import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)
settings.register_profile(
    "segue", deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.load_profile("segue")


def pytest_addoption(parser: pytest.Parser) -> None:
    options = parser.getgroup("learning", "what tests that learn may not depend on; see `make test-anywhere`")
    options.addoption("--learning-seed", type=int, default=1, help="the seed of what tests marked `learns` fit")
    options.addoption(
        "--learning-precision", choices=("auto", "float32", "bfloat16"), default="auto",
        help="what precision=auto means in this session; auto: whatever this processor has instructions for",
    )  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        asks = "learning_seed" in getattr(item, "fixturenames", ())
        if asks != (item.get_closest_marker("learns") is not None):
            raise pytest.UsageError(f"{item.nodeid}: what is marked `learns` takes its seed from `learning_seed`")


@pytest.fixture(scope="session")
def learning_seed(request: pytest.FixtureRequest) -> int:
    """The seed that a test marked `learns` fits with, so that none is right for one seed alone."""
    return int(request.config.getoption("--learning-seed"))


@pytest.fixture(scope="session", autouse=True)
def precision_of_auto(request: pytest.FixtureRequest) -> Iterator[None]:
    """Another processor's answer to precision=auto, where one is asked for."""
    asked = request.config.getoption("--learning-precision")
    with pytest.MonkeyPatch.context() as patch:
        if asked != "auto":
            patch.setattr("segue.training.precision.has_bfloat16", lambda device: asked == "bfloat16")
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data sets: SEGUE_SHARED, or `shared/data` beside the checkout."""
    root = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("SEGUE_SHARED", root.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data is absent: {folder} does not exist (set SEGUE_SHARED to the folder that holds ml-100k)")
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepared logs of a test session stay out of the person's own cache."""
    monkeypatch.setenv("SEGUE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
