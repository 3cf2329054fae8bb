"""The network of the RQ-VAE: vectors to short latents, latents to codes level by level, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding
from torch.nn.utils import skip_init

from segue.core.shapes import Float, Int
from segue.tokenizers._sinkhorn import balanced_plan


@dataclass(frozen=True)
class Balance:
    """How the last level deals the rows of a batch out evenly: Sinkhorn's epsilon and iterations."""

    epsilon: float
    iterations: int


@dataclass(frozen=True)
class Path:
    """What a batch met on its way down the levels: what was left of it at each one, and the code taken there."""

    codes: Int[Tensor, "rows levels"]
    residuals: Float[Tensor, "levels rows width"]
    """With gradient to the latents."""
    chosen: Float[Tensor, "levels rows width"]
    """With gradient to the codebooks."""


class RqVaeNetwork(nn.Module):
    """An MLP, as many codebooks as levels, and the mirrored MLP; ReLU between layers.

    Vectors are moved to mean 0 and scaled to a mean square of 1 by two fixed numbers learnt from the catalog: the
    directions keep their weight beside each other, which whitening would take from them.
    """

    codebooks: nn.Parameter
    center: Tensor
    scale: Tensor

    def __init__(self, widths: Sequence[int], levels: int, size: int, rng: torch.Generator) -> None:
        super().__init__()
        self.encoder = _perceptron(widths, rng)
        self.decoder = _perceptron(widths[::-1], rng)
        self.codebooks = nn.Parameter(torch.zeros(levels, size, widths[-1], device=rng.device))
        self.register_buffer("center", torch.zeros(widths[0], device=rng.device))
        self.register_buffer("scale", torch.ones((), device=rng.device))

    @torch.no_grad()
    def measure(self, vectors: Float[Tensor, "items inputs"]) -> None:
        """Take centre and scale from these vectors."""
        self.center.copy_(vectors.mean(0))
        self.scale.copy_((vectors - self.center).square().mean().sqrt().clamp_min(1e-12))

    def normalized(self, vectors: Float[Tensor, "rows inputs"]) -> Float[Tensor, "rows inputs"]:
        """Vectors as the MLP reads them."""
        return (vectors - self.center) / self.scale

    def latents(self, vectors: Float[Tensor, "rows inputs"]) -> Float[Tensor, "rows width"]:
        """What is quantised, of vectors as they come."""
        latents: Tensor = self.encoder(self.normalized(vectors))
        return latents

    def reconstructed(self, latents: Float[Tensor, "rows width"]) -> Float[Tensor, "rows inputs"]:
        """Vectors in the space they came from."""
        vectors: Tensor = self.decoder(latents) * self.scale + self.center
        return vectors

    def descend(self, latents: Float[Tensor, "rows width"], balance: Balance | None = None) -> Path:
        """At each level the nearest code to what the levels before left over."""
        residual, codes, residuals, chosen = latents, [], [], []
        for level, book in enumerate(self.codebooks):
            last = level + 1 == len(self.codebooks)
            with torch.no_grad():
                costs = squared_distances(residual, book)
                if balance is not None and last:
                    code = balanced_plan(costs, balance.epsilon, balance.iterations).argmax(1)
                else:
                    code = costs.argmin(1)
            vector = embedding(code, book)
            codes.append(code)
            residuals.append(residual)
            chosen.append(vector)
            residual = residual - vector.detach()
        return Path(torch.stack(codes, 1), torch.stack(residuals), torch.stack(chosen))

    def looked_up(self, codes: Int[Tensor, "rows levels"]) -> Float[Tensor, "rows width"]:
        """The latents that these codes stand for."""
        return torch.stack([book[codes[:, level]] for level, book in enumerate(self.codebooks)]).sum(0)


def squared_distances(
    points: Float[Tensor, "points width"], codes: Float[Tensor, "codes width"]
) -> Float[Tensor, "points codes"]:
    """Of every point to every code."""
    return (points.square().sum(1, keepdim=True) + codes.square().sum(1) - 2 * points @ codes.T).clamp_min(0)


def straight_through(
    latents: Float[Tensor, "rows width"], quantized: Float[Tensor, "rows width"]
) -> Float[Tensor, "rows width"]:
    """The quantised latents, whose gradient goes to the latents as it is (van den Oord et al., arXiv:1711.00937)."""
    return latents + (quantized - latents).detach()


def rotated(
    latents: Float[Tensor, "rows width"], quantized: Float[Tensor, "rows width"]
) -> Float[Tensor, "rows width"]:
    """The quantised latents, whose gradient is turned and scaled as the latent had to be to become the quantised one.

    Source: Fifty et al., "Restructuring Vector Quantization with the Rotation Trick", arXiv:2410.06424: the
    rotation is two reflections. Ours turns the latent once, to the sum of all levels.
    """
    with torch.no_grad():
        long = latents.norm(dim=1, keepdim=True).clamp_min(1e-12)
        wide = quantized.norm(dim=1, keepdim=True).clamp_min(1e-12)
        from_, to = latents / long, quantized / wide
        half = from_ + to
        half = half / half.norm(dim=1, keepdim=True).clamp_min(1e-12)
    turned = (
        latents - 2 * half * (latents * half).sum(1, keepdim=True) + 2 * to * (latents * from_).sum(1, keepdim=True)
    )
    return turned * (wide / long)


def _perceptron(widths: Sequence[int], rng: torch.Generator) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layer = skip_init(nn.Linear, inputs, outputs, device=rng.device)
        nn.init.xavier_normal_(layer.weight, generator=rng)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])
