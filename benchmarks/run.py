"""Ours beside the peers, one comparison after another: `python benchmarks/run.py [NAME ...] [--quick]`.

Each side is a script in a process of its own, taken in turn (A B A B), so that a slow minute of the machine falls on
both. What they print is described in README.md; the raw lines, the ratios and the machine go to `results/NAME.json`.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
CONSOLE = Console()

Line = dict[str, Any]
"""One measured result, as README.md describes it."""


@dataclass(frozen=True)
class Side:
    """A script and what it is run with; `{ml1m}` and `{log}` stand for the two data files."""

    script: str
    """`ours/X` or `peers/X`."""
    arguments: str = ""
    quick: str = ""
    """Added for `--quick`; the last value of an option counts."""
    environment: str | None = None
    """The peer's environment; None is the interpreter that runs this file."""


@dataclass(frozen=True)
class Comparison:
    """One question asked of both sides."""

    question: str
    sides: tuple[Side, ...]
    """Ours first."""
    allocators: tuple[str, ...] = ("default", "tuned")
    rounds: int = 2
    smaller_is_better: bool = False


COMPARISONS = {
    "data_20m": Comparison(
        "seconds from a CSV of 20 million rows to its 20-core (ours: with sequences and split, RecBole: without)",
        (
            Side("ours/data", "--log {log} --core 20", "--core 2"),
            Side("peers/recbole_data", "--log {log} --core 20", "--core 2", "recbole"),
        ),
        allocators=("default",),
        smaller_is_better=True,
    ),
    "training_step": Comparison(
        "sequences trained per second: SASRec, ML-1M, 64 wide, 2 blocks, 2 heads, length 50, full softmax",
        (
            Side("ours/sasrec", "--log {ml1m} --mode rate --epochs 3", "--epochs 1 --batches 3"),
            Side("peers/rectools_sasrec", "--log {ml1m} --mode rate --epochs 3", "--epochs 1 --batches 3", "rectools"),
            Side("peers/recbole_sasrec", "--log {ml1m} --mode rate --batches 6", "--batches 2 --batch 128", "recbole"),
        ),
    ),
    "time_to_quality": Comparison(
        "validation NDCG@10 of SASRec on ML-1M by seconds of training",
        (
            Side("ours/sasrec", "--log {ml1m} --mode quality --seconds 100", "--seconds 5 --batches 3"),
            Side(
                "peers/rectools_sasrec",
                "--log {ml1m} --mode quality --seconds 100",
                "--seconds 5 --batches 3",
                "rectools",
            ),
            Side(
                "peers/recbole_sasrec",
                "--log {ml1m} --mode quality --seconds 100 --every 50",
                "--seconds 5 --batch 128",
                "recbole",
            ),
        ),
        rounds=1,
    ),
    "hstu_step": Comparison(
        "sequences trained per second: HSTU, ML-1M, 50 wide, 2 layers, 1 head, length 200, 128 negatives",
        (
            Side("ours/hstu", "--log {ml1m} --mode rate --epochs 2", "--epochs 1 --batches 2"),
            Side("peers/meta_hstu", "--log {ml1m} --steps 12", "--steps 2", "meta_hstu"),
            Side("peers/rectools_hstu", "--log {ml1m} --mode rate --epochs 2", "--epochs 1 --batches 2", "rectools"),
        ),
    ),
    "ranking_100k": Comparison(
        "users ranked per second over 100,000 items: NDCG and Recall at 5, 10, 20, the scoring product included",
        (
            Side("ours/ranking", "--users 6144 --items 100000", "--users 512"),
            Side("peers/recbole_ranking", "--users 6144 --items 100000", "--users 512", "recbole"),
        ),
    ),
    "recommend_ml1m": Comparison(
        "users per second given their top 20, seen items removed: SASRec, ML-1M, from raw ids to raw ids",
        (
            Side("ours/recommend", "--log {ml1m} --k 20", "--batches 2 --repeats 1"),
            Side("peers/rectools_recommend", "--log {ml1m} --k 20", "--batches 2 --repeats 1", "rectools"),
        ),
    ),
    "t5_decode": Comparison(
        "users per second given their top 10 by 50 beams over the trie: T5 of TIGER's size, Beauty, 4 x 256 codes",
        (
            Side("ours/t5", "--task decode --beauty {beauty}", "--users 64 --verify 8"),
            Side("peers/transformers_t5", "--task decode --beauty {beauty} --users 128", "--users 64"),
        ),
    ),
    "t5_train": Comparison(
        "prefix cases trained per second, batches of 256: the same T5 on Beauty, histories of at most 20 items",
        (
            Side("ours/t5", "--task train --beauty {beauty}", "--batches 3"),
            Side("peers/transformers_t5", "--task train --beauty {beauty} --batches 6", "--batches 2"),
        ),
    ),
    "gflowgr_step": Comparison(
        "GFlowGR's step (trajectory balance, N = 3) as a multiple of the supervised one, decoder-only, Beauty",
        (Side("ours/gflowgr", "--beauty {beauty} --trunk decoder_only --batches 24", "--batches 4"),),
        allocators=("tuned",),
        smaller_is_better=True,
    ),
    "gflowgr_step_t5": Comparison(
        "the same with TIGER's T5, which reads each prefix of a history as a case of its own",
        (Side("ours/gflowgr", "--beauty {beauty} --trunk t5 --batches 10", "--batches 4"),),
        allocators=("tuned",),
        smaller_is_better=True,
    ),
    "dual_flow": Comparison(
        "MetaGR's training step as a multiple of DFGR's: a layer, N = 4,096, D = 256",
        (Side("ours/dual_flow", "", "--quick"),),
        allocators=("tuned",),
    ),
    "kept_histories": Comparison(
        "times faster users are answered after one new event each when histories are kept; the smallest ratio",
        (Side("ours/kept_histories", "", "--quick"),),
        allocators=("tuned",),
    ),
    **{
        f"serving_{system}": Comparison(
            f"requests a second that a served {system} answers to 64 who ask at once, each asking again; ML-1M",
            (Side("ours/serving", f"--log {log} --system {system} --rate {rate} --threads 1", "--seconds 1"),),
            allocators=("default",),
            rounds=1,
        )
        for system, rate, log in (
            ("sasrec", 300, "{ml1m}"),
            ("hstu", 300, "{ml1m}"),
            ("codes", 30, "{ml1m}"),
            ("dfgr", 60, "{data}/ml-1m/interactions.parquet"),
            ("stages", 60, "{data}/ml-1m/interactions.parquet"),
        )
    },
    "language_training": Comparison(
        "transformers' Trainer beside our fine-tuning of the same language model: tokens per second, adapters",
        (Side("ours/language_training", "--data {data}/ml-1m --learn adapters", "--steps 2 --rounds 1"),),
        allocators=("tuned",),
    ),
    "language_training_whole": Comparison(
        "the same with all weights learnt",
        (Side("ours/language_training", "--data {data}/ml-1m --learn everything", "--steps 2 --rounds 1"),),
        allocators=("tuned",),
    ),
    "language_writing": Comparison(
        "transformers' generate beside our beam search over free text: users per second, 4 beams",
        (Side("ours/language_writing", "--items {data}/ml-1m/items.parquet", "--users 32 --steps 20 --rounds 1"),),
        allocators=("tuned",),
    ),
    "grounding": Comparison(
        "seconds for 10,000 written texts among 100,000 titles, the 50 nearest, 64 wide",
        (Side("ours/grounding", "", "--texts 500"),),
        allocators=("tuned",),
        smaller_is_better=True,
    ),
    "k_means": Comparison(
        "seconds from 1,000,000 x 384 vectors to 256 centroids and all codes: 25 steps on 65,536 of them",
        (
            Side("ours/tokenizers", "--task k_means", "--vectors 20000"),
            Side("peers/faiss_k_means", "--task k_means", "--vectors 20000", "faiss"),
        ),
        rounds=3,
        smaller_is_better=True,
    ),
    "residual_k_means": Comparison(
        "the same for residual k-means of 4 levels x 256",
        (
            Side("ours/tokenizers", "--task residual", "--vectors 20000"),
            Side("peers/faiss_k_means", "--task residual", "--vectors 20000", "faiss"),
        ),
        smaller_is_better=True,
    ),
}


