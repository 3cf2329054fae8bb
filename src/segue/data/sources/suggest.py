"""The nearest known name, for errors."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence: `; did you mean 'rating'?`, or a full stop where nothing is near."""
    lowered = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), lowered, n=1)
    return f"; did you mean '{lowered[near[0]]}'?" if near else "."
