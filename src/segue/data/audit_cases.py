"""What an audit finds in the questions that recommenders are asked: ties, the future, repeats, cold items."""

from __future__ import annotations

import numpy as np

from segue.core.shapes import Int
from segue.core.tables import Dataset, Split
from segue.data.finding import Finding, grave

FEW, TOO_FEW = 100, 30
"""Test users below which a number is worth a second look, and below which it is no measurement."""


def of_cases(dataset: Dataset, split: Split, *, seen: bool) -> list[Finding]:
    """All of them.

    Args:
        seen: whether items of the history may be recommended again.
    """
    return [
        *_times(dataset, split),
        *_overlap(split),
        *_cold(split, split.item_counts()),
        *_repeats(dataset, split, seen=seen),
        *_few(split),
        *_short(dataset, split),
    ]


def few(users: int) -> Finding:
    """Whether so many test users can measure anything."""
    margin = 0.98 / max(users, 1) ** 0.5  # of a rate of one half, 1.96 standard errors
    said = "1 test user is" if users == 1 else f"{users:,} test users are"
    return Finding(
        name="test users",
        severity="serious" if users < TOO_FEW else "look" if users < FEW else "info",
        count=users,
        of=users,
        fact=f"{said} no measurement: a hit rate near one half is uncertain by {margin:.2f}."
        if users < FEW
        else f"{users:,} users are tested; a hit rate near one half is uncertain by {margin:.3f}.",
        advice="Bring more users, or do not compare systems on these." if users < FEW else "",
    )


def _times(dataset: Dataset, split: Split) -> list[Finding]:
    """Ties and the future, where clock times are known and the split goes by them."""
    log, times = split.dataset.log, split.dataset.log.timestamps
    if times is None:
        return []
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
            severity=grave(cold, len(items)),
            count=cold,
            of=len(items),
            fact=f"{cold:,} of {len(items):,} test targets are items without any training event.",
            advice="Systems that know items by id learnt nothing of them and hit them by luck alone." if cold else "",
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


def _repeats(dataset: Dataset, split: Split, *, seen: bool) -> list[Finding]:
    """Targets that the seen filter makes impossible."""
    size = np.int64(max(len(split.catalog), 1))
    held, held_bounds = split.test.targets.packed()
    past, past_bounds = split.test.histories.packed()
    held_pairs = np.repeat(np.arange(len(split.test)), np.diff(held_bounds)) * size + held
    past_pairs = np.repeat(np.arange(len(split.test)), np.diff(past_bounds)) * size + past
    repeated = int(np.isin(held_pairs, past_pairs).sum())
    severity = grave(repeated, len(held))
    fact = f"{repeated:,} of {len(held):,} test targets are in the user's own history"
    if not repeated:
        fact, advice = f"{fact}.", ""
    elif seen:
        severity = "look"
        fact, advice = f"{fact}.", "Seen items may return, so that a model may just repeat; a filter makes them misses."
    else:
        fact = f"{fact} and cannot be hit, since items that were seen are left out."
        advice = (
            "Ask with evaluation.seen=true where people take things again; where rows were logged twice, "
            "data.duplicates=exact drops them."
        )
    return [Finding(name="repeated targets", severity=severity, count=repeated, of=len(held), fact=fact, advice=advice)]


def _few(split: Split) -> list[Finding]:
    return [few(len(np.unique(split.test.histories.users)))]


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
