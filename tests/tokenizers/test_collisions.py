from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.core.codes import ItemCodes
from segue.core.errors import DataError
from segue.tokenizers.collisions import (
    CollisionPolicy,
    ExtraCode,
    NearestFreeCode,
    PopularityOrder,
    Quantized,
    SinkhornReassignment,
    collision_rates,
    places,
    prefix_numbers,
    residual_costs,
)

BOOKS = [np.array([[0.0], [10.0]], dtype=np.float32), np.array([[0.0], [1.0], [2.0]], dtype=np.float32)]
"""Two levels on a line: tens, and ones up to two."""
SIX = np.array([0.1, 0.2, 0.3, 11.0, 11.6, 11.4], dtype=np.float32)
"""Three items at (0, 0); one at (1, 1), one at (1, 2), and another at (1, 1)."""
POPULARITY = np.array([5, 9, 1, 2, 3, 4])


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def quantized(points: np.ndarray, books: list[np.ndarray] = BOOKS) -> Quantized:
    costs = residual_costs(points[:, None] if points.ndim == 1 else points, books)
    codes = np.zeros((len(points), 0), dtype=np.int64)
    for _ in books:
        codes = np.column_stack([codes, costs(np.arange(len(points)), codes).argmin(1)])
    return Quantized(codes, tuple(map(len, books)), costs)


def test_the_six_items_are_as_described() -> None:
    assert quantized(SIX).codes.tolist() == [[0, 0], [0, 0], [0, 0], [1, 1], [1, 2], [1, 1]]


def test_costs_are_squared_distances_to_prefix_and_code() -> None:
    costs = quantized(SIX).costs(np.array([3, 0]), np.array([[0], [1]]))
    assert costs == pytest.approx(np.array([[121.0, 100.0, 81.0], [9.9**2, 10.9**2, 11.9**2]]), rel=1e-4)


def test_rates_by_depth_count_missing_prefixes() -> None:
    assert collision_rates(quantized(SIX).codes, (2, 3)) == [pytest.approx(4 / 6), pytest.approx(3 / 6)]


def test_places_go_by_popularity_and_then_by_row() -> None:
    assert places(np.array([7, 7, 3, 7]), np.array([1, 2, 0, 2])).tolist() == [2, 0, 0, 1]


def test_prefix_numbers_do_not_overflow_with_many_levels() -> None:
    codes = np.random.default_rng(0).integers(256, size=(50, 40))
    codes[7] = codes[3]
    last = prefix_numbers(codes, (256,) * 40)[-1]
    assert len(np.unique(last)) == 49
    assert last[7] == last[3]


def test_extra_code_counts_by_popularity() -> None:
    codes, notes = ExtraCode(room=2).resolve(quantized(SIX), POPULARITY, rng())
    assert codes.codes.tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 2], [1, 1, 1], [1, 2, 0], [1, 1, 0]]
    assert codes.sizes == (2, 3, 5)
    assert notes["levels_added"] == 1
    assert notes["moved"] == 0
    assert notes["collision_rate_before"] == [pytest.approx(4 / 6), pytest.approx(3 / 6)]
    assert notes["collision_rate_after"] == 0


def test_extra_code_admits_until_a_tuple_is_full_and_then_goes_next_door() -> None:
    policy = ExtraCode(room=0)
    codes, _ = policy.resolve(quantized(SIX), POPULARITY, rng())
    new = quantized(np.array([0.0, 0.4, 11.0], dtype=np.float32))
    assert policy.admit(codes, new).tolist() == [[0, 1, 0], [0, 1, 1], [1, 1, 2]]


def test_popularity_order_shares_and_lists_the_most_popular_first() -> None:
    codes, notes = PopularityOrder().resolve(quantized(SIX), POPULARITY, rng())
    assert codes.codes.tolist() == quantized(SIX).codes.tolist()
    assert codes.weights is not None
    assert codes.weights.tolist() == POPULARITY.tolist()
    assert codes.find(np.array([[0, 0], [1, 1]])).tolist() == [1, 5]
    assert notes["collision_rate_after"] == pytest.approx(3 / 6)
    assert PopularityOrder().admit(codes, quantized(SIX[:1])).tolist() == [[0, 0]]


