"""bfloat16 where it is asked for, or where the device has it."""

import pytest
import torch

from segue.training import precision
from segue.training.precision import autocast, has_bfloat16

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("asked", "device_has_it", "wanted"),
    [
        ("float32", True, torch.float32),
        ("bfloat16", False, torch.bfloat16),
        ("auto", True, torch.bfloat16),
        ("auto", False, torch.float32),
    ],
)
def test_the_type_of_products(asked, device_has_it: bool, wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: device_has_it)
    with autocast(CPU, asked):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == wanted


def test_other_devices_have_none() -> None:
    assert not has_bfloat16(torch.device("meta"))
