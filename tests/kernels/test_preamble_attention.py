"""A text read once ahead of all rows is the same as the text put before each of them."""

import pytest
import torch
from torch import Tensor

from kernels.packed import LENGTHS, UnwrittenIsNaN, normal, rows_of
from segue.core.batches import Rows
from segue.kernels import use
from segue.kernels.packed_attention import packed_attention
from segue.kernels.preamble_attention import preamble_attention


def repeated(queries: Tensor, keys: Tensor, values: Tensor, rows: Rows, ahead: int, scale: float) -> Tensor:
    """Each row with the preamble before it, alone, and heads that repeat the keys of their group."""
    shared = queries.shape[1] // keys.shape[1]
    qkv = torch.stack([queries, *(part.repeat_interleave(shared, 1) for part in (keys, values))], dim=1)
    out = []
    for first, stop in zip(rows.offsets[:-1].tolist(), rows.offsets[1:].tolist(), strict=True):
        row = torch.cat([qkv[:ahead], qkv[ahead + first : ahead + stop]])
        with use("reference"):
            out.append(packed_attention(row, rows_of((len(row),)), causal=True, scale=scale)[ahead:])
    with use("reference"):
        start = packed_attention(qkv[:ahead], rows_of((ahead,)), causal=True, scale=scale)
    return torch.cat([start, *out]).view(queries.shape)


@pytest.mark.parametrize("implementation", ["reference", "cpu"])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_reading_once_is_reading_it_in_every_row(implementation: str, groups: int) -> None:
    rows, ahead = rows_of((2, 4, 1)), 3
    given = [normal(10, count, 5, seed=seed, dtype=torch.float64) for seed, count in enumerate((4, groups, groups))]
    weights = normal(10, 4, 5, seed=9, dtype=torch.float64).detach()
    with use(implementation):
        found = preamble_attention(*given, rows, ahead, 0.4)
    slopes = torch.autograd.grad((found * weights).sum(), given)
    wanted = repeated(*given, rows, ahead, 0.4)
    torch.testing.assert_close(found, wanted)
    for one, other in zip(slopes, torch.autograd.grad((wanted * weights).sum(), given), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("ahead", [1, 70])
def test_the_fast_path_is_the_definition(lengths: tuple[int, ...], ahead: int) -> None:
    rows, tokens = rows_of(lengths), ahead + sum(lengths)
    results = {}
    for implementation in ("reference", "cpu"):
        given = [normal(tokens, heads, 8, seed=seed) for seed, heads in enumerate((4, 2, 2))]
        with use(implementation), UnwrittenIsNaN():
            found = preamble_attention(*given, rows, ahead, 0.3)
            (found * torch.linspace(-1, 1, found.numel()).view(found.shape)).sum().backward()
        results[implementation] = [found.detach(), *(leaf.grad for leaf in given)]
    for one, other in zip(results["cpu"], results["reference"], strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-4)


def test_many_pieces_of_the_backward_pass_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of((3, 3, 5))
    slopes = []
    for size in (1, 2 << 20):
        monkeypatch.setattr("segue.kernels.preamble_attention.cpu.CHUNK_BYTES", size)
        given = [normal(15, 2, 4, seed=seed) for seed in range(3)]
        with use("cpu"):
            preamble_attention(*given, rows, 4, 0.5).square().sum().backward()
        slopes.append([leaf.grad for leaf in given])
    for one, other in zip(*slopes, strict=True):
        torch.testing.assert_close(one, other)


def test_without_a_preamble_it_is_packed_attention() -> None:
    rows, qkv = rows_of((2, 3)), normal(5, 3, 2, 4)
    found = preamble_attention(*qkv.unbind(1), rows, 0, 0.5)
    assert torch.equal(found.flatten(1), packed_attention(qkv, rows, causal=True, scale=0.5))


def test_nothing_of_a_row_reaches_the_preamble_or_another_row() -> None:
    rows, ahead = rows_of((2, 2)), 2
    given = [normal(6, 2, 4, seed=seed).detach() for seed in range(3)]
    before = preamble_attention(*given, rows, ahead, 0.5)
    for part in given:
        part[2:4] += 1.0
    after = preamble_attention(*given, rows, ahead, 0.5)
    moved = (before != after).flatten(1).any(1)
    assert moved.tolist() == [False, False, True, True, False, False]
