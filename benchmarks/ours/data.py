"""Seconds from a CSV to its k-core as sequences on disk, split: what `data_20m.py` measures, called as run.py asks.

Torch is not imported here: preparing data does not need it, and its memory would be counted.
"""

import contextlib
import io
import json
import os
import sys

from benchmarks.measuring import arguments, installed, tune_allocator


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--core", type=int, default=20)
    parser.add_argument("--memory-gb", type=float, help="memory for events in flight")
    given = parser.parse_args()
    if given.allocator == "tuned":
        tune_allocator()
    os.environ["POLARS_MAX_THREADS"] = str(given.threads)  # read when polars is first used
    from benchmarks.ours import data_20m

    limit = [] if given.memory_gb is None else ["--memory-gb", str(given.memory_gb)]
    sys.argv = ["data_20m", str(given.log), "--core", str(given.core), *limit]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        data_20m.main()
    line = json.loads(said.getvalue().strip().splitlines()[-1])
    versions = {package: installed(package) for package in ("segue", "polars", "numpy")}
    settings = {"threads": given.threads, "seed": given.seed, "core": given.core}
    line |= {"name": "segue_data", "allocator": given.allocator}
    line["details"] = {**settings, **line["details"], "versions": versions}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
