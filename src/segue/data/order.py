"""What is known of the order of a user's events: a clock, a column, or nothing but where the rows happened to stand."""

from __future__ import annotations

from typing import Literal

from segue.core.tables import Dataset

Ordered = Literal["time", "order column", "rows", "drawn", "known"]


def ordered_by(dataset: Dataset) -> Ordered:
    """By what each user's events are in order.

    `rows` says that nobody knows: there is neither a time nor an order column, and files without them are sorted by
    item, by behaviour, by anything. `drawn` is an order that a split drew at random, and `known` that of a dataset that
    was made by a program and not read from a file.
    """
    said = dataset.origin.get("ordered")
    if said in ("time", "order column", "rows", "drawn"):
        ordered: Ordered = said
        return ordered
    if "order column" in str(dataset.origin.get("ties")):
        return "order column"
    if dataset.log.timestamps is not None:
        return "time"
    return "rows" if "ties" in dataset.origin else "known"  # prepared before it was written down
