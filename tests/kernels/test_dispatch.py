"""Which implementation runs: the fastest for the device, unless one is forced."""

import pytest
import torch

from segue.kernels import use
from segue.kernels.dispatch import choose


def test_the_device_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEGUE_KERNELS", raising=False)
    assert choose(torch.device("cpu")) == "cpu"
    assert choose(torch.device("cuda")) == "reference"


def test_the_environment_and_the_block_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_KERNELS", "reference")
    assert choose(torch.device("cpu")) == "reference"
    with use("cpu"):
        assert choose(torch.device("cpu")) == "cpu"
    assert choose(torch.device("cpu")) == "reference"
