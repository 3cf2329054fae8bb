"""RQ-VAE: an autoencoder whose narrow middle is a sum of learnt codes, one a level."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from segue.core.codes import ItemCodes
from segue.core.errors import SettingsError
from segue.core.run import Run
from segue.core.shapes import Float, Int
from segue.core.tables import Catalog, Split
from segue.core.tokenizing import FittedEncoder, FittedTokenizer, ItemEncoder, ItemTokenizer
from segue.tokenizers._rq_vae_network import RqVaeNetwork
from segue.tokenizers._rq_vae_training import RqVaeTraining
from segue.tokenizers._vectors import (
    checked,
    code_tensors,
    codes_from,
    enough_items,
    from_json_tensor,
    json_tensor,
    known_and_new,
)
from segue.tokenizers.collisions import CollisionPolicy, ExtraCode, Quantized, collision_rates, residual_costs
from segue.training.optim import AdamW

ROWS = 16_384
"""Items that go through the network at once."""
log = logging.getLogger(__name__)


class RqVae(ItemTokenizer):
    """Residual quantisation of an autoencoder's latents, with the regularisers of LETTER as options.

    Source: RQ-VAE, arXiv:2203.01941; as item ids in TIGER, arXiv:2305.05065 (3 levels of 256 codes of width 32 and an
    extra code, hidden widths 512, 256, 128, 20,000 epochs, Adagrad 0.4, batch 1,024), and LETTER, arXiv:2405.07314 (4
    levels, hidden widths 2048 to 64, AdamW 1e-3). Ours first learns the autoencoder without codes for some epochs and
    starts the codebooks by k-means on all items (theirs: on the first batch of an untrained one), and moves dead codes
    to where items are; with that a hundredth of the epochs is enough. The residual of a level is free of the codes'
    gradient, so every level's commitment reaches the encoder.
    """

    encoder: ItemEncoder
    """Gives the vectors that are quantised."""
    levels: PositiveInt = 4
    """Codes in a tuple, before a collision policy adds one."""
    size: int = Field(default=256, ge=2)
    """Codes of each level."""
    width: PositiveInt = 32
    """Width of the latents and of the codes."""
    hidden: tuple[PositiveInt, ...] = (256, 128)
    """Widths of the encoder's hidden layers; the decoder mirrors them."""
    epochs: PositiveInt = 200
    """Times that each item is seen with codes."""
    warmup: NonNegativeInt = 20
    """Times that each item is seen before there are codes, as by a plain autoencoder."""
    batch: PositiveInt = 1024
    """Items of a step."""
    optimizer: AdamW = AdamW(rate=1e-3, beta2=0.999, decay=1e-4, schedule="cosine", floor=0.05)
    """The optimiser of network and codebooks."""
    commitment: NonNegativeFloat = 0.25
    """Weight of the term that holds latents near their codes."""
    gradient: Literal["straight_through", "rotation"] = "straight_through"
    """How the decoder's gradient passes the codes."""
    start_iterations: PositiveInt = 20
    """Steps of the k-means start."""
    restart_every: PositiveInt = 1
    """After so many epochs, codes that nobody took in the last one are moved to where items are."""
    balanced: bool = False
    """While learning, deal the items of a batch out evenly over the codes of the last level (LETTER)."""
    epsilon: PositiveFloat = 0.003
    """Blur of the even dealing."""
    iterations: PositiveInt = 50
    """Steps of Sinkhorn's iteration in it."""
    collaborative: ItemEncoder | None = None
    """Vectors of who took an item, `width` wide; with them, `alpha` draws an item's codes to its own vector."""
    alpha: NonNegativeFloat = 0.1
    """Weight of the collaborative term (LETTER's released settings: 0.01 and 0.1); counts only with vectors."""
    diversity: NonNegativeFloat = 0.0
    """Weight beta of LETTER's diversity term (its released settings: 1e-4)."""
    clusters: PositiveInt = 10
    """Clusters of codes in the diversity term."""
    collisions: CollisionPolicy = ExtraCode()
    """What becomes of items with the same codes."""

    @property
    def reads_events(self) -> bool:
        """Whether the vectors come from what users did."""
        return self.encoder.reads_events

    def fit(self, split: Split, run: Run) -> FittedTokenizer:
        """Learn network and codebooks from the items' vectors, then give every item its codes.

        Raises:
            DataError: a vector is not a number.
            SettingsError: fewer items than codes; collaborative vectors of another width than the codes; too many
                clusters of codes.
            RunError: the loss has diverged.
        """
        catalog = split.catalog
        enough_items(len(catalog), self.size)
        if self.diversity and self.size < 2 * self.clusters:
            raise SettingsError(
                f"the diversity term draws a code to another one of its cluster, and {self.size} codes in "
                f"{self.clusters} clusters leave some alone; set clusters to {self.size // 2} or less."
            )
        encoder = self.encoder.fit(split, run)
        vectors = checked(encoder.encode(catalog), catalog)
        inputs = torch.from_numpy(vectors).to(run.device)
        network = self._network(vectors.shape[1], run.torch_generator("rq_vae", "network"))
        network.measure(inputs)
        happened = RqVaeTraining(self, network, inputs, self._collaborative(split, run), run).go()
        network = network.cpu()
        quantized = _quantized(network, vectors)
        health = _health(quantized.codes, self.size)
        _alarm(health, self.size)
        codes, cost = self.collisions.resolve(quantized, split.item_counts(), run.numpy_generator("collisions"))
        return FittedRqVae(self, catalog, encoder, network, codes, {**happened, **health, "collisions": cost})

    def restore(self, catalog: Catalog, weights: Mapping[str, Tensor]) -> FittedTokenizer:
        """The tokenizer that `weights` were taken from."""
        parts: dict[str, dict[str, Tensor]] = {"encoder": {}, "network": {}}
        for name, tensor in weights.items():
            whose, _, rest = name.partition(".")
            if whose in parts:
                parts[whose][rest] = tensor
        network = self._network(len(parts["network"]["center"]), torch.Generator())
        network.load_state_dict(parts["network"])
        encoder, notes = self.encoder.restore(parts["encoder"]), from_json_tensor(weights["notes"])
        return FittedRqVae(self, catalog, encoder, network, codes_from(weights), notes)

    def _network(self, inputs: int, rng: torch.Generator) -> RqVaeNetwork:
        return RqVaeNetwork((inputs, *self.hidden, self.width), self.levels, self.size, rng)

    def _collaborative(self, split: Split, run: Run) -> Tensor | None:
        if self.collaborative is None:
            return None
        vectors = checked(self.collaborative.fit(split, run).encode(split.catalog), split.catalog)
        if vectors.shape[1] != self.width:
            raise SettingsError(
                f"collaborative vectors are compared with the sum of codes, so they must be as wide: they have width "
                f"{vectors.shape[1]}, the codes {self.width}; set one like the other."
            )
        return torch.from_numpy(vectors).to(run.device)


