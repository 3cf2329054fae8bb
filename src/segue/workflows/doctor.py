"""What this machine has, and what it lacks."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from importlib import metadata
from pathlib import Path

import torch

from segue.data.cache import cache_folder
from segue.training.allocator import keep_freed_memory
from segue.training.precision import has_bfloat16

OPTIONAL = {
    "tensorboard": ("track", "curves in TensorBoard"),
    "peft": ("llm", "language models that learn by adapters"),
    "mlflow": ("track", "metrics in an MLflow server"),
    "fastapi": ("serve", "the recommendation service and the studio"),
    "psycopg": ("postgres", "events kept in PostgreSQL"),
    "fastexcel": ("excel", "logs in Excel workbooks"),
    "onnx": ("onnx", "runs exported as ONNX"),
    "jaxtyping": ("dev", "shapes checked in every test"),
}
"""Packages that are looked for, the extra that brings each, and what it buys."""


def examine() -> list[dict[str, str]]:
    """One finding a line: `state` is good, missing (an option) or bad (something will fail)."""
    findings = [_finding("good", "python", f"{platform.python_version()} on {platform.platform()}")]
    core = ("torch", "numpy", "polars", "pyarrow", "pydantic", "safetensors")
    findings += [_finding("good", package, metadata.version(package)) for package in core]
    findings.append(_device())
    cpu = torch.device("cpu")
    fast = has_bfloat16(cpu)
    words = "bfloat16 products run at full speed" if fast else "no bfloat16 instructions: products stay in float32"
    findings.append(
        _finding("good", "cpu", f"{os.cpu_count()} cores, {torch.get_num_threads()} torch threads; {words}")
    )
    kept = keep_freed_memory()
    words = "freed memory stays in the process" if kept else "left as it is; training is slower with glibc's default"
    findings.append(_finding("good" if kept else "missing", "allocator", words))
    findings.append(_cache())
    for package, (extra, use) in OPTIONAL.items():
        if importlib.util.find_spec(package) is None:
            findings.append(_finding("missing", package, f"would bring {use}: pip install 'segue[{extra}]'"))
        else:
            findings.append(_finding("good", package, use))
    return findings


def _device() -> dict[str, str]:
    if torch.cuda.is_available():
        return _finding("good", "gpu", torch.cuda.get_device_name())
    if torch.version.cuda:
        return _finding("missing", "gpu", "torch is a CUDA build but sees no device: check the driver")
    return _finding("missing", "gpu", "none; this torch is the CPU build. Everything works, large models take longer")


def _cache() -> dict[str, str]:
    folder = cache_folder()
    existing: Path = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free / 1e9
    if not os.access(existing, os.W_OK):
        return _finding("bad", "cache", f"{folder} cannot be written; set SEGUE_CACHE to a folder that can")
    state = "good" if free > 2 else "bad"
    return _finding(state, "cache", f"{folder}, {free:.0f} GB free")


def _finding(state: str, what: str, words: str) -> dict[str, str]:
    return {"state": state, "what": what, "words": words}
