"""The ledger: every number that was measured for good, beside the published one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, Field

from segue.core.errors import RunError
from segue.service.dependencies import ServiceOf
from segue.service.looks import LooksOf
from segue.service.reading import said
from segue.workflows.ledger import Entry, in_order, read_entry

router = APIRouter(tags=["ledger"])


class LedgerValue(BaseModel):
    """A metric over the seeds of a row."""

    mean: float
    spread: str = Field(description="Between seeds, or over users where there is one seed; says which.")
    published: float | None = Field(description="What the paper says.")


class LedgerRow(BaseModel):
    """One measured row."""

    system: str
    row: str = Field(description="What tells it from other rows of the system.")
    dataset: str
    users: int
    fingerprint: str
    protocol: str = Field(description="In words.")
    metrics: dict[str, LedgerValue] = Field(description="What tables show, the deciding one last.")
    seeds: int
    cpu_minutes: float = Field(description="Of one seed.")
    source: str = Field(description="Where the published numbers stand.")
    evidence: str = Field(description="How we know them.")
    group: str = Field(description="The published table that the row belongs to.")
    language: str = Field(description="The size of the language model, of systems that have one.")
    command: str
    commit: str
    hardware: str


class LedgerPage(BaseModel):
    """The rows by data set, protocol, and falling quality."""

    rows: list[LedgerRow]
    note: str = Field(description="What to do where there are none.")


@router.get("/ledger")
def show_ledger(service: ServiceOf, looks: LooksOf) -> LedgerPage:
    """The rows of the ledger that the service was given."""
    folder = service.ledger
    if folder is None or not folder.is_dir():
        return LedgerPage(rows=[], note="The service was started without a ledger: segue serve RUN --ledger ledger.")
    key = ("ledger", *((path.name, path.stat().st_mtime_ns) for path in sorted(folder.glob("*.json")) if path.exists()))
    found: LedgerPage = looks.answers.get(key, lambda: _page(folder))
    return found


def _page(folder: Path) -> LedgerPage:
    """All rows that can be read; the note names the others."""
    entries, faults = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            entries.append(read_entry(path))
        except RunError as error:
            faults.append(said(error, path, path.name))
    rows = [_row(entry) for entry in in_order(entries)]
    note = f"{len(faults)} files cannot be shown: {'; '.join(faults[:3])}" if faults else ""
    return LedgerPage(rows=rows, note=note or ("" if rows else "The ledger is empty: segue reproduce writes rows."))


def _row(entry: Entry) -> LedgerRow:
    return LedgerRow(
        system=entry.system,
        row=entry.row,
        dataset=entry.dataset.name,
        users=entry.users,
        fingerprint=entry.fingerprint,
        protocol=entry.protocol.words(),
        metrics={
            metric: LedgerValue(
                mean=entry.mean(metric), spread=entry.spread(metric), published=entry.published.get(metric)
            )
            for metric in entry.headline()
        },
        seeds=len(entry.seeds),
        cpu_minutes=float(np.mean([seed.cpu_seconds for seed in entry.seeds])) / 60,
        source=entry.source,
        evidence=entry.evidence,
        group=entry.group,
        language=entry.language,
        command=entry.command,
        commit=entry.commit,
        hardware=entry.hardware.get("gpu", entry.hardware.get("cpu", "")),
    )
