"""The k best of many scores are those of a stable sort."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segue.kernels.top_k import CHUNK, padded_scores, top_k

SCORES = st.sampled_from([-float("inf"), -2.0, -0.0, 0.0, 1e-30, 0.5, 0.5000001, 3.0, 3e38])


@given(st.lists(SCORES, min_size=1, max_size=3 * CHUNK), st.integers(1, 400), st.data())
def test_it_is_a_stable_sort(drawn: list[float], k: int, data) -> None:
    shift = data.draw(st.integers(0, len(drawn) - 1))
    rows = torch.tensor([drawn, drawn[shift:] + drawn[:shift]])
    scores = padded_scores(2, len(drawn), torch.device("cpu"))
    scores[:, : len(drawn)] = rows
    values, columns = top_k(scores, k)
    wanted = torch.sort(scores, dim=1, descending=True, stable=True)
    assert torch.equal(values, wanted.values[:, :k])
    assert torch.equal(columns, wanted.indices[:, :k])


def test_many_different_scores() -> None:
    scores = torch.randn(5, 40 * CHUNK, generator=torch.Generator().manual_seed(0))
    values, columns = top_k(scores, 50)
    wanted = torch.sort(scores, dim=1, descending=True, stable=True)
    assert torch.equal(values, wanted.values[:, :50])
    assert torch.equal(columns, wanted.indices[:, :50])


def test_both_zeros_tie() -> None:
    scores = padded_scores(1, 3, torch.device("cpu"))
    scores[0, :3] = torch.tensor([-0.0, 0.0, -0.0])
    assert top_k(scores, 3)[1].tolist() == [[0, 1, 2]]


def test_a_list_longer_than_the_row_is_the_whole_row() -> None:
    values, columns = top_k(padded_scores(1, 5, torch.device("cpu")), 1000)
    assert values.shape == columns.shape == (1, CHUNK)


def test_a_score_that_is_no_number_is_an_error() -> None:
    scores = padded_scores(2, 300, torch.device("cpu"))
    scores[1, 299] = torch.nan
    with pytest.raises(FloatingPointError, match="diverged"):
        top_k(scores, 3)
