"""Attention over packed rows: the fast path is the definition, and the definition is a loop."""

import math

import pytest
import torch
from torch import Tensor

from kernels.packed import LENGTHS, UnwrittenIsNaN, normal, rows_of
from segue.core.batches import Rows
from segue.kernels import use
from segue.kernels.packed_attention import packed_attention


def slowly(qkv: Tensor, rows: Rows, causal: bool) -> Tensor:
    """Token by token and head by head."""
    tokens, _, heads, size = qkv.shape
    out = torch.zeros(tokens, heads, size, dtype=qkv.dtype)
    for row in range(len(rows)):
        first, stop = int(rows.offsets[row]), int(rows.offsets[row + 1])
        for token in range(first, stop):
            seen = range(first, token + 1 if causal else stop)
            for head in range(heads):
                logits = torch.stack([qkv[token, 0, head] @ qkv[key, 1, head] / math.sqrt(size) for key in seen])
                values = torch.stack([qkv[key, 2, head] for key in seen])
                out[token, head] = torch.softmax(logits, 0) @ values
    return out.flatten(1)


def both(implementation: str, qkv: Tensor, rows: Rows, causal: bool) -> tuple[Tensor, Tensor]:
    """The output and the gradient of a weighted sum of it."""
    qkv = qkv.detach().clone().requires_grad_()
    with use(implementation):
        out = packed_attention(qkv, rows, causal=causal)
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
    (out * weights).sum().backward()
    assert qkv.grad is not None
    return out.detach(), qkv.grad


@pytest.mark.parametrize("causal", [True, False])
def test_the_definition_is_a_loop(causal: bool) -> None:
    rows = rows_of((1, 4, 3))
    qkv = normal(8, 3, 2, 3, dtype=torch.float64)
    with use("reference"):
        torch.testing.assert_close(packed_attention(qkv, rows, causal=causal), slowly(qkv, rows, causal))


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("causal", [True, False])
def test_the_fast_path_is_the_definition(lengths: tuple[int, ...], heads: int, causal: bool) -> None:
    rows, qkv = rows_of(lengths), normal(sum(lengths), 3, heads, 8)
    wanted, slope = both("reference", qkv, rows, causal)
    with UnwrittenIsNaN():
        found, fast_slope = both("cpu", qkv, rows, causal)
    torch.testing.assert_close(found, wanted, atol=2e-6, rtol=1e-5)
    torch.testing.assert_close(fast_slope, slope, atol=1e-5, rtol=1e-4)


def test_pieces_of_one_row_each_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, qkv = rows_of((7, 7, 7)), normal(21, 3, 2, 8)
    whole = both("cpu", qkv, rows, True)
    monkeypatch.setattr("segue.kernels.packed_attention.cpu.CHUNK_BYTES", 1)
    torch.testing.assert_close(both("cpu", qkv, rows, True), whole)


@pytest.mark.parametrize("causal", [True, False])
def test_gradients_by_finite_differences(causal: bool) -> None:
    rows, qkv = rows_of((1, 3, 2)), normal(6, 3, 2, 4, dtype=torch.float64)
    with use("cpu"):
        assert torch.autograd.gradcheck(lambda one: packed_attention(one, rows, causal=causal), qkv)


def test_bfloat16_stays_near() -> None:
    rows, qkv = rows_of((5, 16, 16)), normal(37, 3, 2, 8)
    wanted, slope = both("reference", qkv, rows, True)
    found, fast_slope = both("cpu", qkv.bfloat16(), rows, True)
    assert found.dtype == fast_slope.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), wanted, atol=0.05, rtol=0.05)
    torch.testing.assert_close(fast_slope.float(), slope, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("lengths", [lengths for lengths in LENGTHS if lengths], ids=str)
def test_a_bias_by_place_and_its_gradient(lengths: tuple[int, ...]) -> None:
    rows, qkv = rows_of(lengths), normal(sum(lengths), 3, 2, 8)
    longest = max(lengths, default=0)
    found = {}
    for implementation in ("reference", "cpu"):
        bias, own = normal(2, longest, longest, seed=1), qkv.detach().clone().requires_grad_()
        with use(implementation):
            out = packed_attention(own, rows, causal=False, scale=0.7, bias=bias)
        (out * torch.linspace(-1, 1, out.numel()).view(out.shape)).sum().backward()
        assert bias.grad is not None
        assert own.grad is not None
        found[implementation] = out.detach(), own.grad, bias.grad
    for one, other in zip(found["cpu"], found["reference"], strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_the_bias_is_added_to_the_logits_by_place() -> None:
    rows, qkv = rows_of((3,)), torch.zeros(3, 3, 1, 2)
    qkv[:, 2, 0, 0] = torch.tensor([1.0, 2.0, 3.0])
    bias = torch.log(torch.tensor([[[1.0, 1.0, 2.0], [1.0, 3.0, 4.0], [2.0, 2.0, 4.0]]]))
    for implementation in ("reference", "cpu"):
        with use(implementation):
            out = packed_attention(qkv, rows, causal=False, scale=1.0, bias=bias)
        torch.testing.assert_close(out[:, 0], torch.tensor([9 / 4, 19 / 8, 18 / 8]))
