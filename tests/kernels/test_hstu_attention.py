"""HSTU's attention: the fast path is the definition, and the definition is a loop."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import silu

from kernels.packed import LENGTHS, UnwrittenIsNaN, normal, rows_of
from segue.core.batches import Rows
from segue.kernels import use
from segue.kernels.hstu_attention import hstu_attention
from segue.kernels.hstu_attention.reference import time_buckets, visible

CONSTANT = 7.0


def times_of(tokens: int) -> Tensor:
    """Events at growing distances, from a second to a year."""
    return torch.cumsum(torch.logspace(0, 6, tokens).long(), 0)


class Asked:
    """Everything that one call of `hstu_attention` needs."""

    def __init__(
        self, lengths: tuple[int, ...], *, heads: int = 2, timed: bool = True, candidates: int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:  # fmt: skip
        tokens = sum(lengths)
        self.rows, self.candidates = rows_of(lengths), candidates
        self.q, self.k = normal(tokens, heads, 6, seed=1, dtype=dtype), normal(tokens, heads, 6, seed=2, dtype=dtype)
        self.v = normal(tokens, heads, 5, seed=3, dtype=dtype)
        self.position_bias = normal(64, seed=4, dtype=dtype)
        self.time_bias = normal(40, seed=5, dtype=dtype) if timed else None
        self.times = times_of(tokens) if timed else None

    @property
    def leaves(self) -> list[Tensor]:
        return [part for part in (self.q, self.k, self.v, self.position_bias, self.time_bias) if part is not None]

    def out(self, q: Tensor, k: Tensor, v: Tensor, position_bias: Tensor, time_bias: Tensor | None = None) -> Tensor:
        return hstu_attention(
            q, k, v, self.rows, position_bias=position_bias, time_bias=time_bias, query_times=self.times,
            key_times=self.times, constant=CONSTANT, candidates=self.candidates,
        )  # fmt: skip

    def both(self, implementation: str) -> tuple[Tensor, list[Tensor]]:
        """The output and the gradients of a weighted sum of it."""
        leaves = [leaf.detach().clone().requires_grad_() for leaf in self.leaves]
        with use(implementation):
            out = self.out(*leaves)
        (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)).sum().backward()
        return out.detach(), [leaf.grad if leaf.grad is not None else torch.zeros_like(leaf) for leaf in leaves]


def slowly(asked: Asked) -> Tensor:
    """Token by token and head by head."""
    tokens, heads, size = asked.v.shape
    out = torch.zeros(tokens, heads, size, dtype=asked.v.dtype)
    for row in range(len(asked.rows)):
        first, stop = int(asked.rows.offsets[row]), int(asked.rows.offsets[row + 1])
        for query in range(first, stop):
            for key in range(first, query + 1):
                if key != query and min(key, query) >= stop - asked.candidates:
                    continue
                bias = asked.position_bias[query - key]
                if asked.time_bias is not None and asked.times is not None:
                    bias = bias + asked.time_bias[time_buckets(asked.times[query] - asked.times[key], 40)]
                for head in range(heads):
                    weight = silu(asked.q[query, head] @ asked.k[key, head] + bias) / CONSTANT
                    out[query, head] += weight * asked.v[key, head]
    return out.flatten(1)


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("candidates", [0, 2])
def test_the_definition_is_a_loop(timed: bool, candidates: int) -> None:
    asked = Asked((1, 4, 3), timed=timed, candidates=candidates, dtype=torch.float64)
    with use("reference"), torch.no_grad():
        torch.testing.assert_close(asked.out(*asked.leaves), slowly(asked))


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize(("timed", "candidates"), [(True, 0), (False, 0), (True, 2)])
def test_the_fast_path_is_the_definition(lengths: tuple[int, ...], timed: bool, candidates: int) -> None:
    asked = Asked(lengths, timed=timed, candidates=candidates)
    wanted, slopes = asked.both("reference")
    with UnwrittenIsNaN():
        found, fast_slopes = asked.both("cpu")
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(fast_slopes, slopes, atol=1e-4, rtol=1e-4)


def test_pieces_of_one_row_each_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked((7, 7, 7))
    whole = asked.both("cpu")
    monkeypatch.setattr("segue.kernels.hstu_attention.cpu.CHUNK_BYTES", 1)
    torch.testing.assert_close(asked.both("cpu"), whole)


@pytest.mark.parametrize(("timed", "candidates"), [(True, 0), (False, 1)])
def test_gradients_by_finite_differences(timed: bool, candidates: int) -> None:
    asked = Asked((1, 3, 2), timed=timed, candidates=candidates, dtype=torch.float64)
    with use("cpu"):
        assert torch.autograd.gradcheck(asked.out, asked.leaves)


def test_bfloat16_stays_near() -> None:
    asked, half = Asked((5, 16, 16)), Asked((5, 16, 16), dtype=torch.bfloat16)
    wanted, slopes = asked.both("reference")
    found, fast_slopes = half.both("cpu")
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), wanted, atol=0.1, rtol=0.1)
    torch.testing.assert_close(fast_slopes[0].float(), slopes[0], atol=0.1, rtol=0.1)


def test_values_of_the_time_bucket() -> None:
    seconds = torch.tensor([0, 1, 2, 60, 3600, 86_400, -3600])
    assert time_buckets(seconds, 129).tolist() == [0, 0, 2, 13, 27, 37, 27]
    assert time_buckets(seconds, 20).tolist() == [0, 0, 2, 13, 19, 19, 19]


def test_only_the_seconds_between_events_matter() -> None:
    asked = Asked((1, 4, 9))
    before = asked.both("cpu")
    assert asked.times is not None
    asked.times = asked.times + 1_700_000_000
    torch.testing.assert_close(asked.both("cpu"), before, atol=0, rtol=0)


def test_a_row_of_weights_need_not_sum_to_one() -> None:
    # One key alike its query, no bias, constant 1: the weight is silu(2 * 2) = 4 / (1 + e^-4), which no softmax gives.
    two, zero = torch.full((1, 1, 1), 2.0), torch.zeros(1)
    out = hstu_attention(
        two, two, torch.ones(1, 1, 1), Rows(torch.tensor([0, 1])), position_bias=zero, time_bias=None,
        query_times=None, key_times=None, constant=1.0,
    )  # fmt: skip
    assert out.item() == pytest.approx(4 / (1 + torch.tensor(-4.0).exp().item()))


def test_candidates_see_the_history_and_themselves_but_not_each_other() -> None:
    sees = visible(4, 2, torch.tensor([4]))[0].int().tolist()
    assert sees == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 0, 1]]
