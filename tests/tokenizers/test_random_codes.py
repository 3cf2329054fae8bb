from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.core.errors import DataError
from segue.core.run import Run
from segue.testing.tokenizers import check_tokenizer
from segue.testing.worlds import ring
from segue.tokenizers.random_codes import RandomCodes


@settings(max_examples=8)
@given(items=st.integers(5, 40), levels=st.integers(2, 5), size=st.integers(8, 30))
def test_it_is_a_tokenizer(items: int, levels: int, size: int) -> None:
    check_tokenizer(RandomCodes(levels=levels, size=size), ring(users=8, items=items))


@pytest.mark.parametrize(("levels", "size"), [(2, 8), (3, 4), (4, 256)])
def test_all_tuples_differ_even_when_every_one_is_needed(levels: int, size: int) -> None:
    codes = RandomCodes(levels=levels, size=size).fit(ring(users=8, items=64), Run()).codes
    assert len(np.unique(codes.codes, axis=0)) == 64


def test_each_code_of_a_level_is_about_as_frequent() -> None:
    codes = RandomCodes(levels=8, size=4).fit(ring(users=8, items=4000), Run(seed=3)).codes
    assert codes.sizes == (4,) * 8
    for level in range(8):
        assert np.abs(np.bincount(codes.codes[:, level]) / 4000 - 0.25).max() < 0.03


def test_another_seed_draws_other_tuples() -> None:
    one, two = (RandomCodes().fit(ring(users=8), Run(seed=seed)).codes.codes for seed in (1, 2))
    assert (one != two).any(1).all()


def test_too_few_tuples_are_an_error_with_both_numbers() -> None:
    with pytest.raises(DataError, match="17 items need different tuples, and 2 levels of 4 codes have 16"):
        RandomCodes(levels=2, size=4).fit(ring(users=8, items=17), Run())
    fitted = RandomCodes(levels=2, size=4).fit(ring(users=8, items=16), Run())
    with pytest.raises(DataError, match="17 items"):
        fitted.encode(ring(users=8, items=17).catalog)