def main() -> None:
    given = parse()
    files = {
        "data": str(given.data.resolve()),
        "ml1m": str((given.data / "ml-1m" / "sequences.parquet").resolve()),
        "beauty": str((given.data / "amazon-beauty").resolve()),
    }
    if "data_20m" in given.names:
        files["log"] = str(synthetic_log(200_000 if given.quick else 20_000_000))
    for name in given.names:
        comparison = COMPARISONS[name]
        CONSOLE.print(f"\n[bold]{name}[/bold]: {comparison.question}")
        if given.rounds:
            comparison = replace(comparison, rounds=given.rounds)
        if given.allocator:
            comparison = replace(comparison, allocators=(given.allocator,))
        lines = measure(comparison, files, given.quick)
        rows = summary(comparison, lines)
        write(name, comparison, lines, rows, given.quick)
        CONSOLE.print(table(rows))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(COMPARISONS)}; all when none is named")
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes: shows that it runs, no more")
    parser.add_argument("--rounds", type=int, help="rounds of each comparison; its own number when not given")
    parser.add_argument("--allocator", choices=("default", "tuned"), help="only this setting")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("SEGUE_DATA", HERE / ".data")),
        help="folder with ml-1m/sequences.parquet and amazon-beauty (default: $SEGUE_DATA)",
    )
    given = parser.parse_args()
    unknown = set(given.names) - set(COMPARISONS)
    if unknown:
        parser.error(f"no comparison named {', '.join(sorted(unknown))}; there are {', '.join(COMPARISONS)}")
    given.names = given.names or list(COMPARISONS)
    return given


def synthetic_log(rows: int) -> Path:
    """The synthetic CSV, written once and kept."""
    path = (HERE / ".data" / f"log-{rows}.csv").resolve()
    if not path.exists():
        CONSOLE.print(f"writing {path}")
        unfinished = path.with_suffix(".part")
        subprocess.run([sys.executable, HERE / "make_log.py", unfinished, "--rows", str(rows)], check=True)
        unfinished.rename(path)
    return path


