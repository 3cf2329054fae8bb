"""Cross entropy against a catalogue, block by block, is cross entropy."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from kernels.packed import UnwrittenIsNaN, normal
from segue.kernels import linear_cross_entropy as module
from segue.kernels.linear_cross_entropy import linear_cross_entropy

TOKENS, ITEMS, WIDTH = 37, 53, 8


def targets_of(tokens: int, items: int) -> Tensor:
    return torch.randint(items, (tokens,), generator=torch.Generator().manual_seed(3))


def slopes(loss: Tensor, *leaves: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss * 0.5, leaves))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("block_bytes", [4 << 20, 16 * ITEMS * 4])
def test_it_is_cross_entropy(smoothing: float, block_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module.BLOCK_BYTES, "cpu", block_bytes)
    states, table, targets = normal(TOKENS, WIDTH), normal(ITEMS, WIDTH, seed=1), targets_of(TOKENS, ITEMS)
    wanted = cross_entropy(states @ table.T, targets, reduction="sum", label_smoothing=smoothing)
    with UnwrittenIsNaN():
        found = linear_cross_entropy(states, table, targets, smoothing)
        fast = slopes(found, states, table)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(fast, slopes(wanted, states, table), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_gradients_by_finite_differences(smoothing: float) -> None:
    states, table = normal(5, 3, dtype=torch.float64), normal(7, 3, seed=1, dtype=torch.float64)
    targets = targets_of(5, 7)
    assert torch.autograd.gradcheck(lambda s, t: linear_cross_entropy(s, t, targets, smoothing), (states, table))


def test_two_items_by_hand() -> None:
    # Logits 1 and 0: -log softmax of the first is log(1 + e^-1), of the second that plus 1.
    states, table = torch.tensor([[1.0], [1.0]]), torch.tensor([[1.0], [0.0]])
    first = float(torch.log1p(torch.tensor(-1.0).exp()))
    assert linear_cross_entropy(states, table, torch.tensor([0, 1])).item() == pytest.approx(2 * first + 1)


def test_no_token_costs_nothing() -> None:
    states, table = normal(0, WIDTH), normal(ITEMS, WIDTH, seed=1)
    loss = linear_cross_entropy(states, table, torch.zeros(0, dtype=torch.long))
    assert loss.item() == 0
    assert all(not slope.any() for slope in slopes(loss, states, table))


def test_without_gradients_it_is_the_same_number() -> None:
    states, table, targets = normal(TOKENS, WIDTH), normal(ITEMS, WIDTH, seed=1), targets_of(TOKENS, ITEMS)
    learning = linear_cross_entropy(states, table, targets)
    with torch.no_grad():
        assert torch.equal(linear_cross_entropy(states, table, targets), learning)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_under_autocast_it_stays_near_and_gradients_keep_their_type(smoothing: float) -> None:
    states, table, targets = normal(TOKENS, WIDTH), normal(ITEMS, WIDTH, seed=1), targets_of(TOKENS, ITEMS)
    wanted = cross_entropy(states @ table.T, targets, reduction="sum", label_smoothing=smoothing)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = linear_cross_entropy(states, table, targets, smoothing)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, rtol=0.01, atol=0.1)
    found_slopes = slopes(found, states, table)
    assert {slope.dtype for slope in found_slopes} == {torch.float32}
    torch.testing.assert_close(found_slopes, slopes(wanted, states, table), rtol=0.1, atol=0.03)


def test_the_logits_of_a_million_items_never_exist_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    empty = torch.empty

    def noting(*shape: int, **keywords: object) -> Tensor:
        sizes.append(shape[0] * shape[1])
        return empty(*shape, **keywords)

    monkeypatch.setattr(module.torch, "empty", noting)
    states, table = normal(40, 2), torch.zeros(1_000_000, 2)
    loss = linear_cross_entropy(states, table, torch.arange(40))
    assert loss.item() == pytest.approx(40 * 13.815511, rel=1e-5)  # ln of a million: all items are alike
    assert sizes == [16 * 1_000_000]  # of 40 tokens, 16 at a time


@pytest.mark.parametrize("frozen", ["states", "table"])
def test_what_is_frozen_gets_no_gradient_and_the_other_the_same(frozen: str) -> None:
    def gradients(*learning: str) -> dict[str, torch.Tensor | None]:
        generator = torch.Generator().manual_seed(3)
        inputs = {name: torch.randn(5, 4, generator=generator) for name in ("states", "table")}
        for name in learning:
            inputs[name].requires_grad_()
        linear_cross_entropy(**inputs, targets=torch.arange(5)).backward()
        return {name: tensor.grad for name, tensor in inputs.items()}

    both, other = gradients("states", "table"), "table" if frozen == "states" else "states"
    alone = gradients(other)
    assert alone[frozen] is None
    assert torch.equal(alone[other], both[other])
