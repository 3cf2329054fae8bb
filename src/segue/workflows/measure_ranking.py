"""A ranker's probabilities for the requests of the test, written up as a report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from segue.core.errors import SettingsError
from segue.core.impressions import Impressions, RankingSplit
from segue.core.run import Run
from segue.core.seeding import numpy_generator
from segue.core.shapes import Bool, Float, Int
from segue.evaluation.probabilities import Judged, area_under_curve, ranking_metrics
from segue.evaluation.reliability import reliability
from segue.evaluation.report import Measured, Report, SampleRequest, Shown, means
from segue.simulation.oracle import Oracle
from segue.simulation.world import World
from segue.workflows.experiment import Experiment
from segue.workflows.measure import SAMPLES, Cost, circumstances

Judges = Callable[[Impressions], Float[np.ndarray, "shown tasks"]]
"""What `Ranker.probabilities` is, and an oracle too."""
PAST: tuple[tuple[int, int | None], ...] = ((0, 0), (1, 5), (6, 20), (21, None))
"""Lengths of history that are looked at apart."""
SEEN: tuple[tuple[int, int | None], ...] = ((0, 0), (1, 50), (51, None))
"""The same of how often an item was shown in what was learnt."""
LISTED = 12
"""Items of a sample request in the report."""


def asked_requests(experiment: Experiment, split: RankingSplit) -> Impressions:
    """The requests that are asked: those of all users, or of as many as the experiment wants."""
    asked, wanted = split.asked, experiment.evaluation
    if wanted.users is not None:
        users = np.unique(asked.histories.users)
        if wanted.users < len(users):
            users = numpy_generator(0, "test users").choice(users, wanted.users, replace=False)
            asked = asked.take(np.flatnonzero(np.isin(asked.histories.users, users)))
    if wanted.length is not None:
        asked = replace(asked, histories=asked.histories.latest(wanted.length))
    return asked


def measure_ranking(
    name: str,
    judge: Judges,
    experiment: Experiment,
    split: RankingSplit,
    *,
    cost: Cost = Cost(),
    folder: Path | None = None,
    run: Run | None = None,
) -> Measured:
    """Ask about everything that was shown and write down all that a reader needs to believe the answers.

    Raises:
        SettingsError: there is nothing to measure, since of no action the asked impressions hold both outcomes.
    """
    asked, tasks = asked_requests(experiment, split), split.schema.tasks
    watch = run or Run()
    watch.begin(f"asking {name}", len(asked))
    chances = judge(asked)
    watch.advance(len(asked))
    watch.end()
    values = ranking_metrics(asked, chances, tasks, experiment.evaluation.ks)
    if not values:
        raise SettingsError(
            f"none of {', '.join(tasks)} both happened and did not happen in the {len(asked.items):,} impressions that "
            "are asked, so no ranker can be measured; ask more of them (split.*), or other actions (split.tasks)."
        )
    judged = {task: Judged.of(asked, chances[:, place], place) for place, task in enumerate(tasks)}
    report = Report(
        **circumstances(name, experiment, split, cost, folder),
        users=len(np.unique(asked.histories.users)),
        metrics=means(values),
        slices=_slices(asked, chances, split),
        reliability={
            task: reliability(one.probabilities, one.positive) for task, one in judged.items() if len(one.positive)
        },
        requests=_samples(asked, chances, split),
    )
    users = split.dataset.log.users["user_id"].gather(np.unique(asked.histories.users)).to_numpy()
    return Measured(report, users, values)


def measure_oracle(experiment: Experiment, split: RankingSplit, run: Run) -> Measured | None:
    """The same of who knows the true probabilities; nobody does outside the simulated world, or of drawn items."""
    if not isinstance(experiment.data, World) or (split.asked.events < 0).any():
        return None
    oracle, tasks = Oracle(experiment.data.simulate()), split.schema.tasks
    if not set(tasks) <= set(oracle.actions):
        return None
    return measure_ranking("oracle", lambda asked: oracle.chances(asked.events, tasks), experiment, split, run=run)


def _slices(
    asked: Impressions, chances: Float[np.ndarray, "shown tasks"], split: RankingSplit
) -> dict[str, dict[str, float]]:
    """The AUC and the rate of each action by length of the history and by how often the item was shown before."""
    lengths = asked.histories.lengths[asked.owners]
    shown = np.bincount(split.learnt.items, minlength=len(split.catalog))[asked.items]
    parts = {"all": np.ones(len(asked.items), dtype=bool)}
    parts |= {_range("history of", *edges, "events"): _within(lengths, *edges) for edges in PAST}
    parts |= {_range("item learnt from", *edges, "impressions"): _within(shown, *edges) for edges in SEEN}
    return {name: _slice(asked, chances, split, keep) for name, keep in parts.items()}


def _slice(
    asked: Impressions,
    chances: Float[np.ndarray, "shown tasks"],
    split: RankingSplit,
    keep: Bool[np.ndarray, " shown"],
) -> dict[str, float]:
    requests = np.unique(asked.owners[keep])
    table = {
        "users": float(len(np.unique(asked.histories.users[requests]))),
        "requests": float(len(requests)),
        "impressions": float(keep.sum()),
    }
    for place, task in enumerate(split.schema.tasks):
        labels = asked.labels[keep, place]
        known = labels >= 0
        if known.any():
            table[f"rate {task}"] = float(labels[known].mean())
            area = area_under_curve(chances[keep, place], labels)
            table |= {f"AUC {task}": area} if np.isfinite(area) else {}
    return table


def _samples(asked: Impressions, chances: Float[np.ndarray, "shown tasks"], split: RankingSplit) -> list[SampleRequest]:
    """The first request of each of some users in which the first action came, and did not come, or else any."""
    labels = asked.labels[:, 0]
    came = np.bincount(asked.owners[labels == 1], minlength=len(asked)) > 0
    missed = np.bincount(asked.owners[labels == 0], minlength=len(asked)) > 0
    good = np.flatnonzero(came & missed)
    rows = good if len(good) else np.arange(len(asked))
    _, first = np.unique(asked.histories.users[rows], return_index=True)
    chosen = rows[first[:SAMPLES]]
    users = split.dataset.log.users["user_id"].gather(asked.histories.users[chosen]).to_list()
    return [
        SampleRequest(user=str(user), history=_past(asked, row, split), task=split.schema.tasks[0], shown=shown)
        for row, user in zip(chosen.tolist(), users, strict=True)
        for shown in [_shown(asked, chances, row, split)]
    ]


def _shown(asked: Impressions, chances: Float[np.ndarray, "shown tasks"], row: int, split: RankingSplit) -> list[Shown]:
    places = np.arange(asked.bounds[row], asked.bounds[row + 1])
    places = places[np.argsort(-chances[places, 0], kind="stable")][:LISTED]
    return [
        Shown(title=title, probability=float(chances[place, 0]), happened=None if label < 0 else bool(label))
        for title, place in zip(split.catalog.titles(asked.items[places]), places, strict=True)
        for label in [asked.labels[place, 0]]
    ]


def _past(asked: Impressions, row: int, split: RankingSplit) -> list[str]:
    """The newest events of the history, each with what was done."""
    end = int(asked.histories.ends[row])
    events = np.arange(max(int(asked.histories.starts[row]), end - SAMPLES), end)
    titles = split.catalog.titles(asked.histories.items[events])
    done = [
        [name for name, flag in zip(split.schema.actions, asked.actions[event], strict=True) if flag == 1]
        for event in events
    ]
    return [f"{title} ({', '.join(names) or 'nothing'})" for title, names in zip(titles, done, strict=True)]


def _range(what: str, low: int, high: int | None, unit: str) -> str:
    return f"{what} {f'over {low - 1}' if high is None else f'{low} to {high}' if high else 'no'} {unit}"


def _within(counts: Int[np.ndarray, " shown"], low: int, high: int | None) -> Bool[np.ndarray, " shown"]:
    kept: np.ndarray = counts >= low
    return kept if high is None else kept & (counts <= high)
