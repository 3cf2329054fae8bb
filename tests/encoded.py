"""Catalogs whose items bring their own vectors."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl
from torch import Tensor

from segue.core.errors import DataError
from segue.core.run import Run
from segue.core.shapes import Float
from segue.core.tables import Catalog, Split
from segue.core.tokenizing import FittedEncoder, ItemEncoder
from segue.testing.worlds import leave_two_out


class ColumnVectors(ItemEncoder):
    """The list column `vector` of the catalog."""

    def fit(self, split: Split, run: Run) -> FittedEncoder:
        return FittedColumnVectors(self)

    def restore(self, weights: Mapping[str, Tensor]) -> FittedEncoder:
        return FittedColumnVectors(self)


class FittedColumnVectors(FittedEncoder):
    def __init__(self, part: ItemEncoder) -> None:
        self.part = part

    def encode(self, catalog: Catalog) -> Float[np.ndarray, "items width"]:
        if "vector" not in catalog.table.columns:
            raise DataError("no column 'vector'")
        return np.array(catalog.table["vector"].to_list(), dtype=np.float32)

    def weights(self) -> Mapping[str, Tensor]:
        return {}


def catalog_of(vectors: np.ndarray, prefix: str = "i") -> Catalog:
    ids = [f"{prefix}{row}" for row in range(len(vectors))]
    return Catalog(pl.DataFrame({"item_id": ids, "vector": vectors.tolist()}))


def split_of(vectors: np.ndarray, users: int = 20, length: int = 6, seed: int = 0) -> Split:
    """A log over these items, in which everybody took some at random."""
    drawn = np.random.default_rng(seed).integers(len(vectors), size=users * length)
    split = leave_two_out("vectors", drawn, np.full(users, length), len(vectors))
    return replace(split, dataset=replace(split.dataset, catalog=catalog_of(vectors)))