def test_nearest_free_code_keeps_the_prefix_and_the_most_popular() -> None:
    codes, notes = NearestFreeCode().resolve(quantized(SIX), POPULARITY, rng())
    # Item 1 stays at (0, 0); item 0 chooses next and takes (0, 1), item 2 what is left; item 5 stays, item 3 (at 11)
    # finds 12 taken and goes to 10.
    assert codes.codes.tolist() == [[0, 1], [0, 0], [0, 2], [1, 0], [1, 2], [1, 1]]
    assert notes["moved"] == 3
    extra = (0.9**2 - 0.1**2) + (1.7**2 - 0.3**2) + 1.0
    assert notes["extra_distance"] == pytest.approx(extra / 3, rel=1e-4)


def test_a_full_prefix_sends_the_least_popular_next_door() -> None:
    points = np.array([0.0, 0.1, 0.2, 0.3, 11.0], dtype=np.float32)
    codes, _ = NearestFreeCode().resolve(quantized(points), np.array([4, 3, 2, 1, 9]), rng())
    assert codes.codes.tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1]]


def test_more_items_than_tuples_is_an_error_that_says_so() -> None:
    with pytest.raises(DataError, match="7 items do not fit into 6 tuples"):
        NearestFreeCode().resolve(quantized(np.zeros(7, dtype=np.float32)), np.arange(7), rng())
    full, _ = NearestFreeCode().resolve(quantized(np.zeros(6, dtype=np.float32)), np.arange(6), rng())
    with pytest.raises(DataError, match="set a larger size"):
        NearestFreeCode().admit(full, quantized(np.zeros(1, dtype=np.float32)))


def test_sinkhorn_deals_a_tuple_out_and_moves_nobody_else() -> None:
    before = quantized(SIX)
    codes, notes = SinkhornReassignment().resolve(before, POPULARITY, rng())
    assert codes.codes[4].tolist() == [1, 2]
    assert sorted(codes.codes[:3].tolist()) == [[0, 0], [0, 1], [0, 2]]
    assert codes.codes[0].tolist() != codes.codes[2].tolist()
    assert len(np.unique(codes.codes, axis=0)) == 6
    assert notes["levels_added"] == 0


def test_sinkhorn_keeps_the_items_order_along_the_line() -> None:
    books = [BOOKS[0], np.arange(5, dtype=np.float32)[:, None]]
    points = np.array([2.2, 1.8, 1.6], dtype=np.float32)  # all at (0, 2); the middle one has the mildest wishes
    codes, _ = SinkhornReassignment(rounds=1).resolve(quantized(points, books), np.ones(3, dtype=int), rng())
    assert codes.codes[0, 1] > codes.codes[1, 1] > codes.codes[2, 1]


def test_equal_vectors_are_told_apart_by_sinkhorn_or_by_what_comes_then() -> None:
    points = np.full(3, 0.2, dtype=np.float32)
    for policy in (SinkhornReassignment(then=PopularityOrder()), SinkhornReassignment(rounds=1)):
        codes, _ = policy.resolve(quantized(points), np.ones(3, dtype=int), rng())
        assert sorted(codes.codes.tolist()) == [[0, 0], [0, 1], [0, 2]]
    shared, _ = SinkhornReassignment(rounds=1, then=PopularityOrder()).resolve(
        quantized(np.full(7, 0.2, dtype=np.float32)), np.arange(7), rng()
    )
    assert shared.weights is not None  # seven items have three codes


@pytest.mark.parametrize(
    "policy",
    [ExtraCode(), PopularityOrder(), NearestFreeCode(), SinkhornReassignment()],
    ids=lambda policy: policy.kind(),
)
@given(data=st.data())
def test_items_differ_and_newcomers_move_nobody(policy: CollisionPolicy, data: st.DataObject) -> None:
    items, new = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 20))
    draws = np.random.default_rng(data.draw(st.integers(0, 1000)))
    books = [draws.normal(size=(4, 2)).astype(np.float32) / 2**level for level in range(3)]  # 64 tuples
    points = draws.normal(size=(items + new, 2)).astype(np.float32).round(1)
    popularity = draws.integers(5, size=items)
    codes, notes = policy.resolve(quantized(points[:items], books), popularity, rng())
    admitted = policy.admit(codes, quantized(points[items:], books))
    everybody = codes.extended(admitted)
    assert isinstance(everybody, ItemCodes)
    if not isinstance(policy, PopularityOrder):
        assert len(np.unique(everybody.codes, axis=0)) == items + new
        assert notes["collision_rate_after"] == 0
    if isinstance(policy, NearestFreeCode):
        stayed = (codes.codes == quantized(points[:items], books).codes).all(1)
        assert notes["moved"] == int((~stayed).sum())
        assert notes["extra_distance"] >= 0
        assert stayed.sum() == len(np.unique(quantized(points[:items], books).codes, axis=0))
