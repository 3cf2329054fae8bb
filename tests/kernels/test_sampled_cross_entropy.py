"""Cross entropy against drawn items: both ways of computing it, gradients, and what a draw counts."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from kernels.packed import normal, rows_of
from segue.core.batches import Rows
from segue.kernels import sampled_cross_entropy as kernel
from segue.kernels.sampled_cross_entropy import sampled_cross_entropy

LENGTHS = ((3, 3, 5), (0, 2, 2), (1,))


def plain(states: Tensor, table: Tensor, targets: Tensor, rows: Rows, drawn: Tensor, weights: Tensor) -> Tensor:
    """The definition: the logits of all tokens and all draws."""
    mine = drawn[rows.owners]
    negative = torch.einsum("tw,tdw->td", states, table[mine]).masked_fill(mine == targets[:, None], -torch.inf)
    logits = torch.cat([(states * table[targets]).sum(1, keepdim=True), negative], dim=1)
    return (cross_entropy(logits, torch.zeros_like(targets), reduction="none") * weights).sum()


@pytest.mark.parametrize("items", [7, 50], ids=["all are scored", "the drawn are gathered"])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("cells", [1, 1 << 20])
def test_it_is_the_plain_loss_with_its_gradients(items, lengths, cells, monkeypatch) -> None:
    monkeypatch.setitem(kernel.CELLS, "cpu", cells)
    rows, tokens = rows_of(lengths), sum(lengths)
    rng = torch.Generator().manual_seed(0)
    targets = torch.randint(items, (tokens,), generator=rng)
    drawn = torch.randint(items, (len(lengths), 9), generator=rng)
    weights = torch.rand(tokens, generator=rng)
    found = []
    for loss in (sampled_cross_entropy, plain):
        states, table = normal(tokens, 4), normal(items, 4, seed=1)
        total = loss(states, table, targets, rows, drawn, weights)
        (3 * total).backward()
        found.append([total.detach(), states.grad, table.grad])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_all_other_items_once_each_are_the_whole_softmax() -> None:
    states, table, targets = normal(4, 3), normal(5, 3, seed=1), torch.tensor([0, 2, 4, 4])
    drawn = torch.arange(5).expand(2, 5)  # the target among them counts for nothing
    total = sampled_cross_entropy(states, table, targets, rows_of((1, 3)), drawn, torch.ones(4))
    torch.testing.assert_close(total, cross_entropy(states @ table.T, targets, reduction="sum"))


@pytest.mark.parametrize("others", [0, 20], ids=["all are scored", "the drawn are gathered"])
def test_a_draw_of_the_target_has_no_weight_and_one_drawn_twice_counts_twice(others: int) -> None:
    """Logits 0 of the target and ln 3 of item 1, drawn twice: the loss is ln(1 + 2 * 3)."""
    table = torch.zeros(2 + others, 1)
    table[1] = math.log(3.0)
    drawn = torch.tensor([[0, 1, 1, 0]])
    total = sampled_cross_entropy(
        torch.ones(1, 1), table, torch.tensor([0]), rows_of((1,)), drawn, torch.ones(1)
    )  # fmt: skip
    assert total.item() == pytest.approx(math.log(7.0))


def test_tokens_of_weight_zero_give_nothing_to_anybody() -> None:
    states, table = normal(2, 3), normal(5, 3, seed=1)
    sampled_cross_entropy(
        states, table, torch.tensor([0, 1]), rows_of((2,)), torch.tensor([[2, 3]]), torch.tensor([0.0, 0.0])
    ).backward()
    assert states.grad is not None
    assert table.grad is not None
    assert not states.grad.any()
    assert not table.grad.any()
