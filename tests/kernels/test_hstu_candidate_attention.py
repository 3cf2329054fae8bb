"""HSTU's attention of candidates: the fast path is the definition, and the definition is a loop."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import silu

from kernels.packed import LENGTHS, UnwrittenIsNaN, normal, rows_of
from segue.kernels import use
from segue.kernels.hstu_attention import hstu_attention
from segue.kernels.hstu_attention.reference import time_buckets
from segue.kernels.hstu_candidate_attention import hstu_candidate_attention

CONSTANT = 7.0
SHOWN = ((3,), (0,), (70,), (2, 5, 0, 1), (0, 4, 9), (), (3, 0, 1))
"""Candidates of each row of `LENGTHS`."""


class Asked:
    """Everything that one call of `hstu_candidate_attention` needs; each candidate sees some events of its row."""

    def __init__(
        self, lengths: tuple[int, ...], shown: tuple[int, ...], *, timed: bool = True, sorted_: bool = True,
        dtype: torch.dtype = torch.float32,
    ) -> None:  # fmt: skip
        tokens, count = sum(lengths), sum(shown)
        self.rows = rows_of(lengths)
        self.owners = torch.repeat_interleave(torch.arange(len(shown)), torch.tensor(shown, dtype=torch.long))
        drawn = torch.rand(count, generator=torch.Generator().manual_seed(0))
        self.at = (drawn * (self.rows.lengths[self.owners] + 1)).long()
        if sorted_:
            self.at = self.at[(self.owners * 1000 + self.at).argsort()]
        self.q = normal(count, 2, 6, seed=1, dtype=dtype)
        self.k, self.v = normal(tokens, 2, 6, seed=2, dtype=dtype), normal(tokens, 2, 5, seed=3, dtype=dtype)
        self.position_bias = normal(max(lengths, default=0) + 1, seed=4, dtype=dtype)
        self.time_bias = normal(40, seed=5, dtype=dtype) if timed else None
        self.key_times = torch.cumsum(torch.logspace(0, 6, tokens).long(), 0)
        self.query_times = torch.logspace(2, 7, count).long()

    @property
    def leaves(self) -> list[Tensor]:
        return [part for part in (self.q, self.k, self.v, self.position_bias, self.time_bias) if part is not None]

    def out(self, q: Tensor, k: Tensor, v: Tensor, position_bias: Tensor, time_bias: Tensor | None = None) -> Tensor:
        return hstu_candidate_attention(
            q, k, v, self.rows, self.owners, self.at, position_bias=position_bias, time_bias=time_bias,
            query_times=self.query_times, key_times=self.key_times, constant=CONSTANT,
        )  # fmt: skip

    def both(self, implementation: str) -> tuple[Tensor, list[Tensor]]:
        """The output and the gradients of a weighted sum of it."""
        leaves = [leaf.detach().clone().requires_grad_() for leaf in self.leaves]
        with use(implementation):
            out = self.out(*leaves)
        (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)).sum().backward()
        return out.detach(), [leaf.grad if leaf.grad is not None else torch.zeros_like(leaf) for leaf in leaves]


def slowly(asked: Asked) -> Tensor:
    """Candidate by candidate and head by head."""
    out = torch.zeros(len(asked.q), 2, 5, dtype=asked.v.dtype)
    for shown in range(len(asked.q)):
        first, at = int(asked.rows.offsets[asked.owners[shown]]), int(asked.at[shown])
        for place in range(at):
            bias = asked.position_bias[at - place]
            if asked.time_bias is not None:
                apart = asked.query_times[shown] - asked.key_times[first + place]
                bias = bias + asked.time_bias[time_buckets(apart, 40)]
            for head in range(2):
                weight = silu(asked.q[shown, head] @ asked.k[first + place, head] + bias) / CONSTANT
                out[shown, head] += weight * asked.v[first + place, head]
    return out.flatten(1)


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("implementation", ["reference", "cpu"])
def test_the_definition_is_a_loop(timed: bool, implementation: str) -> None:
    asked = Asked((1, 4, 0, 3), (2, 3, 2, 4), timed=timed, dtype=torch.float64)
    with use(implementation), torch.no_grad():
        torch.testing.assert_close(asked.out(*asked.leaves), slowly(asked))


@pytest.mark.parametrize(("lengths", "shown"), list(zip(LENGTHS, SHOWN, strict=True)), ids=str)
@pytest.mark.parametrize(("timed", "sorted_"), [(True, True), (False, True), (True, False)])
def test_the_fast_path_is_the_definition(
    lengths: tuple[int, ...], shown: tuple[int, ...], timed: bool, sorted_: bool
) -> None:
    asked = Asked(lengths, shown, timed=timed, sorted_=sorted_, dtype=torch.float64)
    wanted, slopes = asked.both("reference")
    with UnwrittenIsNaN():
        found, fast_slopes = asked.both("cpu")
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(fast_slopes, slopes)


@pytest.mark.parametrize(("chunk", "strip"), [(1, 64), (2 << 20, 2), (1, 1)])
def test_how_the_work_is_cut_changes_nothing(chunk: int, strip: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked((3, 9, 12), (5, 7, 4), dtype=torch.float64)
    whole = asked.both("cpu")
    monkeypatch.setattr("segue.kernels.hstu_candidate_attention.cpu.CHUNK_BYTES", chunk)
    monkeypatch.setattr("segue.kernels.hstu_candidate_attention.cpu.STRIP", strip)
    torch.testing.assert_close(asked.both("cpu"), whole)


@pytest.mark.parametrize("timed", [True, False])
def test_gradients_by_finite_differences(timed: bool) -> None:
    asked = Asked((1, 3, 0, 2), (2, 3, 1, 2), timed=timed, dtype=torch.float64)
    with use("cpu"):
        assert torch.autograd.gradcheck(asked.out, asked.leaves)


def test_bfloat16_stays_near() -> None:
    asked, half = Asked((5, 16, 16), (3, 9, 9)), Asked((5, 16, 16), (3, 9, 9), dtype=torch.bfloat16)
    wanted, slopes = asked.both("reference")
    found, fast_slopes = half.both("cpu")
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), wanted, atol=0.1, rtol=0.1)
    torch.testing.assert_close(fast_slopes[0].float(), slopes[0], atol=0.1, rtol=0.1)


@pytest.mark.parametrize("implementation", ["reference", "cpu"])
def test_who_sees_nothing_gets_exactly_zero(implementation: str) -> None:
    asked = Asked((4, 0), (3, 2))
    asked.at = torch.tensor([0, 2, 0, 0, 0])
    with use(implementation):
        out = asked.out(*asked.leaves)
    assert (out == 0).all(dim=1).tolist() == [True, False, True, True, True]


@pytest.mark.parametrize("implementation", ["reference", "cpu"])
def test_a_history_that_looks_at_itself_is_the_special_case(implementation: str) -> None:
    asked = Asked((2, 70, 3), (2, 70, 3), dtype=torch.float64)
    places, times = asked.rows.positions, asked.key_times
    with use(implementation), torch.no_grad():
        found = hstu_candidate_attention(
            asked.q, asked.k, asked.v, asked.rows, asked.owners, places + 1, position_bias=asked.position_bias,
            time_bias=asked.time_bias, query_times=times, key_times=times, constant=CONSTANT, places=places,
        )  # fmt: skip
        wanted = hstu_attention(
            asked.q, asked.k, asked.v, asked.rows, position_bias=asked.position_bias, time_bias=asked.time_bias,
            query_times=times, key_times=times, constant=CONSTANT,
        )  # fmt: skip
    torch.testing.assert_close(found, wanted)


def test_value_by_hand() -> None:
    # One key one place before: silu(2 * 2 + 1) / 2 = 2.5 / (1 + e^-5), and the bias of distance 0 is not looked at.
    two, biases = torch.full((1, 1, 1), 2.0), torch.tensor([100.0, 1.0])
    out = hstu_candidate_attention(
        two, two, torch.ones(1, 1, 1), rows_of((1,)), torch.tensor([0]), torch.tensor([1]), position_bias=biases,
        time_bias=None, query_times=None, key_times=None, constant=2.0,
    )  # fmt: skip
    assert out.item() == pytest.approx(2.5 / (1 + torch.tensor(-5.0).exp().item()))


@pytest.mark.parametrize("implementation", ["reference", "cpu"])
def test_pairs_that_meet_are_half_a_square_for_each_flow(implementation: str) -> None:
    # With values that tell keys apart, an output shows the weight of each key.
    count = 9
    ones, steps, rows = torch.ones(count, 1, 1), torch.arange(count), rows_of((count,))
    seen = []
    for at in (steps + 1, steps):
        with use(implementation):
            weights = hstu_candidate_attention(
                ones, ones, torch.eye(count)[:, None], rows, torch.zeros_like(steps), at,
                position_bias=torch.zeros(count + 1), time_bias=None, query_times=None, key_times=None, constant=1.0,
                places=steps,
            )  # fmt: skip
        seen.append(int((weights != 0).sum()))
    assert seen == [count * (count + 1) // 2, count * (count - 1) // 2]
