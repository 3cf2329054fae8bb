"""`segue serve` under load on the loopback: requests a second, waits at a fixed rate, and what batches are worth.

A system of the size of MovieLens-1M is built and not trained (speed does not depend on what was learnt), and served by
the command that a user types. The load comes from this process and shares the cores with the service.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring import arguments, begin, report
from benchmarks.serving_load import Load, asking, closed, run, steady
from segue.core.run import Run
from segue.workflows.experiment import new
from segue.workflows.fit import fit
from segue.workflows.runs import dataset_of

PACKAGES = ["segue", "torch", "fastapi", "uvicorn", "pydantic"]
FEW: dict[str, Any] = {"evaluation.users": 64}
UNTRAINED: dict[str, Any] = {"procedure": "untrained"}
SYSTEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "sasrec": ("sasrec_tuned", {"batches.history": 200, "backbone.width": 64} | UNTRAINED),
    "hstu": ("hstu", {"batches.history": 200} | UNTRAINED),
    "codes": ("tiger_random", UNTRAINED),
    "dfgr": ("dfgr", {"split": "last_event", "procedure.loop.epochs": 1}),
}
"""By name: the recipe and what is changed of it."""
STAGES = ("sasrec", "dfgr")
"""Who names candidates and who judges them, where both are asked as one system."""
JUDGED = 100
"""Candidates of a request."""


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--system", choices=[*SYSTEMS, "stages"], default="sasrec")
    parser.add_argument("--rate", type=float, default=300.0, help="requests a second of the steady load")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--events", type=float, default=0.1, help="reported events for each request")
    parser.add_argument("--folder", type=Path, help="where the run is kept; a temporary folder without")
    given = begin(parser)
    with contextlib.ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        names = STAGES if given.system == "stages" else (given.system,)
        for name in names:
            users, items = fitted(folder / name, name, given.log)
        runs = [folder / name for name in names]
        answers = {name: measured(given, runs, users, items, **how) for name, how in WAYS.items()}
    batches, one = answers["batches"]["closed"], answers["one by one"]["closed"]
    report(
        given, f"segue_serve_{given.system}", "requests answered a second, many at once", batches["per_second"],
        "requests/s", PACKAGES, ratio_of_batches=round(batches["per_second"] / one["per_second"], 2), **answers,
    )  # fmt: skip


WAYS: dict[str, dict[str, Any]] = {
    "batches": {},
    "one by one": {"options": ["--batch", "1"]},
    "batches, nothing kept": {"options": ["--kept", "0"]},
    "one by one, nothing kept": {"options": ["--batch", "1", "--kept", "0"]},
}


def fitted(folder: Path, system: str, log: Path) -> tuple[list[str], list[str]]:
    """A finished run in the folder, and the ids of its users and items."""
    recipe, settings = SYSTEMS[system]
    experiment = new(recipe, str(log), settings | FEW, 0)
    if not (folder / "report.json").exists():
        fit(experiment, folder, Run(), baselines=())
    dataset = dataset_of(experiment)
    return dataset.log.users["user_id"].cast(str).to_list(), dataset.catalog.ids.to_list()


def measured(
    given: Any, runs: Sequence[Path], users: list[str], items: list[str], options: Sequence[str] = ()
) -> dict[str, dict[str, float]]:
    """A closed and a steady load on a service of its own."""
    how: dict[str, Any] = {"items": items, "system": "+".join(run.name for run in runs)}
    if given.system == "dfgr":
        how["judged"] = JUDGED
    if given.system == "stages":
        options = [*options, "--retriever", STAGES[0], "--ranker", STAGES[1], "--candidates", str(JUDGED)]
    with tempfile.TemporaryDirectory() as place, served(runs, Path(place), options) as port:
        plain, busy = asking(users, **how), asking(users, events=given.events, **how)
        run(lambda: closed(port, plain, at_once=given.at_once, seconds=3))  # everything has been touched once
        loads: dict[str, Any] = {
            "closed": run(lambda: closed(port, plain, at_once=given.at_once, seconds=given.seconds)),
            "steady": run(lambda: steady(port, plain, rate=given.rate, seconds=given.seconds)),
            "steady with events": run(lambda: steady(port, busy, rate=given.rate, seconds=given.seconds)),
        }
    return {name: load.words() for name, load in loads.items() if isinstance(load, Load)}


@contextlib.contextmanager
def served(runs: Sequence[Path], place: Path, options: Sequence[str]) -> Iterator[int]:
    """The port of a service in a process of its own."""
    command = [sys.executable, "-m", "segue.cli.main", "serve", *map(str, runs), "--port", "0"]
    command += ["--store", f"sqlite:///{place / 'live.sqlite'}", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    try:
        yield _port(process)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def _port(process: subprocess.Popen[str]) -> int:
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("studio: "):
            port = int(line.split("/studio/")[0].rpartition(":")[2])
            until = time.monotonic() + 30
            while time.monotonic() < until:
                with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/ready") as answer:
                    assert json.load(answer)["ready"]
                    return port
    raise SystemExit("the service did not start")


if __name__ == "__main__":
    main()
