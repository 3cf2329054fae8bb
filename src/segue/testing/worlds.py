"""Small worlds with a known answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from segue.core.seeding import numpy_generator
from segue.core.tables import Cases, Catalog, Dataset, InteractionLog, Split


def ring(users: int = 256, items: int = 20, longest: int = 30, seed: int = 0) -> Split:
    """Everybody walks around the ring of items one step at a time: the next item is known for certain.

    Each user starts anywhere and takes 5 to `longest` steps. The last step is the test, the one before the validation.
    Histories go round and round, so items of the history must be allowed in the answer.
    """
    rng = numpy_generator(seed, "ring")
    lengths = rng.integers(5, longest + 1, users)
    starts = rng.integers(0, items, users)
    walks = [(start + np.arange(length)) % items for start, length in zip(starts, lengths, strict=True)]
    return leave_two_out("ring", np.concatenate(walks), lengths, items)


def two_tastes(users: int = 256, items: int = 20, seed: int = 0) -> Split:
    """Half of the users only take items of the first half, the others only of the second; order means nothing.

    Every user has half of the items of the taste, each once: what comes next is one of the taste's other items.
    """
    rng = numpy_generator(seed, "two tastes")
    half = items // 2
    tastes = rng.integers(0, 2, users)
    walks = [taste * half + rng.permutation(half)[: half // 2 + 2] for taste in tastes]
    return leave_two_out("two tastes", np.concatenate(walks), np.full(users, half // 2 + 2), items)


def leave_two_out(name: str, walks: np.ndarray, lengths: np.ndarray, items: int) -> Split:
    """Walks as a dataset with a minute between events; the last event is the test, the one before the validation."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    log = InteractionLog(
        items=walks.astype(np.int32),
        offsets=offsets,
        users=pl.DataFrame({"user_id": [f"user {row}" for row in range(len(lengths))]}),
        timestamps=60 * np.arange(len(walks)),
    )
    titles = [f"Item {row}" for row in range(items)]
    catalog = Catalog(pl.DataFrame({"item_id": [f"i{row}" for row in range(items)], "title": titles}))
    whole = log.histories()
    before, late = replace(whole, ends=whole.ends - 2), replace(whole, ends=whole.ends - 1)
    return Split(
        dataset=Dataset(name, log, catalog, digest=name),
        rule="leave-two-out",
        train=before,
        validation=Cases(before, whole.ends - 1),
        test=Cases(late, whole.ends),
    )
