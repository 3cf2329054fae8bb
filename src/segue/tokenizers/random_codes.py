"""Random tuples: codes that say nothing about items, to measure what a tokenizer is worth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from segue.core.codes import ItemCodes
from segue.core.errors import DataError
from segue.core.run import Run
from segue.core.seeding import numpy_generator
from segue.core.shapes import Int
from segue.core.tables import Catalog, Split
from segue.core.tokenizing import FittedTokenizer, ItemTokenizer
from segue.tokenizers._vectors import code_tensors, codes_from, rows_or_minus_one
from segue.tokenizers.collisions import prefix_numbers


class RandomCodes(ItemTokenizer):
    """A different random tuple for each item: the ablation "Random ID" of TIGER, arXiv:2305.05065."""

    levels: PositiveInt = 4
    """Codes in a tuple."""
    size: int = Field(default=256, ge=2)
    """Codes of each level."""

    def fit(self, split: Split, run: Run) -> FittedTokenizer:
        """Draw the tuples.

        Raises:
            DataError: there are fewer tuples than items.
        """
        rng = run.numpy_generator("random_codes")
        nobody = np.empty((0, self.levels), dtype=np.int64)
        codes = ItemCodes(_drawn(nobody, len(split.catalog), self.size, rng), (self.size,) * self.levels)
        return FittedRandomCodes(self, split.catalog, codes, seed=int(rng.integers(2**62)))

    def restore(self, catalog: Catalog, weights: Mapping[str, Tensor]) -> FittedTokenizer:
        """The tokenizer that `weights` were taken from."""
        return FittedRandomCodes(self, catalog, codes_from(weights), seed=int(weights["seed"]))


class FittedRandomCodes(FittedTokenizer):
    """Random tuples of a catalog; new items get further ones, the same each time they are asked for together."""

    def __init__(self, part: RandomCodes, catalog: Catalog, codes: ItemCodes, seed: int) -> None:
        self.part: RandomCodes = part
        self.catalog, self.codes, self.seed = catalog, codes, seed

    def encode(self, catalog: Catalog) -> Int[np.ndarray, "items levels"]:
        """Known items keep their tuples; new ones get tuples that nobody has.

        Raises:
            DataError: no tuples are left.
        """
        rows = rows_or_minus_one(self.catalog, catalog)
        result = self.codes.codes[rows]
        new = np.flatnonzero(rows < 0)
        if len(new):
            result[new] = _drawn(self.codes.codes, len(new), self.part.size, numpy_generator(self.seed, "new items"))
        return result

    def weights(self) -> Mapping[str, Tensor]:
        """The tuples, and the seed of those to come."""
        return {**code_tensors(self.codes), "seed": torch.tensor(self.seed)}


def _drawn(taken: np.ndarray, count: int, size: int, rng: np.random.Generator) -> Int[np.ndarray, "items levels"]:
    """So many different random tuples, none of them among `taken`."""
    levels = taken.shape[1]
    tuples, wanted = size**levels, len(taken) + count
    if wanted > tuples:
        raise DataError(
            f"{wanted:,} items need different tuples, and {levels} levels of {size} codes have {tuples:,}; "
            "set more levels or a larger size."
        )
    if tuples <= 4 * wanted:  # drawing until all differ would take long
        digits = size ** np.arange(levels - 1, -1, -1)
        free = np.setdiff1d(np.arange(tuples), taken @ digits)
        chosen = rng.choice(free, count, replace=False)
        return chosen[:, None] // digits % size
    codes = np.concatenate([taken, rng.integers(size, size=(count, levels))])
    while True:
        numbers = prefix_numbers(codes, (size,) * levels)[-1]
        first = np.unique(numbers, return_index=True)[1]
        again = np.setdiff1d(np.arange(len(codes)), first)  # always behind `taken`, whose rows are all different
        if not len(again):
            return codes[len(taken) :]
        codes[again] = rng.integers(size, size=(len(again), levels))
