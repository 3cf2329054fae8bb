"""The data of an experiment looked over before anything is learnt: what is said in front of every number on them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from segue.core.errors import DataError
from segue.core.impressions import RankingSplit
from segue.core.tables import Dataset, Split
from segue.data.audit import audit
from segue.data.order import ordered_by
from segue.evaluation.data_note import ColumnNote, DataNote, FindingNote
from segue.simulation.world import World
from segue.workflows.experiment import Experiment

log = logging.getLogger(__name__)

Tell = Callable[[DataNote], None]
"""Is told of the data before anything is learnt."""


def looked_over(experiment: Experiment, dataset: Dataset, split: Split, chosen: Sequence[str] = ()) -> DataNote:
    """What is to be said of these data, cut so and asked so."""
    origin, found = dataset.origin, audit(dataset, split, seen=experiment.evaluation.seen).findings
    findings = [
        FindingNote(name=one.name, severity=one.severity, fact=one.fact, advice=one.advice)
        for one in found
        if one.severity != "info" and not one.name.startswith("dropped")
    ]
    if experiment.recipe.reads_order and ordered_by(dataset) == "rows" and not isinstance(split, RankingSplit):
        findings.append(_order_read(experiment.recipe.name, drawn=ordered_by(split.dataset) == "drawn"))
    simulated = isinstance(experiment.data, World)
    return DataNote(
        source=_source(dataset, simulated=simulated),
        columns=[ColumnNote.model_validate(one) for one in origin.get("columns", ())],
        rows=0 if simulated else int(origin.get("rows", 0)),
        dropped={} if simulated else dict(origin.get("dropped", {})),
        chosen=list(chosen),
        notes=[f"{note}." for note in origin.get("notes", ())],
        findings=sorted(findings, key=lambda one: one.severity != "serious"),
    )


def refuse_serious(note: DataNote) -> None:
    """For who wants to be stopped and not told.

    Raises:
        DataError: there is a serious finding; all of them are in the message.
    """
    if note.serious:
        facts = " ".join(f"({place}) {one.fact} {one.advice}" for place, one in enumerate(note.serious, 1))
        many = f"{len(note.serious)} serious findings" if len(note.serious) > 1 else "a serious finding"
        raise DataError(f"strict: {many}, so nothing was learnt: {facts}")


def write_to_log(note: DataNote) -> None:
    """What is serious as a warning, all else as information."""
    for label, words in note.lines():
        log.log(logging.WARNING if label == "serious" else logging.INFO, "%s: %s", label, words)


def _source(dataset: Dataset, *, simulated: bool) -> str:
    users, items, events = len(dataset.log.offsets) - 1, len(dataset.catalog), len(dataset.log)
    size = f"{events:,} events of {users:,} users with {items:,} items"
    if simulated:
        return f"the simulated world, a made-up shop, for no --data was given (or 'world'): {size}"
    source = dataset.origin.get("source")
    return f"{dataset.name}{f', read as {source}' if source else ''}: {size}"


def _order_read(system: str, *, drawn: bool) -> FindingNote:
    learnt = "that was drawn at random" if drawn else "of the rows"
    return FindingNote(
        name="order read",
        severity="look",
        fact=f"{system} reads a history as a sequence, and nobody knows the order of these events: it learns an order "
        f"{learnt}.",
        advice="popularity, item_knn and ease do not look at the order.",
    )
