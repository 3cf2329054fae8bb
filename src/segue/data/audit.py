"""What could make numbers on a split mean something else than they seem to: found, counted, explained."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from segue.core.errors import SettingsError
from segue.core.impressions import RankingSplit
from segue.core.shapes import Int
from segue.core.tables import Dataset, Split

Severity = Literal["info", "look", "serious"]


class Finding(BaseModel):
    """One fact, how grave it is, and what to do about it."""

    model_config = ConfigDict(frozen=True)

    name: str
    severity: Severity
    count: int
    of: int
    fact: str
    advice: str = ""


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


def audit(dataset: Dataset, split: Split) -> Audit:
    """Looks a dataset and a split of it over.

    Raises:
        SettingsError: the split is one of requests, whose questions are not of the kind that is looked over here.
    """
    if isinstance(split, RankingSplit):
        raise SettingsError(
            f"an audit looks over what is asked of recommenders, and '{split.rule}' asks rankers about what was shown; "
            "audit the log with another split, such as leave_one_out or global_time."
        )
    log, counts = dataset.log, split.item_counts()
    lengths = np.diff(log.offsets)
    quantiles = {"least": 0.0, "10 %": 0.1, "median": 0.5, "90 %": 0.9, "99 %": 0.99, "most": 1.0}
    findings = [
        *_dropped(dataset),
        *_exposures(dataset),
        *_times(dataset, split),
        *_duplicates(dataset),
        *_overlap(split),
        *_cold(split, counts),
        *_repeats(split),
        *_short(dataset, split),
    ]
    return Audit(
        dataset=dataset.name,
        digest=dataset.digest,
        split=split.rule,
        events=len(log),
        users=len(lengths),
        items=len(dataset.catalog),
        train_events=int(split.train.lengths.sum()),
        validation_cases=len(split.validation),
        test_cases=len(split.test),
        lengths={name: int(np.quantile(lengths, q, method="nearest")) for name, q in quantiles.items()}
        if len(lengths)
        else {},
        gini=_gini(np.bincount(log.items, minlength=len(dataset.catalog))),
        findings=findings,
    )


def _dropped(dataset: Dataset) -> list[Finding]:
    """What the preparation left out, and what it noted."""
    origin = dataset.origin
    rows = int(origin.get("rows", len(dataset.log)))
    found = []
    for reason, count in dict(origin.get("dropped", {})).items():
        severe: Severity = "look" if reason in ("incomplete", "repeated") and count else "info"
        found.append(
            Finding(
                name=f"dropped: {reason}",
                severity=severe,
                count=count,
                of=rows,
                fact=f"{count:,} of {rows:,} rows of the source were dropped: {reason}.",
                advice="Say so beside the numbers; other papers may have kept them." if count else "",
            )
        )
    notes = [
        Finding(name="note", severity="info", count=0, of=rows, fact=f"{note}.") for note in origin.get("notes", ())
    ]
    return found + notes


def _exposures(dataset: Dataset) -> list[Finding]:
    if dataset.exposures is None:
        return []
    taken, shown = len(dataset.log), len(dataset.exposures)
    left_out = dataset.origin.get("exposures", {}).get("left out", 0)
    without = left_out and not dataset.origin.get("settings", {}).get("keep_shown", False)
    return [
        Finding(
            name="exposures",
            severity="info",
            count=taken,
            of=shown,
            fact=f"{taken:,} of {shown:,} exposures are events of the log ({100 * taken / max(shown, 1):.1f} %); "
            f"{left_out:,} more rows are of users or items that the dataset does not have, or repeats.",
            advice="keep_shown=true keeps the items that were shown and not taken." if without else "",
        )
    ]


def _times(dataset: Dataset, split: Split) -> list[Finding]:
    log, times = dataset.log, dataset.log.timestamps
    if times is None:
        return [
            Finding(
                name="no times",
                severity="look",
                count=len(log),
                of=len(log),
                fact="Clock times are not known, only the order of each user's events.",
                advice="Ties and future events cannot be checked; do not use models that need time.",
            )
        ]
    same = np.zeros(len(log), dtype=bool)
    same[1:] = (times[1:] == times[:-1]) & (log.items[1:] != log.items[:-1])
    inner = log.offsets[1:-1]
    same[inner[inner < len(log)]] = False
    tied = int(same.sum())
    first = split.test.targets.starts
    before = same[first] & (split.test.histories.lengths > 0)
    ends = split.test.stops
    within = ends < _user_ends(split)
    after = np.zeros(len(first), dtype=bool)
    after[within] = same[ends[within]]
    chance = before | after
    test = len(split.test)
    findings = [
        Finding(
            name="ties",
            severity="look" if tied else "info",
            count=tied,
            of=len(log),
            fact=f"{tied:,} of {len(log):,} events have the same time as the user's event before, with another item.",
            advice=f"Their order is the rule's: {dataset.origin.get('ties', 'not recorded')}." if tied else "",
        ),
        Finding(
            name="tied targets",
            severity="serious" if chance.sum() > 0.01 * test else "look" if chance.any() else "info",
            count=int(chance.sum()),
            of=test,
            fact=f"For {int(chance.sum()):,} of {test:,} test cases the tie rule decides which event is the target.",
            advice="Report the tie rule with the number; another rule gives another test set." if chance.any() else "",
        ),
    ]
    return findings + _future(split, times)


def _future(split: Split, times: Int[np.ndarray, " events"]) -> list[Finding]:
    """Training events that happened after what they help to predict."""
    positions, _ = split.train.positions()
    train_times = times[positions]
    train = len(train_times)
    first_test = int(times[split.test.targets.starts].min())
    late = int((train_times >= first_test).sum())
    # The earliest training event of each item, against the moment when a test target asks for it.
    earliest = np.full(len(split.catalog), np.iinfo(np.int64).max)
    np.minimum.at(earliest, split.dataset.log.items[positions], train_times)
    targets, _bounds = split.test.targets.positions()
    items = split.dataset.log.items[targets]
    known = earliest[items] != np.iinfo(np.int64).max
    ahead = known & (earliest[items] > times[targets])
    return [
        Finding(
            name="future events",
            severity="look" if late else "info",
            count=late,
            of=train,
            fact=f"{late:,} of {train:,} training events are not earlier than the first test event "
            f"({100 * late / max(train, 1):.1f} %).",
            advice="A model may learn from the future of other users; check conclusions with global_time."
            if late
            else "",
        ),
        Finding(
            name="future items",
            severity="serious" if ahead.sum() > 0.01 * max(len(items), 1) else "look" if ahead.any() else "info",
            count=int(ahead.sum()),
            of=len(items),
            fact=f"{int(ahead.sum()):,} of {len(items):,} test targets are items whose first training event is later "
            "than the target: at that time nobody could know them.",
            advice="Their popularity comes from the future; global_time does not have this." if ahead.any() else "",
        ),
    ]


def _duplicates(dataset: Dataset) -> list[Finding]:
    log = dataset.log
    user = np.repeat(np.arange(len(log.offsets) - 1), np.diff(log.offsets))
    pair = user * np.int64(max(len(dataset.catalog), 1)) + log.items
    again = len(pair) - len(np.unique(pair))
    keys: list[np.ndarray] = [pair, *(np.asarray(values) for values in log.columns.values())]
    if log.timestamps is not None:
        keys.append(np.asarray(log.timestamps))
    order = np.lexsort(keys[::-1]) if again else np.arange(0)
    equal = np.ones(max(len(order) - 1, 0), dtype=bool)
    for key in keys:
        a, b = key[order[1:]], key[order[:-1]]
        equal &= (a == b) | ((a != a) & (b != b))
    exact = int(equal.sum()) if log.timestamps is not None else 0
    kept = dataset.origin.get("settings", {}).get("duplicates", "keep")
    return [
        Finding(
            name="repeated pairs",
            severity="look" if again else "info",
            count=again,
            of=len(log),
            fact=f"{again:,} of {len(log):,} events repeat an item that the same user had before (policy: {kept}).",
            advice="Decide whether a repeat is a success: duplicates=first removes them." if again else "",
        ),
        Finding(
            name="exact repeats",
            severity="look" if exact else "info",
            count=exact,
            of=len(log),
            fact=f"{exact:,} of {len(log):,} events are equal to another in user, item, time and every column.",
            advice="Most likely logged twice: duplicates=exact removes them." if exact else "",
        ),
    ]


def _overlap(split: Split) -> list[Finding]:
    """Held-out events that are also trained on; a rule of ours never does it, another's might."""
    trained = np.zeros(len(split.dataset.log), dtype=bool)
    trained[split.train.positions()[0]] = True
    found = []
    for name, cases in (("test", split.test), ("validation", split.validation)):
        held = cases.targets.positions()[0]
        both = int(trained[held].sum())
        found.append(
            Finding(
                name=f"{name} in training",
                severity="serious" if both else "info",
                count=both,
                of=len(held),
                fact=f"{both:,} of {len(held):,} {name} events are trained on.",
                advice="The split is broken: numbers on it are worthless." if both else "",
            )
        )
    return found