def measure(comparison: Comparison, files: dict[str, str], quick: bool) -> list[Line]:
    """Every side, every allocator, in turn, round after round."""
    lines = []
    sides = [side for side in comparison.sides if ready(side)]
    for _ in range(1 if quick else comparison.rounds):
        for allocator in comparison.allocators:
            for side in sides:
                line = run(side, allocator, files, quick)
                if line is not None:
                    lines.append({**line, "side": side.script})
    return lines


def ready(side: Side) -> bool:
    """Whether the script and its interpreter exist; says plainly when they do not."""
    if not (HERE / f"{side.script}.py").exists():
        CONSOLE.print(f"  {side.script}.py is not written yet: left out", style="yellow")
        return False
    if not interpreter(side).exists():
        CONSOLE.print(f"  no environment {side.environment}: run python benchmarks/environments.py", style="yellow")
        return False
    return True


def interpreter(side: Side) -> Path:
    """The Python that runs this side."""
    return HERE / ".environments" / side.environment / "bin" / "python" if side.environment else Path(sys.executable)


def run(side: Side, allocator: str, files: dict[str, str], quick: bool) -> Line | None:
    """The side's JSON line; None, and its last word of complaint on the screen, when it failed."""
    arguments = f"{side.arguments} {side.quick if quick else ''} --allocator {allocator}".split()
    arguments = [argument.format(**files) for argument in arguments]  # after the split: a path may hold spaces
    load, start = os.getloadavg()[0], time.perf_counter()
    done = subprocess.run(
        [interpreter(side), "-m", f"benchmarks.{side.script.replace('/', '.')}", *arguments],
        cwd=HERE.parent,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        CONSOLE.print(f"  {side.script} ended with {done.returncode}: {last}", style="red", markup=False)
        return None
    line = json.loads(done.stdout.strip().splitlines()[-1])
    CONSOLE.print(f"  {line['name']} ({allocator}): {line['value']} {line['unit']}")
    return {**line, "load_before": round(load, 2), "process_seconds": round(time.perf_counter() - start, 1)}


def summary(comparison: Comparison, lines: list[Line]) -> list[Line]:
    """One row a side and allocator: the median, and how many times better ours is under the same allocator.

    On a curve the ratio is of seconds: how much sooner ours reached the peer's best value (or the peer ours, when
    ours never did: below one then, and no bound on what more time would bring).
    """
    groups: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        groups.setdefault((line["side"], line["allocator"]), []).append(line)
    ours = comparison.sides[0].script
    rows = []
    for (side, allocator), group in groups.items():
        value = statistics.median(line["value"] for line in group)
        row = {
            "side": side,
            "allocator": allocator,
            "value": value,
            "unit": group[0]["unit"],
            "values": [line["value"] for line in group],
            "peak_memory_mb": max(line["peak_memory_mb"] for line in group),
            "ratio": None,
        }
        mine = groups.get((ours, allocator))
        if mine and side != ours:
            if "curve" in group[0]["details"]:
                row["ratio"] = sooner(mine[0]["details"]["curve"], group[0]["details"]["curve"])
            else:
                own = statistics.median(line["value"] for line in mine)
                row["ratio"] = round(value / own if comparison.smaller_is_better else own / value, 2)
        rows.append(row)
    return rows


def sooner(ours: list[list[float]], theirs: list[list[float]]) -> float | None:
    """Their seconds over ours at the best NDCG@10 that both reached; None when either never trained."""
    goal = min(max(value for _, value in ours), max(value for _, value in theirs))
    if goal <= 0:
        return None
    mine, other = (next(seconds for seconds, value in curve if value >= goal) for curve in (ours, theirs))
    return round(other / mine, 2)


def table(rows: list[Line]) -> Table:
    """The summary for the reader."""
    shown = Table("side", "allocator", "value", "unit", "peak MB", "ours is better by")
    for row in rows:
        ratio = "" if row["ratio"] is None else f"{row['ratio']} times"
        shown.add_row(
            row["side"], row["allocator"], f"{row['value']:,}", row["unit"], f"{row['peak_memory_mb']:,}", ratio
        )
    return shown


def write(name: str, comparison: Comparison, lines: list[Line], rows: list[Line], quick: bool) -> None:
    """The result as a file; a quick one under its own name, so that it cannot pass for a measurement."""
    path = HERE / "results" / f"{name}{'.quick' if quick else ''}.json"
    path.parent.mkdir(exist_ok=True)
    result = {
        "name": name,
        "question": comparison.question,
        "quick": quick,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "summary": rows,
        "lines": lines,
    }
    path.write_text(json.dumps(result, indent=2) + "\n")


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    facts = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": facts.get("model name", platform.machine()),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "system": platform.platform(),
        "environment": {key: value for key, value in os.environ.items() if key.startswith(("OMP_", "MKL_", "MALLOC_"))},
    }


if __name__ == "__main__":
    main()
