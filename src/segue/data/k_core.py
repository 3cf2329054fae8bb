"""The largest part of a log in which every user and every item has enough events."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from segue.core.shapes import Bool, Int

Pairs = Callable[[int], tuple[Int[np.ndarray, " events"], Int[np.ndarray, " events"]]]
"""Users and items of the events in one group."""


def k_core(
    pairs: Pairs,
    groups: Iterable[int],
    *,
    users: int,
    items: int,
    user_core: int,
    item_core: int,
) -> tuple[list[Bool[np.ndarray, " events"]], Int[np.ndarray, " users"], Int[np.ndarray, " items"]]:
    """For each group which events stay, and the events left of each user and item.

    Only the groups are read, one after another and once a round, so the log may lie on disk.
    """
    groups = list(groups)
    user_counts, item_counts = np.zeros(users, dtype=np.int64), np.zeros(items, dtype=np.int64)
    stays: list[Bool[np.ndarray, " events"]] = []
    for group in groups:
        user, item = pairs(group)
        user_counts += np.bincount(user, minlength=users)
        item_counts += np.bincount(item, minlength=items)
        stays.append(np.ones(len(user), dtype=bool))
    while True:
        few_users = (user_counts < user_core) & (user_counts > 0)
        few_items = (item_counts < item_core) & (item_counts > 0)
        if not few_users.any() and not few_items.any():
            return stays, user_counts, item_counts
        for position, group in enumerate(groups):
            user, item = pairs(group)
            falls = few_items[item]
            falls |= few_users[user]
            falls &= stays[position]
            if falls.any():
                stays[position] &= ~falls
                user_counts -= np.bincount(user[falls], minlength=users)
                item_counts -= np.bincount(item[falls], minlength=items)
