"""Many queries, one context: the blocks are the definition, and the definition is attention with repeated keys."""

import pytest
import torch
from torch import Tensor

from kernels.packed import UnwrittenIsNaN, normal, rows_of
from segue.kernels import use
from segue.kernels.shared_context_attention import shared_context_attention

FILLED = ((1,), (3, 3), (2, 5, 5, 9), (7, 1, 7))


@pytest.mark.parametrize("lengths", FILLED, ids=str)
@pytest.mark.parametrize("own", [0, 3])
def test_the_blocks_are_the_definition_with_their_gradients(lengths: tuple[int, ...], own: int) -> None:
    rows, tokens = rows_of(lengths), sum(lengths)
    found = {}
    for implementation in ("reference", "cpu"):
        given = [normal(len(lengths), 4, 2, 8), normal(tokens, 2, 8, seed=1), normal(tokens, 2, 8, seed=2)]
        logits = normal(len(lengths), 4, 2, own, seed=3) if own else None
        with use(implementation):
            mixed, weights = shared_context_attention(*given, rows, 0.5, logits)
        total = (mixed * torch.linspace(-1, 1, mixed.numel()).view(mixed.shape)).sum()
        if weights is not None:
            total = total + weights.square().sum()
        total.backward()
        leaves = [*given, logits] if logits is not None else given
        found[implementation] = [mixed.detach(), *(leaf.grad for leaf in leaves)]
    for one, other in zip(found["cpu"], found["reference"], strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("lengths", FILLED, ids=str)
@pytest.mark.parametrize("own", [0, 3])
def test_without_gradients_the_flash_kernel_gives_the_same(lengths: tuple[int, ...], own: int) -> None:
    rows, tokens = rows_of(lengths), sum(lengths)
    given = [normal(len(lengths), 4, 2, 8), normal(tokens, 2, 8, seed=1), normal(tokens, 2, 8, seed=2)]
    logits = normal(len(lengths), 4, 2, own, seed=3) if own else None
    with use("reference"):
        wanted, wanted_weights = shared_context_attention(*given, rows, 0.5, logits)
    with torch.inference_mode(), UnwrittenIsNaN():
        found, weights = shared_context_attention(*given, rows, 0.5, logits)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    if own:
        torch.testing.assert_close(weights, wanted_weights, atol=1e-5, rtol=1e-4)


def test_a_shared_context_is_the_same_as_one_repeated_for_each_query() -> None:
    rows, queries = rows_of((4, 2)), normal(2, 3, 1, 8)
    keys, values = normal(6, 1, 8, seed=1), normal(6, 1, 8, seed=2)
    mixed, _ = shared_context_attention(queries, keys, values, rows, 0.3)

    def alone(row: int, query: int) -> Tensor:
        cut = slice(0, 4) if row == 0 else slice(4, 6)
        weights = torch.softmax(0.3 * keys[cut, 0] @ queries[row, query, 0], dim=0)
        return weights @ values[cut, 0]

    repeated = torch.stack([torch.stack([alone(row, query) for query in range(3)]) for row in range(2)])
    torch.testing.assert_close(mixed[:, :, 0], repeated)


def test_the_weights_of_context_and_prefix_add_up_to_one() -> None:
    rows = rows_of((3,))
    ones = torch.ones(3, 1, 4)
    mixed, weights = shared_context_attention(normal(1, 2, 1, 4), ones, ones, rows, 1.0, normal(1, 2, 1, 2, seed=1))
    assert weights is not None
    torch.testing.assert_close(mixed[..., 0] + weights.sum(-1), torch.ones(1, 2, 1))
