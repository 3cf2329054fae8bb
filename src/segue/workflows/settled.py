"""What an experiment leaves to the data, decided: which rows count, what is held out, what rankers are told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from segue.core.tables import Dataset
from segue.data.facts import offered
from segue.data.preparation import ALL, Preparation
from segue.data.random_holdout import RandomHoldout
from segue.data.request_rule import RequestRule
from segue.data.sources import open_log
from segue.data.store import is_prepared
from segue.data.tasks import columns_of
from segue.data.wanted import Flags, flags_of_log, positive_of
from segue.workflows import runs
from segue.workflows.experiment import Experiment

OFFERED = 12
"""Columns that are named as further facts, at most."""


@dataclass(frozen=True)
class Settled:
    """An experiment that leaves nothing open, its data, and what was decided, in words."""

    experiment: Experiment
    dataset: Dataset
    chosen: tuple[str, ...] = ()


def settle(experiment: Experiment) -> Settled:
    """Decide what the settings leave open; what they say is not touched, and to settle twice changes nothing.

    Raises:
        DataError: the data cannot be read, or several columns could say which rows count.
    """
    data, chosen = experiment.data, list[str]()
    if isinstance(data, Preparation) and not experiment.recipe.ranks:
        positive, words = _positive(data)
        if positive is not None:
            experiment = experiment.model_copy(update={"data": data.changed({"positive": positive})})
            chosen.append(words)
    dataset = runs.dataset_of(experiment)
    split = experiment.split.settled(dataset)
    if isinstance(split, RandomHoldout) and not isinstance(experiment.split, RandomHoldout):
        chosen.append(
            "split=random_holdout: nobody knows the order of events, so what is held out is drawn. Name a time with "
            "data.time=..., or an order with data.order=..., where there is one."
        )
    if isinstance(split, RequestRule):
        chosen += _facts(split, dataset, asked=split == experiment.split)
    return Settled(experiment.model_copy(update={"split": split}), dataset, tuple(chosen))


def _positive(data: Preparation) -> tuple[str | None, str]:
    """The condition of the rows that count, where nobody named it and one column can say it, and the words for it."""
    path = Path(data.path)
    if data.positive is not None or is_prepared(path):
        return None, ""
    flags = flags_of_log(open_log(path, data.asked, data.source, data.history))
    positive = positive_of(flags, data.path)
    return positive, "" if positive is None else _rows_that_count(positive, flags)


def _rows_that_count(positive: str, flags: Flags) -> str:
    others = f"; not looked at: {', '.join(flags.perhaps)}" if flags.perhaps else ""
    others += f"; dislike, which never counts for an item: {', '.join(flags.dislikes)}" if flags.dislikes else ""
    return (
        f'data.positive="{positive}": only these rows count, the others were shown and not taken{others}. Name another '
        f"condition, or data.positive={ALL} for every row."
    )


def _facts(split: RequestRule, dataset: Dataset, *, asked: bool) -> list[str]:
    """What rankers are told, and what they could be told."""
    facts, log = split.named_facts(dataset), split.log_of(dataset)
    answers = {f"place:{column}" for column in columns_of(split.named_tasks(dataset))}
    could = [one for one in offered(facts, dataset.catalog, log) if one not in answers]
    words = f"split.facts={','.join(facts) or '[]'}" + ("" if asked else " (the documented categories; [] tells none)")
    if could:
        more = f" and {len(could) - OFFERED} more" if len(could) > OFFERED else ""
        words += f"; there are also {', '.join(could[:OFFERED])}{more}"
        words += ", of places only what is known before they are shown" if any(":" in one for one in could) else ""
    return [f"{words}.", *(f"{note}." for note in split.told(dataset).notes)]
