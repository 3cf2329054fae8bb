"""Whether two runs speak of the same items: who shares a memory of events has to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

SHOWN = 3
"""Ids that are named at most."""


def difference(before: Sequence[str], now: Sequence[str], added: Collection[str] = ()) -> str | None:
    """What is different between two catalogs, in words; None where they hold the same items.

    Args:
        added: items that came later than the first catalog; the second may have them or not.
    """
    old, new = set(before), set(now)
    gone, come = [one for one in before if one not in new], [one for one in now if one not in old and one not in added]
    if not gone and not come:
        return None
    words = [f"{len(before):,} items against {len(now):,}"]
    if len(gone) == len(before):
        words.append(f"none in common (first: {before[0]!r} against {now[0]!r})" if now else "none in common")
    else:
        words += [f"{len(gone):,} are missing (first: {_first(gone)})"] if gone else []
        words += [f"{len(come):,} are new (first: {_first(come)})"] if come else []
    return ", ".join(words)


def _first(ids: Iterable[str]) -> str:
    return ", ".join(repr(one) for one in list(ids)[:SHOWN])