class FittedRqVae(FittedTokenizer):
    """The network and the codes of its catalog; new items go through the network."""

    def __init__(
        self,
        part: RqVae,
        catalog: Catalog,
        encoder: FittedEncoder,
        network: RqVaeNetwork,
        codes: ItemCodes,
        notes: Mapping[str, Any],
    ) -> None:
        self.part: RqVae = part
        self.catalog, self.encoder, self.network, self.codes = catalog, encoder, network.eval(), codes
        self._notes = notes

    def encode(self, catalog: Catalog) -> Int[np.ndarray, "items levels"]:
        """Known items keep their codes; others get those that the network finds, made unique by the policy."""
        return known_and_new(
            self.catalog,
            self.codes,
            self.part.collisions,
            catalog,
            lambda new: _quantized(self.network, checked(self.encoder.encode(new), new)),
        )

    @cached_property
    def _vectors(self) -> np.ndarray:
        return checked(self.encoder.encode(self.catalog), self.catalog)

    def vectors(self) -> Float[np.ndarray, "items width"]:
        """What the encoder part gave."""
        return self._vectors

    def reconstructed(self) -> Float[np.ndarray, "items width"]:
        """What the decoder makes of each item's codes; a code added by the collision policy says nothing."""
        codes = torch.from_numpy(self.codes.codes[:, : self.part.levels])
        with torch.inference_mode():
            pieces = [self.network.reconstructed(self.network.looked_up(some)) for some in codes.split(ROWS)]
        return torch.cat(pieces).numpy()

    def notes(self) -> Mapping[str, Any]:
        """Losses by epoch, restarts of codes, utilisation and perplexity by level, and the cost of collisions."""
        return self._notes

    def weights(self) -> Mapping[str, Tensor]:
        """Everything fitted."""
        return {
            **{f"encoder.{name}": tensor for name, tensor in self.encoder.weights().items()},
            **{f"network.{name}": tensor for name, tensor in self.network.state_dict().items()},
            **code_tensors(self.codes),
            "notes": json_tensor(dict(self._notes)),
        }


def _quantized(network: RqVaeNetwork, vectors: np.ndarray) -> Quantized:
    with torch.inference_mode():
        latents = torch.cat([network.latents(some) for some in torch.from_numpy(vectors).split(ROWS)])
        codes = torch.cat([network.descend(some).codes for some in latents.split(ROWS)])
    books = list(network.codebooks.detach().numpy())
    sizes = tuple(len(book) for book in books)
    return Quantized(codes.numpy(), sizes, residual_costs(latents.numpy(), books))


def _health(codes: np.ndarray, size: int) -> dict[str, Any]:
    counts = np.stack([np.bincount(column, minlength=size) for column in codes.T])
    shares = counts / len(codes)
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(1)
    return {
        "utilisation": (counts > 0).mean(1).tolist(),
        "perplexity": np.exp(entropy).tolist(),
        "collision_rates": collision_rates(codes, [size] * codes.shape[1]),
    }


def _alarm(health: Mapping[str, Any], size: int) -> None:
    for level, (used, perplexity) in enumerate(zip(health["utilisation"], health["perplexity"], strict=True)):
        if used < 0.5 or perplexity < size / 10:
            log.warning(
                "The codebook of level %d has collapsed: %.0f %% of its %d codes are used, with a perplexity of %.0f. "
                "Set a smaller size, more warmup or epochs, restart_every=1, or see whether many vectors are equal.",
                level + 1, 100 * used, size, perplexity,
            )  # fmt: skip
