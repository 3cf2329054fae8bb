"""Several encoders side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import Field, PositiveFloat
from torch import Tensor

from segue.core.errors import SettingsError
from segue.core.run import Run
from segue.core.shapes import Float
from segue.core.tables import Catalog, Split
from segue.core.tokenizing import FittedEncoder, ItemEncoder


class JoinedVectors(ItemEncoder):
    """The vectors of several encoders one behind the other, each multiplied by its scale.

    Where all of them give vectors of length 1, the cosine of two joined vectors is the mean of their cosines, weighted
    by the squares of the scales.
    """

    encoders: tuple[ItemEncoder, ...] = Field(min_length=1)
    """What is joined, in this order."""
    scales: tuple[PositiveFloat, ...] = ()
    """What each encoder's vectors are multiplied by; empty for 1 everywhere."""

    @property
    def reads_events(self) -> bool:
        """Whether vectors come from what users did."""
        return any(encoder.reads_events for encoder in self.encoders)

    def fit(self, split: Split, run: Run) -> FittedEncoder:
        """Fit one encoder after another.

        Raises:
            SettingsError: there are not as many scales as encoders.
            DataError: what one of the encoders says.
        """
        self._factors()
        return FittedJoinedVectors(self, [encoder.fit(split, run) for encoder in self.encoders])

    def restore(self, weights: Mapping[str, Tensor]) -> FittedEncoder:
        """The encoder that `weights` were taken from."""
        inner = [
            encoder.restore({name.removeprefix(f"{place}."): tensor for name, tensor in weights.items()
                             if name.startswith(f"{place}.")})
            for place, encoder in enumerate(self.encoders)
        ]  # fmt: skip
        return FittedJoinedVectors(self, inner)

    def _factors(self) -> tuple[float, ...]:
        if self.scales and len(self.scales) != len(self.encoders):
            raise SettingsError(
                f"scales: expected one for each of the {len(self.encoders)} encoders, not {len(self.scales)}."
            )
        return self.scales or (1.0,) * len(self.encoders)


class FittedJoinedVectors(FittedEncoder):
    """Asks each fitted encoder."""

    def __init__(self, part: JoinedVectors, inner: Sequence[FittedEncoder]) -> None:
        self.part: JoinedVectors = part
        self.inner = tuple(inner)

    def encode(self, catalog: Catalog) -> Float[np.ndarray, "items width"]:
        """The scaled vectors side by side.

        Raises:
            DataError: one of the encoders has no vector for an item.
        """
        scaled = [
            np.float32(by) * fitted.encode(catalog) for by, fitted in zip(self.part._factors(), self.inner, strict=True)
        ]
        return np.concatenate(scaled, axis=1)

    def weights(self) -> Mapping[str, Tensor]:
        """What each encoder needs, its place before the names."""
        return {
            f"{place}.{name}": tensor
            for place, fitted in enumerate(self.inner)
            for name, tensor in fitted.weights().items()
        }
