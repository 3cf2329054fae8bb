"""Time and memory from a CSV to filtered, ordered, split sequences: `python data_20m.py log.csv [--memory-gb 0.2]`.

Prints one line of JSON. The file is the same for every peer; it is made by benchmarks/make_log.py.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    """Prepare with a 20-core, then leave one out."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("csv", type=Path)
    arguments.add_argument("--core", type=int, default=20)
    arguments.add_argument("--memory-gb", type=float, default=None)
    asked = arguments.parse_args()

    begin = time.perf_counter()
    import segue
    from segue.data.preparation import Preparation
    from segue.data.prepare import prepare
    from segue.data.split import LeaveOneOut

    stages: list[tuple[str, float]] = []

    def tell(stage: str, share: float | None) -> None:
        if not stages or stages[-1][0] != stage:
            stages.append((stage, time.perf_counter()))

    folder = Path(tempfile.mkdtemp(prefix="segue-bench-", dir=asked.csv.parent))
    try:
        preparation = Preparation(path=str(asked.csv), core=asked.core, memory_gb=asked.memory_gb)
        dataset = prepare(preparation, folder / "prepared", tell)
        split = LeaveOneOut().cut(dataset, seed=0)
        seconds = time.perf_counter() - begin
        ends = [moment for _, moment in stages[1:]] + [begin + seconds]
        details = {
            "rows": dataset.origin["rows"],
            "events": len(dataset.log),
            "users": dataset.log.users.height,
            "items": len(dataset.catalog),
            "test cases": len(split.test),
            "digest": dataset.digest,
            "memory_gb": asked.memory_gb,
            "stages": {stage: round(end - moment, 2) for (stage, moment), end in zip(stages, ends, strict=True)},
            "processor seconds": round(sum(os.times()[:2]), 2),
            "package": str(Path(segue.__file__ or "").parent),
        }
    finally:
        shutil.rmtree(folder)
    per_kb = 1024 if sys.platform != "darwin" else 1024 * 1024
    print(
        json.dumps(
            {
                "name": "data_20m",
                "what": f"segue: CSV to {asked.core}-core, sorted, leave-one-out, on disk",
                "value": round(seconds, 3),
                "unit": "s",
                "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per_kb, 1),
                "allocator": "default",
                "details": details,
            }
        )
    )


if __name__ == "__main__":
    main()