def _cold(split: Split, counts: Int[np.ndarray, " items"]) -> list[Finding]:
    items = split.test.targets.packed()[0]
    cold = int((counts[items] == 0).sum())
    trained = np.zeros(len(split.dataset.log.offsets) - 1, dtype=bool)
    trained[split.train.users] = True
    new = int((~trained[split.test.histories.users]).sum())
    empty = int((split.test.histories.lengths == 0).sum())
    return [
        Finding(
            name="cold items",
            severity="look" if cold else "info",
            count=cold,
            of=len(items),
            fact=f"{cold:,} of {len(items):,} test targets are items without any training event.",
            advice="A model that knows items by id cannot hit them: an upper bound below 1." if cold else "",
        ),
        Finding(
            name="cold users",
            severity="info",
            count=new,
            of=len(split.test),
            fact=f"{new:,} of {len(split.test):,} test users have no training event ({empty:,} no history either).",
            advice="Models with a vector for each user cannot serve them." if new else "",
        ),
    ]


def _repeats(split: Split) -> list[Finding]:
    """Targets that the seen filter would make impossible."""
    size = np.int64(max(len(split.catalog), 1))
    held, held_bounds = split.test.targets.packed()
    past, past_bounds = split.test.histories.packed()
    held_pairs = np.repeat(np.arange(len(split.test)), np.diff(held_bounds)) * size + held
    past_pairs = np.repeat(np.arange(len(split.test)), np.diff(past_bounds)) * size + past
    seen = int(np.isin(held_pairs, past_pairs).sum())
    return [
        Finding(
            name="repeated targets",
            severity="look" if seen else "info",
            count=seen,
            of=len(held),
            fact=f"{seen:,} of {len(held):,} test targets are in the user's own history.",
            advice="With the seen filter they cannot be hit; without it a model may just repeat." if seen else "",
        )
    ]


def _short(dataset: Dataset, split: Split) -> list[Finding]:
    users = len(dataset.log.offsets) - 1
    untested = users - len(np.unique(split.test.histories.users))
    return [
        Finding(
            name="untested users",
            severity="info",
            count=untested,
            of=users,
            fact=f"{untested:,} of {users:,} users are not in the test.",
        )
    ]


def _user_ends(split: Split) -> Int[np.ndarray, " cases"]:
    ends: np.ndarray = split.dataset.log.offsets[1:][split.test.histories.users]
    return ends


def _gini(counts: Int[np.ndarray, " items"]) -> float:
    total, items = counts.sum(), len(counts)
    if total == 0:
        return 0.0
    ranks = np.arange(1, items + 1)
    return float((2 * (ranks * np.sort(counts)).sum() / (items * total)) - (items + 1) / items)
