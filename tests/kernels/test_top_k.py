"""The k best of many scores are those of a stable sort, however the scores are cut into tiles."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from segue.core.errors import RunError
from segue.kernels import top_k
from segue.kernels.top_k import CHUNK, TopK, padded_scores

CPU = torch.device("cpu")
SCORES = st.sampled_from([-float("inf"), -2.0, -0.0, 0.0, 1e-30, 0.5, 0.5000001, 3.0, 3e38])


def best_of(scores: Tensor, k: int, tile: int) -> TopK:
    """The k best when the scores come `tile` columns at a time."""
    best = TopK(len(scores), k, CPU)
    for first in range(0, scores.shape[1], tile):
        some = scores[:, first : first + tile]
        room = padded_scores(len(scores), some.shape[1], CPU)
        room[:, : some.shape[1]] = some
        best.add(room, first)
    return best


def is_a_stable_sort(best: TopK, scores: Tensor, k: int) -> None:
    wanted = torch.sort(scores, dim=1, descending=True, stable=True)
    filled = wanted.values[:, :k] > -torch.inf  # what scores -inf has no column
    assert torch.equal(best.values, wanted.values[:, :k])
    assert torch.equal(best.columns[filled], wanted.indices[:, :k][filled])


@given(st.lists(SCORES, min_size=1, max_size=5 * CHUNK), st.integers(1, 400), st.integers(1, 3), st.data())
def test_it_is_a_stable_sort(drawn: list[float], k: int, chunks: int, data) -> None:
    shift = data.draw(st.integers(0, len(drawn) - 1))
    scores = torch.tensor([drawn, drawn[shift:] + drawn[:shift]])
    k = min(k, len(drawn))
    is_a_stable_sort(best_of(scores, k, chunks * CHUNK), scores, k)


@pytest.mark.parametrize("tile", [CHUNK, 7 * CHUNK, 40 * CHUNK])
@pytest.mark.parametrize("k", [1, 50])
def test_many_different_scores(k: int, tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(top_k, "ROWS", 2)  # several pieces of rows too
    scores = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 40 * CHUNK)).astype(np.float32))
    is_a_stable_sort(best_of(scores, k, tile), scores, k)


@pytest.mark.parametrize("falling", [True, False])
def test_sorted_scores_are_the_easiest_and_the_hardest(falling: bool) -> None:
    scores = torch.arange(20 * CHUNK).float()[None] * (-1 if falling else 1)
    is_a_stable_sort(best_of(scores, 10, CHUNK), scores, 10)


def test_both_zeros_tie() -> None:
    assert best_of(torch.tensor([[-0.0, 0.0, -0.0]]), 3, CHUNK).columns.tolist() == [[0, 1, 2]]


def test_a_later_equal_score_loses() -> None:
    assert best_of(torch.ones(1, 3 * CHUNK), 2, CHUNK).columns.tolist() == [[0, 1]]


def test_a_score_that_is_no_number_is_an_error() -> None:
    scores = torch.zeros(2, 300)
    scores[1, 299] = torch.nan
    with pytest.raises(RunError, match="diverged"):
        best_of(scores, 3, 2 * CHUNK)
