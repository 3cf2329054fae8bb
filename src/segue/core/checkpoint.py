"""Tensors and a state in one file, written so that it is there whole or not at all.

A checkpoint is one safetensors file whose header carries the state as JSON; nothing is pickled. It is written under
another name, flushed to the disk and renamed, so a kill or a full disk leaves the one before it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from segue.core.errors import RunError


def write(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write tensors and state atomically.

    Raises:
        OSError: the disk is full or not writable; what was at `path` before is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        save_file(
            {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()},
            partial,
            metadata={"state": json.dumps(state)},
        )
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except SafetensorError as error:
        raise OSError(f"{path}: could not be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def read(path: Path, device: torch.device | str = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the state of a checkpoint.

    Raises:
        RunError: there is none, or it is not one of ours.
    """
    if not path.exists():
        raise RunError(f"{path} does not exist.")
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            state = json.loads((file.metadata() or {}).get("state", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, state  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        raise RunError(f"{path} is not a whole safetensors file ({error}); delete it and start again.") from error


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's memory of each parameter, by its place."""
    return {
        f"{place}.{name}": torch.as_tensor(value)
        for place, memory in optimizer.state_dict()["state"].items()
        for name, value in memory.items()
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimiser its memory back."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        place, name = key.split(".", 1)
        state.setdefault(int(place), {})[name] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
