"""What every measured script shares: its arguments, the allocator, the log, and the one JSON line it prints.

Runs under any peer's interpreter, so it needs no more than the standard library, torch and polars.
"""

import argparse
import ctypes
import json
import platform
import resource
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import polars as pl


def arguments(what: str, log: bool = True) -> argparse.ArgumentParser:
    """The arguments that every measured script takes."""
    parser = argparse.ArgumentParser(description=what)
    if log:
        parser.add_argument("--log", type=Path, required=True, help="interactions, Parquet or CSV")
    parser.add_argument("--allocator", choices=["default", "tuned"], default="default")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    return parser


def begin(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the arguments, set the allocator before the first tensor exists, then torch's threads and seed."""
    given = parser.parse_args()
    if given.allocator == "tuned":
        tune_allocator()
    import torch  # after the allocator, so that nothing of torch's was allocated under the old limits

    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    return given


def tune_allocator() -> None:
    """Tell glibc to keep freed blocks: page faults on fresh memory otherwise cost more than the arithmetic.

    Raises:
        OSError: glibc refused a limit, so the figures would carry the wrong label.
    """
    mmap_threshold, trim_threshold, top_pad = -3, -1, -2
    libc = ctypes.CDLL("libc.so.6")
    for limit, size in [(mmap_threshold, 2**31 - 1), (trim_threshold, 2**31 - 1), (top_pad, 64 * 2**20)]:
        if libc.mallopt(limit, size) != 1:
            raise OSError(f"mallopt({limit}, {size}) was refused; run with --allocator default")


def read_log(path: Path) -> pl.DataFrame:
    """`user_id`, `item_id`, `position` (from 0 within the user), in time order user by user."""
    log = pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)
    clock = "position" if "position" in log.columns else "timestamp"
    log = log.sort("user_id", clock, maintain_order=True).select("user_id", "item_id")
    return log.with_columns(position=pl.int_range(pl.len()).over("user_id"))


def leave_two_out(log: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The training log without each user's last two items, and the second-last items, one row a user."""
    from_end = pl.len().over("user_id") - pl.col("position")
    return log.filter(from_end > 2), log.filter(from_end == 2)


def report(
    given: argparse.Namespace, name: str, what: str, value: float, unit: str, packages: Iterable[str], **details: Any
) -> None:
    """Print the result as the process's last line; the shape is described in README.md."""
    # ru_maxrss is in KiB on Linux and covers the whole life of the process, loading included.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    versions = {"python": platform.python_version(), **{package: installed(package) for package in packages}}
    settings = {"threads": given.threads, "seed": given.seed}
    line = {
        "name": name,
        "what": what,
        "value": value,
        "unit": unit,
        "peak_memory_mb": round(peak, 1),
        "allocator": given.allocator,
        "details": {**settings, **details, "versions": versions},
    }
    sys.stderr.flush()
    print(json.dumps(line), flush=True)


def installed(package: str) -> str | None:
    """The package's version in this environment, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
