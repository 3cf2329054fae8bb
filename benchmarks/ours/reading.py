"""What it costs to read a log: CSV and Parquet, times in seconds and in milliseconds, one or several checkouts in turn.

`python benchmarks/ours/reading.py --rows 20000000 --source-tree BEFORE AFTER` prepares each file with each checkout
(`data_20m.py`, in a process of its own), `--rounds` times, always one checkout after the other, and prints one line of
JSON: the smallest processor seconds and the largest memory of each, ratios to the first checkout, whether all gave
the same dataset, and what milliseconds cost against seconds. Runs from the repository's root.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FILES = ("csv-seconds", "csv-milliseconds", "parquet-seconds", "parquet-milliseconds")


def main() -> None:
    """Make the files, measure, tell."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=20_000_000)
    arguments.add_argument(
        "--source-tree", type=Path, nargs="+", default=[HERE.parents[1]], help="checkouts to compare"
    )
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--core", type=int, default=20)
    arguments.add_argument("--memory-gb", type=float, help="as data.memory_gb; what is more waits on disk")
    arguments.add_argument("--files", nargs="+", choices=FILES, default=list(FILES))
    arguments.add_argument("--folder", type=Path, help="keeps the files, and uses those that are there")
    arguments.add_argument("--only-write", action="store_true", help="make the files in --folder, measure nothing")
    asked = arguments.parse_args()
    if asked.only_write:
        write(asked.folder, asked.rows)
        return
    with tempfile.TemporaryDirectory(prefix="segue-reading-") as scratch:
        folder = asked.folder or Path(scratch)
        # Elsewhere: a process that is started from here would count the largest memory of this one as its own.
        writer = [sys.executable, __file__, "--rows", str(asked.rows), "--folder", str(folder), "--only-write"]
        subprocess.run(writer, check=True)
        found: dict[str, list[list[dict[str, Any]]]] = {name: [[] for _ in asked.source_tree] for name in asked.files}
        for turn in range(asked.rounds):
            for name in asked.files:
                places = range(len(asked.source_tree))
                for place in places if turn % 2 == 0 else reversed(places):
                    tree = asked.source_tree[place]
                    said = measured(file_of(folder, asked.rows, name), tree, asked.core, asked.memory_gb)
                    found[name][place].append(said)
                    print(f"round {turn + 1}, {name}, {tree}: {_short(said)}", file=sys.stderr, flush=True)
    print(json.dumps({"name": "reading", **summary(found, asked.source_tree, asked.rows)}))


def write(folder: Path, rows: int) -> None:
    """The same log in four files; those that are there already are kept."""
    import polars as pl

    files = {name: file_of(folder, rows, name) for name in FILES}
    first = files["csv-seconds"]
    first.parent.mkdir(parents=True, exist_ok=True)
    if not first.is_file():
        draft = first.with_name("draft.csv")
        sizes = ["--users", str(max(rows // 145, 10)), "--items", str(max(rows // 740, 10))]
        maker = [sys.executable, str(HERE.parent / "make_log.py"), str(draft), "--rows", str(rows), *sizes]
        subprocess.run(maker, check=True)
        draft.rename(first)
    seconds = pl.scan_csv(first)
    parts = pl.col("timestamp") * 1000 + pl.int_range(pl.len()) * 7919 % 1000
    if not files["csv-milliseconds"].is_file():
        seconds.with_columns(parts).sink_csv(files["csv-milliseconds"])
    if not files["parquet-seconds"].is_file():
        seconds.sink_parquet(files["parquet-seconds"])
    if not files["parquet-milliseconds"].is_file():
        seconds.with_columns(parts).sink_parquet(files["parquet-milliseconds"])


def file_of(folder: Path, rows: int, name: str) -> Path:
    """Where the file of this name lies."""
    form, unit = name.split("-")
    return folder / str(rows) / f"{unit}.{form}"


def measured(file: Path, tree: Path, core: int, memory_gb: float | None) -> dict[str, Any]:
    """One preparation of `file` by the package in `tree`, in a fresh process."""
    command = [sys.executable, str(HERE / "data_20m.py"), str(file), "--core", str(core)]
    if memory_gb is not None:
        command += ["--memory-gb", str(memory_gb)]
    environment = {**os.environ, "PYTHONPATH": str((tree / "src").resolve())}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if said.returncode:
        raise SystemExit(f"{file} with {tree}:\n{said.stderr}")
    result: dict[str, Any] = json.loads(said.stdout.splitlines()[-1])
    package = Path(result["details"]["package"]).resolve()
    if not package.is_relative_to(tree.resolve()):
        raise SystemExit(f"{tree} was asked for and {package} was measured.")
    return result


def summary(found: dict[str, list[list[dict[str, Any]]]], trees: Sequence[Path], rows: int) -> dict[str, Any]:
    """The least seconds and the most memory of each file and checkout, and their ratios."""
    files: dict[str, Any] = {}
    for name, by_tree in found.items():
        seconds = [min(one["details"]["processor seconds"] for one in runs) for runs in by_tree]
        memory = [max(one["peak_memory_mb"] for one in runs) for runs in by_tree]
        files[name] = {
            "processor_seconds": seconds,
            "peak_memory_mb": memory,
            "seconds_to_first": [round(value / seconds[0], 3) for value in seconds],
            "memory_to_first": [round(value / memory[0], 3) for value in memory],
            "same_dataset": len({one["details"]["digest"] for runs in by_tree for one in runs}) == 1,
        }
    costs = {
        form: [
            round(slow / quick, 3)
            for slow, quick in zip(
                files[f"{form}-milliseconds"]["processor_seconds"],
                files[f"{form}-seconds"]["processor_seconds"],
                strict=True,
            )
        ]
        for form in ("csv", "parquet")
        if {f"{form}-milliseconds", f"{form}-seconds"} <= set(files)
    }
    return {"rows": rows, "trees": [str(tree) for tree in trees], "files": files, "milliseconds_to_seconds": costs}


def _short(said: dict[str, Any]) -> str:
    return f"{said['details']['processor seconds']} s of processor time, {said['peak_memory_mb']} MB"


if __name__ == "__main__":
    main()
