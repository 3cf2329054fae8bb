"""What an audit finds in the requests that rankers are asked about: cold items, one-sided users, rare positives."""

from __future__ import annotations

import numpy as np

from segue.core.impressions import Impressions, RankingSplit
from segue.core.shapes import Int
from segue.data.audit_cases import few
from segue.data.finding import Finding, grave

FEW_POSITIVES = 100
"""Positives asked about below which a measure of an action is worth a second look."""


def of_requests(split: RankingSplit) -> list[Finding]:
    """All of them."""
    asked, learnt = split.asked, split.learnt
    found = [
        Finding(
            name="requests",
            severity="info",
            count=len(asked),
            of=len(asked) + len(split.validated) + len(learnt),
            fact=f"{len(learnt):,} requests of {len(learnt.items):,} impressions are learnt and {len(asked):,} of "
            f"{len(asked.items):,} are asked.",
        ),
        _alone(asked),
        _cold(split),
        few(len(np.unique(asked.histories.users))),
    ]
    for place, task in enumerate(split.schema.tasks):
        found += [_rate(split, place, task), _one_sided(asked, place, task)]
    return found


def _alone(asked: Impressions) -> Finding:
    single = int((asked.sizes == 1).sum())
    return Finding(
        name="single impressions",
        severity="look" if single > 0.5 * len(asked) else "info",
        count=single,
        of=len(asked),
        fact=f"{single:,} of {len(asked):,} asked requests show a single item.",
        advice="Their NDCG is 1 or nothing; a longer split.gap joins them." if single > 0.5 * len(asked) else "",
    )


def _cold(split: RankingSplit) -> Finding:
    known = np.zeros(len(split.catalog), dtype=bool)
    known[split.learnt.items] = True
    items = split.asked.items
    cold = int((~known[items]).sum())
    return Finding(
        name="cold impressions",
        severity=grave(cold, len(items)),
        count=cold,
        of=len(items),
        fact=f"{cold:,} of {len(items):,} impressions that are asked are of items that were never learnt.",
        advice="A model that knows items by id can only guess there; facts of items (split.facts) help."
        if cold
        else "",
    )


def _rate(split: RankingSplit, place: int, task: str) -> Finding:
    """The share of positives, in what is learnt and in what is asked."""
    rates, counts = [], []
    for part in (split.learnt, split.asked):
        labels = part.labels[:, place]
        counts.append(int((labels == 1).sum()))
        rates.append(counts[-1] / max(int((labels >= 0).sum()), 1))
    changed = not 0.5 <= (rates[1] + 1e-9) / (rates[0] + 1e-9) <= 2
    rare = counts[1] < FEW_POSITIVES
    advice = "Learnt and asked differ much: look at what changed in between." if changed else ""
    return Finding(
        name=f"positives: {task}",
        severity="look" if changed or rare else "info",
        count=counts[1],
        of=int((split.asked.labels[:, place] >= 0).sum()),
        fact=f"'{task}' happened in {rates[0]:.2%} of the impressions that are learnt and in {rates[1]:.2%} of those "
        f"asked ({counts[1]:,}).",
        advice=advice or ("So few positives measure little." if rare else ""),
    )


def _one_sided(asked: Impressions, place: int, task: str) -> Finding:
    """Users of whom only one outcome is asked: a mean over users of an AUC leaves them out."""
    labels, known = asked.labels[:, place], asked.labels[:, place] >= 0
    users = _both(asked.histories.users[asked.owners], labels, known)
    requests = _both(asked.owners, labels, known)
    return Finding(
        name=f"one outcome: {task}",
        severity="look" if users[0] > 0.5 * users[1] else "info",
        count=users[0],
        of=users[1],
        fact=f"{users[0]:,} of {users[1]:,} asked users and {requests[0]:,} of {requests[1]:,} requests have '{task}' "
        "always or never.",
        advice="GAUC leaves these users out, and NDCG says nothing of these requests." if users[0] else "",
    )


def _both(groups: Int[np.ndarray, " shown"], labels: Int[np.ndarray, " shown"], known: np.ndarray) -> tuple[int, int]:
    """How many groups with a known label have one outcome only, and how many there are."""
    seen, place = np.unique(groups[known], return_inverse=True)
    sums, sizes = np.bincount(place, labels[known], len(seen)), np.bincount(place, minlength=len(seen))
    return int(((sums == 0) | (sums == sizes)).sum()), len(seen)
