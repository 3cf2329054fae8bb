"""Which precision the matrix products run in: bfloat16 only where the device has instructions for it."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]


def has_bfloat16(device: torch.device) -> bool:
    """True where bfloat16 products are fast; on a CPU without the instructions they are fifty times slower."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(bool(getattr(torch.cpu, name, lambda: False)()) for name in names)
    return False


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """The context in which a loss is computed."""
    enabled = precision == "bfloat16" or (precision == "auto" and has_bfloat16(device))
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)
