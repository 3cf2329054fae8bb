from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from segue.tokenizers._rq_vae_network import Balance, Path, RqVaeNetwork, rotated, straight_through
from segue.tokenizers._rq_vae_training import collaborative_loss, diversity_loss


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def network(codebooks: Tensor) -> RqVaeNetwork:
    made = RqVaeNetwork((3, codebooks.shape[-1]), len(codebooks), codebooks.shape[1], rng())
    made.codebooks.data.copy_(codebooks)
    return made


def test_each_level_takes_the_nearest_code_to_what_is_left() -> None:
    books = torch.tensor([[[0.0, 0.0], [10.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]])
    path = network(books).descend(torch.tensor([[9.0, 1.2], [0.9, 0.1]]))
    assert path.codes.tolist() == [[1, 1], [0, 0]]
    assert path.residuals[1] == pytest.approx(torch.tensor([[-1.0, 1.2], [0.9, 0.1]]), abs=1e-6)
    assert network(books).looked_up(path.codes).tolist() == [[10.0, 1.0], [1.0, 0.0]]


def test_balance_deals_the_last_level_out_and_no_other() -> None:
    books = torch.tensor([[[0.0], [10.0]], [[0.0], [1.0]]])
    latents = torch.tensor([[0.0], [0.1], [0.2], [0.3]])
    assert network(books).descend(latents).codes.tolist() == [[0, 0]] * 4
    balanced = network(books).descend(latents, Balance(epsilon=0.05, iterations=50)).codes
    assert balanced.tolist() == [[0, 0], [0, 0], [0, 1], [0, 1]]


def test_every_levels_commitment_reaches_the_latents_and_every_code_its_residual() -> None:
    books = torch.randn(3, 4, 2, generator=rng())
    net, latents = network(books), torch.randn(5, 2, generator=rng()).requires_grad_()
    path = net.descend(latents)
    torch.autograd.backward(path.residuals[2].sum())
    assert latents.grad is not None
    assert latents.grad.tolist() == [[1.0, 1.0]] * 5
    assert net.codebooks.grad is None
    torch.autograd.backward(path.chosen.sum())
    assert net.codebooks.grad is not None
    assert net.codebooks.grad.sum() == 3 * 5 * 2


def test_straight_through_and_rotated_gradients_by_hand() -> None:
    quantized, upstream = torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]])
    for through, expected in ((straight_through, [1.0, 0.0]), (rotated, [0.0, -0.5])):
        latents = torch.tensor([[2.0, 0.0]], requires_grad=True)
        out = through(latents, quantized)
        assert torch.allclose(out, quantized, atol=1e-6)
        torch.autograd.backward(out, upstream)
        # (2, 0) becomes (0, 1) by a quarter turn and a halving, so the gradient turns a quarter back and halves.
        assert latents.grad == pytest.approx(torch.tensor([expected]), abs=1e-6)


def test_rotation_bears_opposite_and_zero_vectors() -> None:
    latents = torch.tensor([[1.0, 0.0], [0.0, 0.0], [3.0, 0.0]], requires_grad=True)
    out = rotated(latents, torch.tensor([[-2.0, 0.0], [1.0, 0.0], [0.0, 0.0]]))
    assert out[0].detach() == pytest.approx(torch.tensor([-2.0, 0.0]), abs=1e-6)
    torch.autograd.backward(out.sum())
    assert latents.grad is not None
    assert torch.isfinite(latents.grad).all()


def test_vectors_come_back_in_their_own_space() -> None:
    vectors = torch.randn(50, 3, generator=rng()) * 7 + 5
    net = network(torch.zeros(1, 2, 2))
    net.measure(vectors)
    normal = net.normalized(vectors)
    assert normal.mean(0) == pytest.approx(torch.zeros(3), abs=1e-5)
    assert float(normal.square().mean()) == pytest.approx(1.0, rel=1e-5)
    bias = net.decoder[0].bias
    torch.nn.init.zeros_(net.decoder[0].weight)
    assert torch.allclose(net.reconstructed(torch.zeros(1, 2)), vectors.mean(0) + bias * net.scale)


def test_collaborative_loss_by_hand() -> None:
    assert float(collaborative_loss(torch.eye(2), torch.eye(2))) == pytest.approx(math.log(1 + math.exp(-1)))
    assert float(collaborative_loss(torch.eye(2), torch.eye(2).flip(0))) == pytest.approx(math.log(1 + math.exp(1)))


def test_diversity_loss_by_hand() -> None:
    book = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 0.0], [0.0, 0.0]])
    clusters = torch.tensor([0, 0, 1, 1, 2])

    def loss(code: int) -> float:
        path = Path(torch.tensor([[code]]), torch.zeros(1, 1, 2), book[None, [code]])
        return float(diversity_loss(path, book[None], clusters[None], rng()))

    # Code 0 has code 1 for a friend: its products with codes 1 to 4 are 0, 1, 2, 0, its own is left out.
    assert loss(0) == pytest.approx(math.log(2 + math.e + math.e**2))
    # Code 3 has code 2: products with codes 0, 1, 2, 4 are 2, 0, 2, 0.
    assert loss(3) == pytest.approx(math.log(2 * math.e**2 + 2) - 2)
    assert loss(4) == 0.0  # alone in its cluster
