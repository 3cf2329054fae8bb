"""Rows that are sorted by something are found, and rows in no order are not."""

import re

import numpy as np
import polars as pl
import pytest

from segue.core.tables import Catalog, Dataset, InteractionLog
from segue.data.sorted_rows import most_sorted

USERS, EVENTS, ITEMS = 120, 20, 300


def log_of(sort, ids=None, words=(), **columns) -> Dataset:
    """Random events, each user's rows in the order that `sort` says of its items and columns."""
    rng = np.random.default_rng(0)
    items = rng.integers(0, ITEMS, (USERS, EVENTS))
    further = {name: rng.integers(0, size, (USERS, EVENTS)) for name, size in columns.items()}
    order = np.stack(
        [sort(rng, items[user], {name: one[user] for name, one in further.items()}) for user in range(USERS)]
    )
    log = InteractionLog(
        items=np.take_along_axis(items, order, 1).reshape(-1),
        offsets=np.arange(USERS + 1) * EVENTS,
        users=pl.DataFrame({"user_id": [f"u{user}" for user in range(USERS)]}),
        columns={name: np.take_along_axis(one, order, 1).reshape(-1) for name, one in further.items()},
    )
    catalog = Catalog(pl.DataFrame({"item_id": ids or [str(item) for item in range(ITEMS)]}))
    return Dataset("small", log, catalog, "none", {"ordered": "rows", "words": dict(words)})


def by_item(rng, items, columns):
    return np.argsort(items, kind="stable")


def by_kind(rng, items, columns):
    return np.argsort(columns["kind"], kind="stable")


def shuffled(rng, items, columns):
    return rng.permutation(len(items))


def hashed() -> list[str]:
    return [f"{hash_:x}" for hash_ in np.random.default_rng(1).permutation(1 << 20)[:ITEMS].tolist()]


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        (log_of(by_item), r"the item id rises in 100% of [\d,]+ neighbouring rows"),
        (log_of(lambda rng, items, columns: by_item(rng, -items, columns)), r"the item id falls in 100%"),
        (log_of(by_item, ids=hashed()), r"the place where the file has an item first rises in 100%"),
        (log_of(by_kind, kind=4), r"the column 'kind' rises in 100%"),
        (log_of(by_kind, words={"kind": ["view", "cart", "buy", "wish"]}, kind=4), r"the column 'kind' rises in 100%"),
    ],
)
def test_what_rows_are_sorted_by_is_named(dataset, said):
    found = most_sorted(dataset)
    assert found is not None
    assert found.strength > 0.99
    assert re.match(said, found.words), found.words


def test_blocks_of_equal_values_are_found_in_any_order():
    def in_blocks(rng, items, columns):
        return np.argsort(rng.permutation(4)[columns["kind"]], kind="stable")

    found = most_sorted(log_of(in_blocks, kind=4))
    assert found is not None
    assert found.strength == 1
    assert "equal values of the column 'kind' stand together" in found.words


@pytest.mark.parametrize("ids", [None, hashed()])
def test_rows_in_no_order_follow_nothing(ids):
    found = most_sorted(log_of(shuffled, ids=ids, kind=4, weight=1000))
    assert found is not None
    assert found.strength < 0.2


def test_of_few_rows_nothing_is_said():
    dataset = log_of(by_item)
    log = InteractionLog(dataset.log.items[:20], np.array([0, 20]), dataset.log.users[:1])
    assert most_sorted(Dataset("tiny", log, dataset.catalog, "none")) is None
