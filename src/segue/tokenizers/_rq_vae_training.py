"""How the RQ-VAE learns: a warm-up without codes, a k-means start, gradient steps, and restarts of dead codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from segue.core.errors import RunError
from segue.core.run import Run
from segue.core.shapes import Float, Int
from segue.kernels.k_means import balanced_k_means, k_means
from segue.tokenizers._rq_vae_network import Balance, Path, RqVaeNetwork, rotated, straight_through

if TYPE_CHECKING:
    from segue.tokenizers.rq_vae import RqVae

SAMPLE = 256
"""The k-means start looks at so many items for each code."""
LOSSES = 40
"""So many epochs, evenly spread from the first to the last, are told in the notes."""


class RqVaeTraining:
    """What one fit holds. `collaborative` are frozen vectors of the latents' width, one an item."""

    def __init__(
        self, part: RqVae, network: RqVaeNetwork, vectors: Tensor, collaborative: Tensor | None, run: Run
    ) -> None:
        self.part, self.network, self.run = part, network, run
        self.vectors = network.normalized(vectors)
        self.collaborative = collaborative
        self.rng = run.torch_generator("rq_vae", "training")
        self.numpy_rng = run.numpy_generator("rq_vae", "clusters")
        self.optimizer = part.optimizer.build(network)
        self.balance = Balance(part.epsilon, part.iterations) if part.balanced else None
        self.clusters: Tensor | None = None  # levels codes
        self.used = torch.zeros(part.levels, part.size, device=vectors.device)
        self.losses: list[dict[str, float]] = []
        self.restarts = 0

    def go(self) -> dict[str, Any]:
        """Train the network in place; what happened, as plain values.

        Raises:
            RunError: the loss is no longer finite.
        """
        part = self.part
        self.run.begin("learning codes", part.warmup + part.epochs)
        try:
            for epoch in range(part.warmup + part.epochs):
                quantizing = epoch >= part.warmup
                if epoch == part.warmup:
                    self.start_codebooks()
                if quantizing and part.diversity:
                    self.clusters = self.clustered()
                self.one_epoch(epoch, quantizing)
        finally:
            self.run.end()
        told = np.unique(np.linspace(0, len(self.losses) - 1, LOSSES).round().astype(int))
        return {"losses": [self.losses[place] for place in told], "restarts": self.restarts}

    def one_epoch(self, epoch: int, quantizing: bool) -> None:
        part = self.part
        order = torch.randperm(len(self.vectors), generator=self.rng, device=self.rng.device)
        batches = order.split(part.batch)
        sums: dict[str, Tensor] = {}
        self.used.zero_()
        path = None
        for number, rows in enumerate(batches):
            step, steps = epoch * len(batches) + number, (part.warmup + part.epochs) * len(batches)
            for group in self.optimizer.param_groups:
                group["lr"] = part.optimizer.rate_at(step, steps)
            self.optimizer.zero_grad(set_to_none=True)
            terms, path = self.terms(rows, quantizing)
            total = torch.stack(list(terms.values())).sum()
            torch.autograd.backward(total)
            self.optimizer.step()
            for name, term in terms.items():
                sums[name] = sums.get(name, torch.zeros_like(term)) + term.detach() * (len(rows) / len(order))
            if path is not None:
                self.used.scatter_add_(1, path.codes.T, torch.ones_like(path.codes.T, dtype=self.used.dtype))
        losses = {name: float(value) for name, value in sums.items()}
        loss = sum(losses.values())
        if not np.isfinite(loss):
            raise RunError(
                f"The RQ-VAE's loss is {loss} in epoch {epoch + 1}: it has diverged. Lower the tokenizer's "
                "optimizer.rate."
            )
        note = f"loss {loss:.3f}"
        if quantizing:
            note += f" · used {float((self.used > 0).float().mean()):.0%}"
            if path is not None and (epoch + 1 - part.warmup) % part.restart_every == 0:
                self.restart_dead(path)
        self.losses.append({"epoch": epoch + 1, **losses})
        self.run.advance(1, note)

    def terms(self, rows: Int[Tensor, " rows"], quantizing: bool) -> tuple[dict[str, Tensor], Path | None]:
        """The loss of a batch by its terms, weighted, and the way it took."""
        part, network, vectors = self.part, self.network, self.vectors[rows]
        latents = network.encoder(vectors)
        if not quantizing:
            return {"reconstruction": mse_loss(network.decoder(latents), vectors)}, None
        path = network.descend(latents, self.balance)
        through = straight_through if part.gradient == "straight_through" else rotated
        quantized = through(latents, path.chosen.detach().sum(0))
        terms = {
            "reconstruction": mse_loss(network.decoder(quantized), vectors),
            "codebook": mse_loss(path.chosen, path.residuals.detach()),
            "commitment": part.commitment * mse_loss(path.residuals, path.chosen.detach()),
        }
        if self.collaborative is not None and part.alpha:
            terms["collaborative"] = part.alpha * collaborative_loss(quantized, self.collaborative[rows])
        if self.clusters is not None:
            terms["diversity"] = part.diversity * diversity_loss(path, network.codebooks, self.clusters, self.rng)
        return terms, path

    @torch.no_grad()
    def start_codebooks(self) -> None:
        """Level by level the k-means centres of what is left of the items.

        They begin at a sample of the items: k-means++ spends codes on outliers (perplexity 130 for 155 at level 2 of
        Amazon Beauty).
        """
        rest = torch.cat([self.network.encoder(some) for some in self.vectors.split(self.part.batch)])
        for level, book in enumerate(self.network.codebooks):
            rng = self.run.numpy_generator("rq_vae", "start", level)
            found = k_means(rest, len(book), rng, iterations=self.part.start_iterations, sample=SAMPLE, start="sample")
            book.copy_(found.centroids)
            rest = rest - found.centroids[found.codes]

    def clustered(self) -> Tensor:
        """For each level the cluster of each code, all clusters equally large [levels, codes]."""
        return torch.stack(
            [
                balanced_k_means(book.detach(), self.part.clusters, self.numpy_rng, iterations=5).codes
                for book in self.network.codebooks
            ]
        )

    @torch.no_grad()
    def restart_dead(self, path: Path) -> None:
        """Move the codes that nobody took in this epoch to what random items of the last batch had left there."""
        for level, used in enumerate(self.used):
            dead = (used == 0).nonzero()[:, 0]
            if not len(dead):
                continue
            rest = path.residuals[level].detach()
            drawn = torch.randint(len(rest), (len(dead),), generator=self.rng, device=self.rng.device)
            self.network.codebooks[level, dead] = rest[drawn]
            memory = self.optimizer.state.get(self.network.codebooks, {})
            for name in ("exp_avg", "exp_avg_sq"):  # what Adam remembers of them pulls elsewhere
                if name in memory:
                    memory[name][level, dead] = 0
            self.restarts += len(dead)


