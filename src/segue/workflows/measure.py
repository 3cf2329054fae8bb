"""A fitted system's answers to the test questions, written up as a report."""

from __future__ import annotations

import math
import os
import platform
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segue.core.impressions import RankingSplit
from segue.core.ranking import NOTHING, Ranking, Rules
from segue.core.run import Run
from segue.core.seeding import numpy_generator
from segue.core.tables import Cases, Split
from segue.data.preparation import ALL
from segue.evaluation.accuracy import HitRate, Ndcg, ReciprocalRank
from segue.evaluation.beyond_accuracy import PopularityDeciles, beyond_accuracy
from segue.evaluation.categories import ItemCategories
from segue.evaluation.category_hits import category_hits
from segue.evaluation.evaluate import Answers, accuracy_metrics, evaluate
from segue.evaluation.metric import Targets
from segue.evaluation.protocol import Protocol
from segue.evaluation.report import DatasetNote, Measured, Report, Sample, means
from segue.evaluation.slices import by_slice, length_slices, popularity_slices
from segue.training.trackers import curve
from segue.workflows.experiment import Experiment

SAMPLES = 5
"""Users whose recommendations stand in the report."""


DUPLICATES = {"keep": "kept", "exact": "full repeats dropped", "first": "first kept", "last": "last kept"}
"""The policies of a preparation, as a protocol says them."""


@dataclass(frozen=True)
class Cost:
    """What the fit took."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory_mb: float = 0.0


def protocol_of(experiment: Experiment, split: Split, *, target_time: bool | None = None) -> Protocol:
    """The rules under which an experiment measures."""
    settings = split.dataset.origin.get("settings", {})
    origin: Mapping[str, object] = split.dataset.origin
    asked = experiment.evaluation
    candidates, positives, seen = "all items", _positives(settings), asked.seen
    if target_time is None:
        target_time = experiment.recipe.knows_target_time
    if isinstance(split, RankingSplit):
        drawn = bool((split.asked.events < 0).any())
        candidates = "items taken and items drawn" if drawn else "items shown in the request"
        positives, seen = ", ".join(split.schema.tasks), True
        target_time = split.asked.histories.asked_at is not None
    return Protocol(
        split=split.rule,
        ties="the order column" if "order column" in str(origin.get("ties")) else "source order",
        seen=seen,
        length=asked.length,
        target_time=target_time,
        candidates=candidates,
        duplicates=DUPLICATES[settings.get("duplicates", "keep")],
        core=settings.get("core") or 0,
        user_core=settings.get("user_core"),
        item_core=settings.get("item_core"),
        users=asked.users or 0,
        positives=positives,
    )


def _positives(settings: Mapping[str, Any]) -> str:
    positive = settings.get("positive")
    return "every event" if positive in (None, ALL) else str(positive)


def test_cases(experiment: Experiment, split: Split) -> Cases:
    """The cases that are asked: all of them, or as many as the experiment wants."""
    cases, most = split.test, experiment.evaluation.users
    if most is not None and most < len(cases):
        chosen = numpy_generator(0, "test users").choice(len(cases), most, replace=False)
        cases = cases.take(np.sort(chosen))
    if experiment.evaluation.length is not None:
        cases = replace(cases, histories=cases.histories.latest(experiment.evaluation.length))
    return cases


def measure(
    name: str,
    answer: Answers,
    experiment: Experiment,
    split: Split,
    *,
    target_time: bool = False,
    cost: Cost = Cost(),
    folder: Path | None = None,
    run: Run | None = None,
) -> Measured:
    """Ask all test questions and write down everything that a reader needs to believe the answers."""
    cases = test_cases(experiment, split)
    if target_time:
        cases = cases.timed()
    ks, rules = experiment.evaluation.ks, Rules(seen=experiment.evaluation.seen)
    watch = run or Run()
    watch.begin(f"asking {name}", len(cases))
    answered = evaluate(answer, cases, accuracy_metrics(ks), rules, watch.advance)
    watch.end()
    k = 10 if 10 in ks else max(ks)
    ranking, targets = answered.ranking.top(k), Targets.of(cases)
    counts, categories, values = split.item_counts(), ItemCategories.of(split.catalog), answered.per_user
    if categories is not None:
        values = values | category_hits(answered.ranking, targets, categories, ks)
    slices = popularity_slices(targets, counts) + length_slices(targets, cases.histories.lengths)
    deciles = PopularityDeciles.of(ranking, cases.histories, counts)
    report = Report(
        **circumstances(name, experiment, split, cost, folder, target_time=target_time),
        users=len(cases),
        metrics=means(values, cases.histories.users),
        beyond=beyond_accuracy(ranking, cases.histories, counts, categories),
        slices=by_slice([HitRate(k=k), Ndcg(k=k), ReciprocalRank(k=k)], ranking, slices),
        recommended_deciles=deciles.recommended.tolist(),
        chosen_deciles=deciles.chosen.tolist(),
        samples=_samples(cases, ranking, split),
    )
    return Measured(report, split.dataset.log.users["user_id"].gather(cases.histories.users).to_numpy(), values)


def circumstances(
    name: str,
    experiment: Experiment,
    split: Split,
    cost: Cost,
    folder: Path | None,
    *,
    target_time: bool | None = None,
) -> dict[str, Any]:
    """What a report says besides what was measured: which system, data and rules, at what cost, on which machine."""
    return {
        "recipe": name,
        "dataset": DatasetNote.of(split.dataset),
        "protocol": protocol_of(experiment, split, target_time=target_time),
        "seed": experiment.seed,
        "seconds": cost.seconds,
        "cpu_seconds": cost.cpu_seconds,
        "peak_memory_mb": cost.peak_memory_mb,
        "hardware": hardware(),
        "versions": versions(),
        "command": " ".join(["segue", *sys.argv[1:]]) if sys.argv else "",
        "settings": experiment.recipe.dump() if name == experiment.recipe.name else {},
        "curves": _curves(folder, "validation AUC" if isinstance(split, RankingSplit) else "validation NDCG"),
    }


def peak_memory_mb() -> float:
    """The most resident memory this process ever had, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / 1024


