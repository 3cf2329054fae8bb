import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.data.events import Span, in_order

WIDE = st.integers(-(2**62), 2**62)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3) | WIDE), max_size=40))
def test_the_order_is_pythons_stable_one(events):
    piece = {
        "user": np.array([user for user, _ in events], dtype=np.int32),
        "time": np.array([time for _, time in events], dtype=np.int64),
    }
    assert in_order(piece, "time").tolist() == sorted(range(len(events)), key=lambda i: events[i])
    assert in_order(piece, None).tolist() == sorted(range(len(events)), key=lambda i: events[i][0])


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, -128], "int8"),
        ([128], "int16"),
        ([40_000], "int32"),
        ([2.0**40], "int64"),
        ([0.5], "float32"),
        ([0.1], "float64"),
        ([1, float("nan")], "float32"),
        ([2.0**60], "float32"),
    ],
)
def test_the_narrowest_type_that_keeps_every_value(values, dtype):
    span = Span()
    span.see(np.array(values, dtype=np.float64))
    assert span.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(
        np.array(values).astype(span.dtype).astype(np.float64), np.array(values, dtype=np.float64)
    )
