import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from segue.data.ids import IdNumbers, TakenFirst

WORDS = st.one_of(
    st.integers(0, 30).map(str),
    st.sampled_from(["007", "+1", "-1", "1.0", " 1", "", "é", "67108864", "a"]),
    st.text(max_size=3),
)


@given(
    st.lists(st.lists(st.integers(0, 40).map(str), max_size=8), max_size=4),
    st.lists(st.lists(WORDS, max_size=8), max_size=4),
)
def test_numbers_follow_first_appearance_whatever_comes(plain, mixed):
    numbers, first = IdNumbers(), {}
    for batch in [*plain, *mixed]:  # whole numbers first, so that the change to text happens in the middle
        rows = numbers.encode(pl.Series("id", batch, dtype=pl.String))
        assert rows.tolist() == [first.setdefault(word, len(first)) for word in batch]
        assert rows.dtype == np.int32
        assert len(numbers) == len(first)
    assert numbers.ids().to_list() == list(first)


def test_numbers_and_text_of_one_id_are_one():
    numbers = IdNumbers()
    assert numbers.encode(pl.Series([5, 3, 5])).tolist() == [0, 1, 0]
    assert numbers.encode(pl.Series(["3", "x", "5"])).tolist() == [1, 2, 0]
    assert numbers.encode(pl.Series([2**40])).tolist() == [3]
    assert numbers.ids().to_list() == ["5", "3", "x", str(2**40)]


def test_two_sets_of_ids_do_not_mix():
    one, two = IdNumbers(), IdNumbers()
    one.encode(pl.Series(["a", "b"]))
    assert two.encode(pl.Series(["b", "a"])).tolist() == [0, 1]


@given(st.lists(st.lists(st.tuples(WORDS, st.booleans()), max_size=8), max_size=4))
def test_ids_of_rows_that_count_come_first_as_if_alone(batches):
    numbers, alone, found = TakenFirst(), IdNumbers(), []
    for batch in batches:
        ids = pl.Series("id", [word for word, _ in batch], dtype=pl.String)
        taken = np.array([counts for _, counts in batch], dtype=bool)
        found += numbers.encode(ids, taken).tolist()
        alone.encode(ids.filter(taken))
    words = [word for batch in batches for word, _ in batch]
    ids, final = numbers.ids().to_list(), numbers.final()
    assert ids[: numbers.taken] == alone.ids().to_list()
    assert sorted(ids) == sorted(set(words))
    assert [ids[row] for row in final[np.array(found, dtype=np.int64)]] == words
    assert final[-1] == -1  # no id stays none


def test_without_a_mask_every_row_counts():
    numbers = TakenFirst()
    numbers.encode(pl.Series(["b", "a"]))
    assert numbers.taken == len(numbers) == 2
    assert numbers.final().tolist() == [0, 1, -1]
