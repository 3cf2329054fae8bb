"""What was computed from a catalog's texts, kept for the next run that asks for the same."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import polars as pl
from torch import Tensor

from segue.core import checkpoint
from segue.core.errors import RunError
from segue.core.part import Part
from segue.core.run import Run

logger = logging.getLogger(__name__)

FORM = 1
"""Counted up when what an encoder writes or computes changes."""


def kept(
    run: Run,
    part: Part,
    texts: Iterable[pl.Series],
    compute: Callable[[], dict[str, Tensor]],
    *,
    packages: Iterable[str],
    further: Any = None,
) -> dict[str, Tensor]:
    """The tensors that `compute` gives, from the run's cache where they have been computed before.

    They depend on the part, on the texts, on the versions of `packages` and on `further` (plain values, such as a
    seed). A damaged file is computed again, with a warning; without `run.cache` everything is computed.
    """
    if run.cache is None:
        return compute()
    path = run.cache / "vectors" / f"{part.kind()}-{_key(part, texts, packages, further)}.safetensors"
    if path.exists():
        try:
            tensors, _ = checkpoint.read(path)
            logger.info("%s: found in %s", part.kind(), path)
            return tensors
        except (RunError, OSError, ValueError) as error:
            logger.warning("%s; it is computed again", error)
    tensors = compute()
    try:
        checkpoint.write(path, tensors, part.dump())
    except OSError as error:  # a full disk must not lose what took an hour
        logger.warning("the vectors could not be kept for the next run: %s", error)
    return tensors


def _key(part: Part, texts: Iterable[pl.Series], packages: Iterable[str], further: Any) -> str:
    versions = {name: _version(name) for name in packages}
    digest = hashlib.sha256(json.dumps([FORM, part.dump(), versions, further], sort_keys=True).encode())
    for column in texts:
        digest.update(column.str.len_bytes().to_numpy().tobytes())
        digest.update("".join(column.to_list()).encode())
    return digest.hexdigest()[:24]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
