"""Tensors and a state in one file, written so that it is there whole or not at all, and known to be what was written.

A checkpoint is one safetensors file whose header carries the state as JSON and a checksum of all names, types, shapes
and bytes; nothing is pickled. It is written under another name, flushed to the disk and renamed, so a kill or a full
disk leaves the one before it. The checksum (BLAKE2b, about a second a gigabyte) is made when the file is written and
looked at whenever it is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from segue.core.errors import RunError, SegueError, in_words
from segue.core.reading import json_values, shortly
from segue.core.whole import whole_file

CHECKSUM = "checksum"
"""In the state as it is in the file."""
REMEDY = "delete it and start again"


def write(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write tensors and state atomically.

    Raises:
        OSError: the disk is full or not writable; what was at `path` before is still there.
    """
    plain = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    # One entry, for the order of several is not always the same in the file.
    told = json.dumps({**state, CHECKSUM: digest(plain, state)})
    try:
        with whole_file(path) as partial:
            save_file(plain, partial, metadata={"state": told})
    except SafetensorError as error:  # it says the system's number and not which file
        number = re.search(r"os error (\d+)", str(error))
        code = int(number[1]) if number else 0
        raise OSError(code, os.strerror(code) if code else str(error), str(path)) from error


def read(
    path: Path, device: torch.device | str = "cpu", remedy: str = REMEDY
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the state of a checkpoint; files of before there were checksums are read without one.

    Args:
        remedy: what to do about a file that is broken, for the message.

    Raises:
        RunError: there is none, or it is not one of ours, or not what was written.
    """
    if not path.exists():
        raise RunError(f"{path} does not exist.")
    if not path.is_file():
        raise RunError(f"{path} is not a file; {remedy}.")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get("state", "{}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        raise RunError(f"{path} is not a whole safetensors file ({shortly(error)}); {remedy}.") from error
    except OSError as error:
        raise RunError(in_words(OSError(error.errno, error.strerror or str(error), str(path)))) from error
    try:
        state = json_values(text)
    except ValueError as error:
        raise RunError(f"{path}: its state cannot be read: {error}; {remedy}.") from None
    if not isinstance(state, dict):
        raise RunError(f"{path}: its state is {type(state).__name__} and not a mapping; {remedy}.")
    written = state.pop(CHECKSUM, None)
    if written is not None and written != digest(tensors, state):
        raise RunError(
            f"{path} is damaged or was changed: its contents are not those that were written (another checksum); "
            f"{remedy}."
        )
    return {name: tensor.to(device) for name, tensor in tensors.items()}, state


def digest(tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> str:
    """A checksum of tensors (names, types, shapes, bytes) and of the state beside them."""
    hashed = hashlib.blake2b(json.dumps(state).encode(), digest_size=16)
    for name in sorted(tensors):
        tensor = tensors[name]
        hashed.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        hashed.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return hashed.hexdigest()


@contextmanager
def fits(path: Path, what: str, remedy: str = REMEDY) -> Iterator[None]:
    """Inside the block the contents of a file are put to use; what does not fit there is a `RunError` in one line.

    Args:
        what: what they do not fit, in words.
    """
    try:
        yield
    except SegueError:
        raise
    except (RuntimeError, ArithmeticError, LookupError, ValueError, TypeError, AttributeError, AssertionError) as error:
        kind = "" if isinstance(error, RuntimeError | ValueError) else f"{type(error).__name__} "
        raise RunError(f"{path} does not fit {what}: {kind}{shortly(error)}; {remedy}.") from error
    except MemoryError as error:
        raise RunError(f"{path} does not fit into memory ({shortly(error)}).") from error


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's memory of each parameter, by its place."""
    return {
        f"{place}.{name}": torch.as_tensor(value)
        for place, memory in optimizer.state_dict()["state"].items()
        for name, value in memory.items()
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimiser its memory back.

    Raises:
        ValueError: it is the memory of other parameters.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        place, _, name = key.partition(".")
        if not place.isdecimal() or int(place) >= len(parameters):
            raise ValueError(f"the optimiser has no parameter '{place}'")
        if tensor.dim() and tensor.shape != parameters[int(place)].shape:
            raise ValueError(
                f"the optimiser's {name} of parameter {place} has shape {tuple(tensor.shape)}, and the parameter "
                f"{tuple(parameters[int(place)].shape)}"
            )
        state.setdefault(int(place), {})[name] = tensor
    if len({frozenset(memory) for memory in state.values()}) > 1:
        raise ValueError("the optimiser's memory is not of one kind for all parameters")
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
