"""Requests can be chosen, and what a ranker was built for survives as a tensor."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segue.core.impressions import Field, Impressions, Schema
from segue.core.tables import Histories


def requests(sizes: list[int]) -> Impressions:
    """Request r shows items 10 r, 10 r + 1, ... after r events."""
    count = len(sizes)
    items = [10 * row + place for row, size in enumerate(sizes) for place in range(size)]
    return Impressions(
        histories=Histories(
            items=np.arange(count), starts=np.zeros(count, dtype=int), ends=np.arange(count), users=np.arange(count)
        ),
        actions=np.ones((count, 1), dtype=np.int8),
        items=np.array(items, dtype=np.int64),
        bounds=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        labels=np.array(items, dtype=np.int8)[:, None] % 2,
        events=np.array(items, dtype=np.int64) + 100,
        features={"place": np.array(items, dtype=np.int64)},
    )


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6), st.data())
def test_chosen_requests_bring_what_was_shown_in_them(sizes: list[int], data) -> None:
    whole = requests(sizes)
    rows = data.draw(st.lists(st.integers(0, len(sizes) - 1), max_size=6))
    some = whole.take(np.array(rows, dtype=np.int64))
    wanted = [10 * row + place for row in rows for place in range(sizes[row])]
    assert some.items.tolist() == wanted
    assert some.events.tolist() == [item + 100 for item in wanted]
    assert some.features["place"].tolist() == wanted
    assert some.labels[:, 0].tolist() == [item % 2 for item in wanted]
    assert some.sizes.tolist() == [sizes[row] for row in rows]
    assert some.owners.tolist() == [new for new, row in enumerate(rows) for _ in range(sizes[row])]
    assert some.histories.ends.tolist() == rows
    assert whole.items[whole.shown_of(np.array(rows, dtype=np.int64))].tolist() == wanted


def test_a_schema_survives_as_a_tensor() -> None:
    schema = Schema(7, ("click", "gefällt"), ("click",), (Field("brand", "item", 4), Field("hour", "place", 0)))
    assert Schema.from_tensor(schema.to_tensor()) == schema
    assert Schema.from_tensor(replace(schema, items=8).to_tensor()) != schema
    assert [one.name for one in schema.fields_of("place")] == ["hour"]
