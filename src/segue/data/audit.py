"""What could make numbers on a split mean something else than they seem to: found, counted, explained."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from segue.core.impressions import RankingSplit
from segue.core.shapes import Int
from segue.core.tables import Dataset, Split
from segue.data.audit_cases import of_cases
from segue.data.audit_log import of_log
from segue.data.audit_requests import of_requests
from segue.data.finding import Finding, Severity

__all__ = ["Audit", "Finding", "Severity", "audit"]


class Audit(BaseModel):
    """All findings about a dataset and a split; nothing is refused, nothing is left unsaid."""

    model_config = ConfigDict(frozen=True)

    dataset: str
    digest: str
    split: str
    events: int
    users: int
    items: int
    train_events: int
    validation_cases: int
    test_cases: int
    lengths: dict[str, int]
    """Events a user: quantiles."""
    gini: float
    """How unevenly events are spread over items: 0 all alike, 1 one item has all."""
    findings: list[Finding]

    def finding(self, name: str) -> Finding:
        """The finding of that name."""
        return next(finding for finding in self.findings if finding.name == name)

    def render(self) -> Any:
        """The audit for a terminal, as a rich renderable."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        colours = {"info": "dim", "look": "yellow", "serious": "bold red"}
        table = Table("", "finding", "what to do", show_lines=False, expand=True)
        for finding in self.findings:
            table.add_row(Text(finding.severity, style=colours[finding.severity]), finding.fact, finding.advice)
        lengths = ", ".join(f"{name} {value:,}" for name, value in self.lengths.items())
        head = (
            f"{self.dataset} ({self.digest[:12]}): {self.events:,} events, {self.users:,} users, {self.items:,} items\n"
            f"{self.split}\n{self.train_events:,} events to train, {self.validation_cases:,} validation and "
            f"{self.test_cases:,} test cases\nevents a user: {lengths}; Gini of item popularity {self.gini:.2f}"
        )
        return Group(Text(head), table)


def audit(dataset: Dataset, split: Split, *, seen: bool = False) -> Audit:
    """Looks a dataset and a split of it over.

    Args:
        seen: whether items of the history may be recommended again.
    """
    log = dataset.log
    lengths = np.diff(log.offsets)
    quantiles = {"least": 0.0, "10 %": 0.1, "median": 0.5, "90 %": 0.9, "99 %": 0.99, "most": 1.0}
    asks = of_requests(split) if isinstance(split, RankingSplit) else of_cases(dataset, split, seen=seen)
    validation, test = (
        (len(split.validated), len(split.asked))
        if isinstance(split, RankingSplit)
        else (len(split.validation), len(split.test))
    )
    return Audit(
        dataset=dataset.name,
        digest=dataset.digest,
        split=split.rule,
        events=len(log),
        users=len(lengths),
        items=len(dataset.catalog),
        train_events=int(split.train.lengths.sum()),
        validation_cases=validation,
        test_cases=test,
        lengths={name: int(np.quantile(lengths, q, method="nearest")) for name, q in quantiles.items()}
        if len(lengths)
        else {},
        gini=_gini(np.bincount(log.items, minlength=len(dataset.catalog))),
        findings=[*of_log(dataset, split), *asks],
    )


def _gini(counts: Int[np.ndarray, " items"]) -> float:
    total, items = counts.sum(), len(counts)
    if total == 0:
        return 0.0
    ranks = np.arange(1, items + 1)
    return float((2 * (ranks * np.sort(counts)).sum() / (items * total)) - (items + 1) / items)
