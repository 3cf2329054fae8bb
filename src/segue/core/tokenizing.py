"""What turns items into vectors, and vectors into codes: the interfaces of encoders and tokenizers."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from segue.core.codes import ItemCodes
from segue.core.part import Part
from segue.core.run import Run
from segue.core.shapes import Float, Int
from segue.core.tables import Catalog, Split


class ItemEncoder(Part):
    """Gives each item of a catalog a vector: of its text, of who took it, or of the user's own making."""

    abstract: ClassVar[bool] = True

    @property
    def reads_events(self) -> bool:
        """Whether vectors come from what users did; then they must not meet a test whose events they know."""
        return False

    def fit(self, split: Split, run: Run) -> FittedEncoder:
        """Learn what there is to learn from the catalog and the training histories.

        Raises:
            DataError: the catalog lacks what this encoder reads; says which columns were looked for.
        """
        raise NotImplementedError

    def restore(self, weights: Mapping[str, Tensor]) -> FittedEncoder:
        """The encoder that `weights` were taken from."""
        raise NotImplementedError


class FittedEncoder(ABC):
    """An encoder that knows its catalog and can read further items."""

    part: ItemEncoder

    @abstractmethod
    def encode(self, catalog: Catalog) -> Float[np.ndarray, "items width"]:
        """A vector for each item of this catalog (the one it was fitted on, or further items), as float32.

        Raises:
            DataError: an item cannot be given a vector (collaborative vectors know only the items they were fitted on).
        """

    @abstractmethod
    def weights(self) -> Mapping[str, Tensor]:
        """Everything fitted, as named tensors."""


class ItemTokenizer(Part):
    """Fits a dataset and gives each item a short tuple of codes.

    Where one is asked for, the path of a folder of saved codes will do.
    """

    abstract: ClassVar[bool] = True

    @classmethod
    def _of_word(cls, word: str) -> dict[str, Any]:
        folder = Path(word)
        a_path = folder.is_dir() or "/" in word
        return {"kind": "saved_codes", "path": str(folder.resolve())} if a_path else {"kind": word}

    @property
    def reads_events(self) -> bool:
        """Whether codes come from what users did; then they must not meet a test whose events they know."""
        return False

    def fit(self, split: Split, run: Run) -> FittedTokenizer:
        """Learn codebooks from the items, and the codes of every item; validation and test events are not looked at.

        Raises:
            DataError: fewer items than codes where that cannot work, vectors that are not numbers, a missing column.
        """
        raise NotImplementedError

    def restore(self, catalog: Catalog, weights: Mapping[str, Tensor]) -> FittedTokenizer:
        """The tokenizer that `weights` were taken from."""
        raise NotImplementedError


class FittedTokenizer(ABC):
    """A tokenizer that knows its catalog: item -> codes by `encode`, codes -> item by `decode`."""

    part: ItemTokenizer
    catalog: Catalog
    codes: ItemCodes

    @abstractmethod
    def encode(self, catalog: Catalog) -> Int[np.ndarray, "items levels"]:
        """The codes of these items: known ones (by `item_id`) keep theirs, and for new ones nobody moves.

        Raises:
            DataError: a new item cannot be given codes by this kind of tokenizer.
        """

    def extended(self, new: Catalog) -> FittedTokenizer:
        """The same tokenizer with further items behind those that it knows, whose codes do not change.

        Raises:
            DataError: a new item cannot be given codes.
        """
        grown = copy.copy(self)
        grown.codes, grown.catalog = self.codes.extended(self.encode(new)), self.catalog.extended(new)
        grown.__dict__.pop("_vectors", None)  # of the items before
        return grown

    def decode(self, tuples: Int[np.ndarray, "asked levels"]) -> Int[np.ndarray, " asked"]:
        """The item row of each tuple, or `NOTHING`."""
        return self.codes.find(tuples)

    def vectors(self) -> Float[np.ndarray, "items width"] | None:
        """What was quantised, or None where the codes come from no vectors (item ids, titles)."""
        return None

    def reconstructed(self) -> Float[np.ndarray, "items width"] | None:
        """What the codes say the vectors are, in the same space as `vectors`, or None where there is no such thing."""
        return None

    def notes(self) -> Mapping[str, Any]:
        """What happened while fitting, as plain values: collisions before they were resolved, dead codes, losses."""
        return {}

    @abstractmethod
    def weights(self) -> Mapping[str, Tensor]:
        """Everything fitted, as named tensors; `part.restore` makes the tokenizer from it again."""
