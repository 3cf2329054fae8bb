"""One thread, no global surprises, and where the real data lies."""

import os
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