def collaborative_loss(
    quantized: Float[Tensor, "rows width"], vectors: Float[Tensor, "rows width"]
) -> Float[Tensor, ""]:
    """Cross entropy in the batch: the quantised vector of an item should find the item's own collaborative vector.

    Source: LETTER, arXiv:2405.07314, as in its code: dot products without temperature.
    """
    return cross_entropy(quantized @ vectors.T, torch.arange(len(vectors), device=vectors.device))


def diversity_loss(
    path: Path,
    codebooks: Float[Tensor, "levels codes width"],
    clusters: Int[Tensor, "levels codes"],
    rng: torch.Generator,
) -> Float[Tensor, ""]:
    """Draws each chosen code to another code of its cluster, and so the clusters apart; the mean over levels.

    Cross entropy of the chosen code's products with all codes of its level, its own left out; the target is a random
    other code of the same cluster. A code alone in its cluster counts as 0. Source: LETTER, arXiv:2405.07314,
    as in its code.
    """
    losses = []
    for level, book in enumerate(codebooks):
        codes = path.codes[:, level]
        own = torch.zeros(len(codes), len(book), dtype=torch.bool, device=book.device).scatter_(1, codes[:, None], True)
        friends = (clusters[level][codes, None] == clusters[level]) & ~own
        alone = ~friends.any(1)
        targets = torch.multinomial((friends | alone[:, None]).float(), 1, generator=rng)[:, 0]
        logits = (path.chosen[level] @ book.T).masked_fill(own, -torch.inf)
        each = cross_entropy(logits, targets, reduction="none").masked_fill(alone, 0)
        losses.append(each.mean())
    return torch.stack(losses).mean()
