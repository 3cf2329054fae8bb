"""What an audit finds in a log itself: what was dropped, what the order of events is worth, repeats, what counts."""

from __future__ import annotations

import numpy as np

from segue.core.impressions import RankingSplit
from segue.core.shapes import Bool, Int
from segue.core.tables import Dataset, Split
from segue.data.finding import Finding, Severity, grave
from segue.data.given_split import own_cut
from segue.data.order import ordered_by
from segue.data.preparation import ALL
from segue.data.sorted_rows import most_sorted
from segue.data.wanted import flags_of

SORTED, PERHAPS_SORTED = 0.8, 0.4
"""Strengths of an order of rows from which on it is certain, and worth a look."""


def of_log(dataset: Dataset, split: Split) -> list[Finding]:
    """All of them."""
    ranks = isinstance(split, RankingSplit)
    return [
        *_dropped(dataset),
        *_exposures(dataset),
        *([] if ranks else _wanted(dataset)),
        *_order(dataset, split),
        *_own_cut(dataset, split),
        *_duplicates(dataset),
    ]


def _dropped(dataset: Dataset) -> list[Finding]:
    """What the preparation left out, and what it noted."""
    origin = dataset.origin
    rows = int(origin.get("rows", len(dataset.log)))
    found = []
    for reason, count in dict(origin.get("dropped", {})).items():
        chosen = reason in ("not positive", "below the core")
        severe: Severity = "look" if count and not chosen else "info"
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


def _wanted(dataset: Dataset) -> list[Finding]:
    """Whether rows count that their own columns say nobody wanted."""
    flags, rows, found = flags_of(dataset), len(dataset.log), []
    settings = dataset.origin.get("settings", {})
    if flags.positive and dataset.exposures is None:
        first = flags.positive[0]
        zeros = int((np.asarray(dataset.log.columns[first]) == 0).sum())
        asked = settings.get("positive") == ALL
        found.append(
            Finding(
                name="shown and not taken",
                severity="info" if asked else "serious",
                count=zeros,
                of=rows,
                fact=f"Every row counts as an event, also the {zeros:,} of {rows:,} whose '{first}' is 0 "
                f"(columns of zeros and ones: {', '.join(flags.positive)}).",
                advice=""
                if asked
                else f'Say what counts with data.positive="{first} == 1", or data.positive={ALL}; a prepared folder '
                "has to be prepared again.",
            )
        )
    for name in flags.dislikes:
        count = int((np.asarray(dataset.log.columns[name]) == 1).sum())
        found.append(
            Finding(
                name=f"disliked: {name}",
                severity=grave(count, rows),
                count=count,
                of=rows,
                fact=f"{count:,} of {rows:,} events count as wanted, and '{name}' = 1 says that they were not.",
                advice=f'Leave them out with data.positive="{_also(settings.get("positive"))}{name} == 0".',
            )
        )
    return found


def _also(positive: str | None) -> str:
    return f"{positive} and " if positive not in (None, ALL) else ""


def _order(dataset: Dataset, split: Split) -> list[Finding]:
    """What is known of the order of events, and whether a split needs it."""
    ordered, rows = ordered_by(dataset), len(dataset.log)
    drawn = ordered_by(split.dataset) == "drawn"
    needed = not drawn and not split.rule.startswith("given")
    if ordered == "rows":
        grave_here: Severity = "serious" if needed else "look"
        return [
            Finding(
                name="no times",
                severity=grave_here,
                count=rows,
                of=rows,
                fact="Nobody knows the order of events: there is no column of times and none of the order"
                + (", and the last row of a user is taken for the last event." if needed else "."),
                advice="Name the time with data.time=..., or draw what is held out with split=random_holdout."
                if needed
                else "Systems that read sequences learn an order that means nothing here.",
            ),
            _sorted(dataset, needed=needed),
        ]
    if dataset.log.timestamps is None:
        return [
            Finding(
                name="no times",
                severity="look",
                count=rows,
                of=rows,
                fact="Clock times are not known, only the order of each user's events.",
                advice="Ties and future events cannot be checked; do not use models that need time.",
            )
        ]
    if split.dataset.log.timestamps is None:
        return [
            Finding(
                name="times not used",
                severity="look",
                count=rows,
                of=rows,
                fact="The log has times and this split does not go by them: what is learnt may be later than what is "
                "asked.",
                advice="Check conclusions with leave_one_out or global_time.",
            )
        ]
    return []


def _sorted(dataset: Dataset, *, needed: bool) -> Finding:
    found, rows = most_sorted(dataset), len(dataset.log)
    certain = found is not None and found.strength >= SORTED
    if found is None or found.strength < PERHAPS_SORTED:
        return Finding(
            name="sorted rows",
            severity="info",
            count=0,
            of=rows,
            fact="The rows of a user are not sorted by the item or by any column that is there.",
        )
    return Finding(
        name="sorted rows",
        severity="serious" if certain and needed else "look",
        count=found.pairs,
        of=rows,
        fact=f"The rows of each user {'are' if certain else 'seem to be'} sorted, and not by time: {found.words}.",
        advice="The last row is no last event: use split=random_holdout."
        if needed
        else "What is held out is not chosen by the rows, so that it does no harm to the numbers.",
    )


def _own_cut(dataset: Dataset, split: Split) -> list[Finding]:
    column = own_cut(dataset)
    if column is None or split.rule.startswith("given"):
        return []
    words = dataset.origin["words"][column]
    return [
        Finding(
            name="own cut",
            severity="look",
            count=len(dataset.log),
            of=len(dataset.log),
            fact=f"The log has a cut of its own in the column '{column}' ({', '.join(words)}), which is not used.",
            advice="Follow it with split=given, to stand beside the numbers of others.",
        )
    ]


def _duplicates(dataset: Dataset) -> list[Finding]:
    log = dataset.log
    user = np.repeat(np.arange(len(log.offsets) - 1), np.diff(log.offsets))
    pair = user * np.int64(max(len(dataset.catalog), 1)) + log.items
    again = len(pair) - len(np.unique(pair))
    exact = 0
    if again and log.timestamps is not None:
        several = np.flatnonzero(_repeated(pair))
        keys = [pair[several], *(np.asarray(values)[several] for values in log.columns.values())]
        keys.append(np.asarray(log.timestamps)[several])
        order = np.lexsort(keys[::-1])
        equal = np.ones(max(len(order) - 1, 0), dtype=bool)
        for key in keys:
            a, b = key[order[1:]], key[order[:-1]]
            equal &= (a == b) | ((a != a) & (b != b))
        exact = int(equal.sum())
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
            severity=grave(exact, len(log)),
            count=exact,
            of=len(log),
            fact=f"{exact:,} of {len(log):,} events are equal to another in user, item, time and every column.",
            advice="Most likely logged twice: data.duplicates=exact removes them." if exact else "",
        ),
    ]


def _repeated(values: Int[np.ndarray, " events"]) -> Bool[np.ndarray, " events"]:
    """Where a value stands that stands elsewhere too."""
    order = np.argsort(values, kind="stable")
    same = np.zeros(len(values) + 1, dtype=bool)
    same[1:-1] = values[order[1:]] == values[order[:-1]]
    found = np.zeros(len(values), dtype=bool)
    found[order] = same[1:] | same[:-1]
    return found