def hardware() -> dict[str, str]:
    """The machine, in words."""
    words = {"cpu": _cpu_name(), "cores": str(os.cpu_count()), "threads": str(torch.get_num_threads())}
    if torch.cuda.is_available():
        words["gpu"] = torch.cuda.get_device_name()
    return words


def versions() -> dict[str, str]:
    """What the numbers depend on."""
    packages = ("segue", "torch", "numpy", "polars")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}}


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _curves(folder: Path | None, score: str) -> dict[str, list[tuple[float, float]]]:
    rows = curve(folder / "metrics.jsonl") if folder is not None else []
    names = {"loss": "training loss", "score": score}
    names |= {name: name for row in rows for name in row if "/" in name}  # what an objective notes
    return {
        words: [(row["step"], row[name]) for row in rows if name in row and math.isfinite(row[name])]
        for name, words in names.items()
        if any(name in row for row in rows)
    }


def _samples(cases: Cases, ranking: Ranking, split: Split) -> list[Sample]:
    some = cases.take(slice(0, SAMPLES))
    users = split.dataset.log.users["user_id"].gather(some.histories.users).to_list()
    samples = []
    for row, user in enumerate(users):
        window = slice(int(some.histories.starts[row]), int(some.histories.ends[row]))
        taken = slice(int(some.histories.ends[row]), int(some.stops[row]))
        named = ranking.items[row][ranking.items[row] != NOTHING]
        titles = [split.catalog.titles(rows) for rows in (cases.histories.items[window][-SAMPLES:], named)]
        samples.append(
            Sample(
                user=str(user),
                history=titles[0],
                recommended=titles[1],
                taken=split.catalog.titles(cases.histories.items[taken]),
            )
        )
    return samples
