"""Vectors whose structure is known: a coarse direction, a finer one and a finest one for each item."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from segue.core.run import Run
from segue.core.seeding import numpy_generator
from segue.core.tables import Catalog, Split
from segue.core.tokenizing import FittedEncoder, ItemEncoder


class PlantedVectors(ItemEncoder):
    """Item number n (digits of its id) in base `branches`: each digit adds a direction, a third as long each time."""

    width: int = 12
    branches: int = 4
    depth: int = 3
    noise: float = 0.02
    broken: str = ""

    def fit(self, split: Split, run: Run) -> FittedEncoder:
        return FittedPlantedVectors(self, torch.tensor(run.seed))

    def restore(self, weights: Mapping[str, Tensor]) -> FittedEncoder:
        return FittedPlantedVectors(self, weights["seed"])


class FittedPlantedVectors(FittedEncoder):
    def __init__(self, part: PlantedVectors, seed: Tensor) -> None:
        self.part, self.seed = part, seed

    def encode(self, catalog: Catalog) -> np.ndarray:
        part = self.part
        directions = numpy_generator(0, "planted").normal(size=(part.depth, part.branches, part.width))
        vectors = np.zeros((len(catalog), part.width))
        for row, name in enumerate(catalog.ids):
            number = int("".join(letter for letter in name if letter.isdigit()))
            for level in range(part.depth):
                vectors[row] += directions[level, number // part.branches**level % part.branches] / 3**level
            vectors[row] += part.noise * numpy_generator(0, name).normal(size=part.width)
            if name == part.broken:
                vectors[row, 0] = np.nan
        return vectors.astype(np.float32)

    def weights(self) -> Mapping[str, Tensor]:
        return {"seed": self.seed}
