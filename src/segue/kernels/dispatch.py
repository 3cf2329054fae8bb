"""Which implementation of an operation runs: chosen by device in one place, and can be forced."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

_forced: ContextVar[str | None] = ContextVar("forced", default=None)


@contextmanager
def use(implementation: str) -> Iterator[None]:
    """Force one implementation ('reference' or 'cpu') inside the block."""
    token = _forced.set(implementation)
    try:
        yield
    finally:
        _forced.reset(token)


def choose(device: torch.device) -> str:
    """The implementation for tensors on `device`: forced, from SEGUE_KERNELS, or the fastest that runs there."""
    forced = _forced.get() or os.environ.get("SEGUE_KERNELS")
    return forced or ("cpu" if device.type == "cpu" else "reference")
