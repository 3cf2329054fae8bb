"""Item ids as they are: one code, which is the item's row."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from segue.core.codes import ItemCodes
from segue.core.errors import DataError
from segue.core.run import Run
from segue.core.shapes import Int
from segue.core.tables import Catalog, Split
from segue.core.tokenizing import FittedTokenizer, ItemTokenizer
from segue.tokenizers._vectors import rows_or_minus_one


class ItemIds(ItemTokenizer):
    """One level with a code for each item: a model over it is an ordinary softmax over the catalog."""

    def fit(self, split: Split, run: Run) -> FittedTokenizer:
        """Number the items."""
        return FittedItemIds(self, split.catalog)

    def restore(self, catalog: Catalog, weights: Mapping[str, Tensor]) -> FittedTokenizer:
        """The tokenizer that `weights` were taken from."""
        return FittedItemIds(self, catalog)


class FittedItemIds(FittedTokenizer):
    """Rows of a catalog; it has no code for an item beyond them."""

    def __init__(self, part: ItemIds, catalog: Catalog) -> None:
        self.part, self.catalog = part, catalog
        self.codes = ItemCodes(np.arange(len(catalog))[:, None], (len(catalog),))

    def encode(self, catalog: Catalog) -> Int[np.ndarray, "items levels"]:
        """The rows of these items in the fitted catalog.

        Raises:
            DataError: some are not in it.
        """
        rows = rows_or_minus_one(self.catalog, catalog)
        new = np.flatnonzero(rows < 0)
        if len(new):
            raise DataError(
                f"{len(new):,} items are not in the catalog that was fitted (first: {catalog.ids[int(new[0])]!r}), and "
                "item_ids has a code for these only; fit again, or take a tokenizer whose codes come from item texts."
            )
        return self.codes.codes[rows]

    def weights(self) -> Mapping[str, Tensor]:
        """Nothing: the catalog says it all."""
        return {}
