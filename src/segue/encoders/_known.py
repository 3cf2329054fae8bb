"""Vectors of items that are known by name, and of no others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
import torch
from torch import Tensor

from segue.core.errors import DataError
from segue.core.shapes import Float, Int
from segue.core.tables import Catalog
from segue.core.tokenizing import FittedEncoder, ItemEncoder
from segue.encoders._texts import text_numbers


class KnownVectors(FittedEncoder):
    """A table from item ids to vectors; the ids are kept as 64-bit numbers, so that they are a tensor.

    `source` says in an error where an item was looked for.
    """

    def __init__(
        self,
        part: ItemEncoder,
        items: Int[Tensor, " known"],
        vectors: Float[Tensor, "known width"],
        source: str,
    ) -> None:
        order = torch.argsort(items)
        self.part, self.items, self.vectors, self.source = part, items[order], vectors[order], source

    @classmethod
    def of(
        cls, part: ItemEncoder, ids: pl.Series, vectors: Float[np.ndarray, "known width"], source: str
    ) -> KnownVectors:
        """Vectors of the items with these ids, in their order."""
        numbers = torch.from_numpy(text_numbers(ids.cast(pl.String)))
        return cls(part, numbers, torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32)), source)

    def encode(self, catalog: Catalog) -> Float[np.ndarray, "items width"]:
        """The vector of each item.

        Raises:
            DataError: some items are not known; says how many and which is the first.
        """
        rows = found(self.items.numpy(), text_numbers(catalog.ids.cast(pl.String)))
        missing = np.flatnonzero(rows < 0)
        if len(missing):
            raise DataError(
                f"{len(missing):,} of {len(catalog):,} items have no vector in {self.source} "
                f"(first: {catalog.ids[int(missing[0])]!r}); it knows {len(self.items):,} items."
            )
        return self.vectors.numpy()[rows]

    def weights(self) -> Mapping[str, Tensor]:
        """The items' numbers and vectors."""
        return {"items": self.items, "vectors": self.vectors}


def found(known: Int[np.ndarray, " known"], wanted: Int[np.ndarray, " wanted"]) -> Int[np.ndarray, " wanted"]:
    """Where each wanted number stands among the known ones, which are in order; -1 where it does not."""
    if not len(known):
        return np.full(len(wanted), -1)
    places = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[places] == wanted, places, -1)
