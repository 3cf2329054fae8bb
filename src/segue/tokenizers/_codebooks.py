"""What tokenizers by k-means share: their settings, their way from vectors to codes, and their fitted form."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from pydantic import NonNegativeFloat, PositiveInt, model_validator
from torch import Tensor

from segue.core.codes import ItemCodes
from segue.core.run import Run
from segue.core.shapes import Float, Int
from segue.core.tables import Catalog, Split
from segue.core.tokenizing import FittedEncoder, FittedTokenizer, ItemEncoder, ItemTokenizer
from segue.kernels.k_means import Start
from segue.kernels.nearest_centroid import nearest_centroid
from segue.tokenizers._vectors import (
    checked,
    code_tensors,
    codes_from,
    enough_items,
    from_json_tensor,
    json_tensor,
    known_and_new,
)
from segue.tokenizers.collisions import CollisionPolicy, Costs, ExtraCode, Quantized

logger = logging.getLogger(__name__)

Whole = TypeVar("Whole", bound="CodebookTokenizer")
COLLAPSED = 0.5
"""A codebook of which a smaller share is used is warned of."""


class Codebooks(ABC):
    """Learned centroids, one table a level, as float32 on the CPU."""

    books: tuple[Tensor, ...]

    @abstractmethod
    def nearest(self, vectors: Float[Tensor, "items width"]) -> Int[np.ndarray, "items levels"]:
        """The nearest code of each level, for vectors that were perhaps never seen."""

    @abstractmethod
    def costs(self, vectors: Float[np.ndarray, "items width"]) -> Costs:
        """How far these vectors are from each code of a level, for the collision policies."""

    @abstractmethod
    def spoken(self, tuples: Int[np.ndarray, "items levels"]) -> Float[np.ndarray, "items width"]:
        """What these codes say the vectors are."""

    def tensors(self) -> dict[str, Tensor]:
        """Everything learned, by name."""
        return {f"codebooks.{level}": book for level, book in enumerate(self.books)}


def books_from(weights: Mapping[str, Tensor], levels: int) -> tuple[Tensor, ...]:
    """The tables that `Codebooks.tensors` wrote."""
    return tuple(weights[f"codebooks.{level}"].cpu() for level in range(levels))


@dataclass(frozen=True)
class Learned:
    """Codebooks, the codes of the items that they were learned from, and how well they fit."""

    codebooks: Codebooks
    tuples: Int[np.ndarray, "items levels"]
    notes: dict[str, Any]


class CodebookTokenizer(ItemTokenizer):
    """Vectors of an encoder, codebooks by k-means, and a policy for the items that come to the same codes."""

    abstract: ClassVar[bool] = True

    encoder: ItemEncoder
    """What gives each item its vector."""
    levels: PositiveInt = 4
    """Codes of an item, before the collision policy perhaps adds one."""
    size: PositiveInt | tuple[PositiveInt, ...] = 256
    """Codes of each level's codebook; one number, or one for each level."""
    iterations: PositiveInt = 25
    """Steps of k-means a level at most."""
    tolerance: NonNegativeFloat = 1e-4
    """k-means ends when a step changes its inertia by no more than this share."""
    sample: PositiveInt | None = 256
    """Items a code that centroids are learned from, drawn at random; None learns from all."""
    start: Start = "plus_plus"
    """How k-means begins: `plus_plus` spreads the first centroids out, `sample` draws items."""
    collisions: CollisionPolicy = ExtraCode()
    """What happens to items that come to the same codes."""

    @model_validator(mode="after")
    def _one_size_a_level(self: Whole) -> Whole:
        if isinstance(self.size, tuple) and len(self.size) != self.levels:
            raise ValueError(f"size names {len(self.size)} codebooks and there are {self.levels} levels")
        return self

    @property
    def sizes(self) -> tuple[int, ...]:
        """Codes of each level."""
        return self.size if isinstance(self.size, tuple) else (self.size,) * self.levels

    @property
    def reads_events(self) -> bool:
        """Whether the vectors come from what users did."""
        return self.encoder.reads_events

    def fit(self, split: Split, run: Run) -> FittedTokenizer:
        """Give the items vectors, learn the codebooks, resolve collisions.

        Raises:
            DataError: an item's vector has NaN or infinity in it; says which.
            SettingsError: a codebook has more codes than there are items.
        """
        encoder = self.encoder.fit(split, run)
        vectors = checked(encoder.encode(split.catalog), split.catalog)
        enough_items(len(vectors), max(self.sizes))
        learned = self.learn(torch.from_numpy(vectors).to(run.device), run)
        used = [len(np.unique(codes)) for codes in learned.tuples.T]
        for level, (count, size) in enumerate(zip(used, self.sizes, strict=True), 1):
            if count < COLLAPSED * size:
                logger.warning(
                    "level %d of %s has collapsed: items use %d of its %d codes; set a smaller size, or see whether "
                    "many items have the same vector",
                    *(level, self.kind(), count, size),
                )
        quantized = Quantized(learned.tuples, self.sizes, learned.codebooks.costs(vectors))
        codes, price = self.collisions.resolve(
            quantized, split.item_counts(), run.numpy_generator(self.kind(), "collisions")
        )
        notes = {
            "utilisation": [count / size for count, size in zip(used, self.sizes, strict=True)],
            **learned.notes,
            "collisions": price,
        }
        return FittedCodebooks(self, split.catalog, codes, encoder, learned.codebooks, notes, vectors)

    def restore(self, catalog: Catalog, weights: Mapping[str, Tensor]) -> FittedTokenizer:
        """The tokenizer that `weights` were taken from."""
        prefix = "encoder."
        inner = {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
        encoder, notes = self.encoder.restore(inner), from_json_tensor(weights["notes"])
        return FittedCodebooks(self, catalog, codes_from(weights), encoder, self.remembered(weights), notes)

    def learn(self, vectors: Float[Tensor, "items width"], run: Run) -> Learned:
        """Codebooks for these vectors, and their codes."""
        raise NotImplementedError

    def remembered(self, weights: Mapping[str, Tensor]) -> Codebooks:
        """The codebooks whose tensors are among `weights`."""
        raise NotImplementedError


class FittedCodebooks(FittedTokenizer):
    """Codes from codebooks; a new item takes the nearest code of each level."""

    part: CodebookTokenizer

    def __init__(
        self,
        part: CodebookTokenizer,
        catalog: Catalog,
        codes: ItemCodes,
        encoder: FittedEncoder,
        codebooks: Codebooks,
        notes: dict[str, Any],
        vectors: Float[np.ndarray, "items width"] | None = None,
    ) -> None:
        self.part, self.catalog, self.codes = part, catalog, codes
        self.encoder, self.codebooks = encoder, codebooks
        self._notes, self._vectors = notes, vectors

    def encode(self, catalog: Catalog) -> Int[np.ndarray, "items levels"]:
        """Known items keep their codes; new ones take the nearest, and what the policy makes of them.

        Raises:
            DataError: a new item has no vector, or the policy has no room for it.
        """
        return known_and_new(self.catalog, self.codes, self.part.collisions, catalog, self._quantized)

    def _quantized(self, catalog: Catalog) -> Quantized:
        vectors = checked(self.encoder.encode(catalog), catalog)
        tuples = self.codebooks.nearest(torch.from_numpy(vectors))
        return Quantized(tuples, self.part.sizes, self.codebooks.costs(vectors))

    def vectors(self) -> Float[np.ndarray, "items width"]:
        """The encoder's vectors; after loading they are made again, once, when they are asked for."""
        if self._vectors is None:
            self._vectors = checked(self.encoder.encode(self.catalog), self.catalog)
        return self._vectors

    def reconstructed(self) -> Float[np.ndarray, "items width"]:
        """What the codes of each item say of its vector; a level that only parts colliding items says nothing."""
        return self.codebooks.spoken(self.codes.codes[:, : self.part.levels])

    def notes(self) -> Mapping[str, Any]:
        """By level: share of codes used, inertia, share of the variance left; and the price of the collisions."""
        return self._notes

    def weights(self) -> Mapping[str, Tensor]:
        """Codes, codebooks, the encoder's own weights and the notes."""
        inner = {f"encoder.{name}": tensor for name, tensor in self.encoder.weights().items()}
        return {**inner, **code_tensors(self.codes), **self.codebooks.tensors(), "notes": json_tensor(self._notes)}


def unexplained(inertias: Sequence[float], vectors: Float[Tensor, "items width"]) -> list[float]:
    """Each inertia as a share of the squared distances of these vectors from their mean (0 where there are none)."""
    spread = float(nearest_centroid(vectors, vectors.mean(0, keepdim=True))[1].sum(dtype=torch.float64))
    return [inertia / spread if spread > 0 else 0.0 for inertia in inertias]
