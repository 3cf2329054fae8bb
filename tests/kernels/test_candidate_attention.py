"""Candidates see the beginning of their row and themselves: the pieces are the definition, values by hand."""

import math

import pytest
import torch

from kernels.packed import normal, rows_of
from segue.core.impressions import Candidates
from segue.kernels import use
from segue.kernels.candidate_attention import candidate_attention, cpu
from segue.kernels.packed_attention import packed_attention

HEADS, SIZE = 2, 4


def candidates_of(owners: list[int], at: list[int]) -> Candidates:
    return Candidates(torch.tensor(owners, dtype=torch.long), torch.tensor(at, dtype=torch.long), None)


CASES = {
    "an empty row": ((0, 2, 5), [0, 0, 1, 2, 2, 2], [0, 0, 1, 0, 5, 3]),
    "a row without candidates": ((3, 1, 4), [0, 2, 2], [3, 4, 0]),
    "nobody asked": ((3, 1), [], []),
    "nothing but empty rows": ((0, 0), [0, 1], [0, 0]),
}


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
@pytest.mark.parametrize("cells", [1, 1 << 20])
def test_the_pieces_are_the_definition_with_their_gradients(case, cells, monkeypatch) -> None:
    monkeypatch.setattr(cpu, "CELLS", cells)
    lengths, owners, at = case
    found = {}
    for implementation in ("reference", "cpu"):
        queries, own_keys, own_values = (normal(len(owners), HEADS, SIZE, seed=seed) for seed in (0, 1, 2))
        keys, values = (normal(sum(lengths), HEADS, SIZE, seed=seed) for seed in (3, 4))
        leaves = [queries, keys, values, own_keys, own_values]
        with use(implementation):
            mixed = candidate_attention(
                queries, keys, values, rows_of(lengths), candidates_of(owners, at), own_keys, own_values
            )
        assert mixed.shape == (len(owners), HEADS * SIZE)
        (mixed * torch.linspace(-1, 1, mixed.numel()).view(mixed.shape)).sum().backward()
        found[implementation] = [mixed.detach(), *(leaf.grad for leaf in leaves)]
    for one, other in zip(found["cpu"], found["reference"], strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


def test_a_candidate_without_a_past_takes_its_own_value() -> None:
    parts = [normal(3, HEADS, SIZE, seed=seed) for seed in range(5)]
    queries, keys, values, own_keys, own_values = parts
    mixed = candidate_attention(
        queries, keys, values, rows_of((0, 3)), candidates_of([0, 1, 1], [0, 0, 0]), own_keys, own_values
    )
    torch.testing.assert_close(mixed, own_values.flatten(1))


def test_weights_by_hand() -> None:
    """Logits ln 2 and ln 3 of two events and ln 4 of itself, over sqrt(1): shares 2, 3 and 4 of nine."""
    one = torch.ones(1, 1, 1)
    keys = torch.tensor([2.0, 3.0, 9.0]).log().view(3, 1, 1)
    values = torch.tensor([1.0, 10.0, 1000.0]).view(3, 1, 1)
    own = torch.tensor(math.log(4.0)).view(1, 1, 1)
    mixed = candidate_attention(one, keys, values, rows_of((3,)), candidates_of([0], [2]), own, 100 * one)
    assert mixed.item() == pytest.approx((2 * 1 + 3 * 10 + 4 * 100) / 9)


def test_a_candidate_is_the_last_token_of_a_row_of_its_own() -> None:
    """As GPSD writes it: the history, the candidate behind it, causal attention, its last position."""
    qkv = normal(6, 3, HEADS, SIZE)
    written = packed_attention(qkv, rows_of((6,)), causal=True)
    for at in range(6):
        asked = slice(at, at + 1)
        mixed = candidate_attention(
            qkv[asked, 0], qkv[:, 1], qkv[:, 2], rows_of((6,)), candidates_of([0], [at]), qkv[asked, 1], qkv[asked, 2]
        )
        torch.testing.assert_close(mixed[0], written[at])
