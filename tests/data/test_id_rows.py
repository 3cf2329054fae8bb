"""Ids are found whatever their hashes are."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.data.id_rows import IdRows

IDS = st.lists(st.text("abcé", max_size=3), unique=True)


@given(ids=IDS, asked=st.lists(st.text("abcé", max_size=3)))
def test_as_a_dictionary_finds_them(ids: list[str], asked: list[str]) -> None:
    known = {one: row for row, one in enumerate(ids)}
    assert IdRows(pl.Series(ids, dtype=pl.String)).rows(asked).tolist() == [known.get(one, -1) for one in asked]


@given(ids=IDS, asked=st.lists(st.text("abcé", max_size=3)))
def test_also_where_many_have_one_hash(ids: list[str], asked: list[str]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(pl.Series, "hash", lambda series: series.str.len_chars().cast(pl.UInt64))
        test_as_a_dictionary_finds_them.hypothesis.inner_test(ids, asked)


def test_numbers_are_text() -> None:
    assert IdRows(pl.Series([7, 8])).rows(["8", "9"]).tolist() == [1, -1]
    assert isinstance(IdRows(pl.Series(["a"])).rows([]), np.ndarray)
