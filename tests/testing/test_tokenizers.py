from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from segue.core.codes import ItemCodes
from segue.core.run import Run
from segue.core.tables import Catalog, Split
from segue.core.tokenizing import FittedTokenizer, ItemTokenizer
from segue.testing.tokenizers import check_tokenizer
from segue.testing.worlds import ring


class FaultyTokenizer(ItemTokenizer):
    """The row in base 10, for up to 100 items, with one fault."""

    fault: Literal["none", "peeks", "forgets", "moves", "collides", "moody", "shares", "greedy"] = "none"

    def fit(self, split: Split, run: Run) -> FittedTokenizer:
        rows = np.arange(len(split.catalog))
        if self.fault == "peeks":
            rows = rows + int(split.dataset.log.items[-1])  # the last event is held out
        if self.fault == "moody":
            rows = np.random.default_rng().permutation(100)[: len(rows)]
        if self.fault == "shares":
            rows = np.maximum(rows, 1)
        return FittedFaultyTokenizer(self, split.catalog, rows)

    def restore(self, catalog: Catalog, weights: Mapping[str, Tensor]) -> FittedTokenizer:
        return FittedFaultyTokenizer(self, catalog, weights["rows"].numpy() + (self.fault == "forgets"))


class FittedFaultyTokenizer(FittedTokenizer):
    def __init__(self, part: FaultyTokenizer, catalog: Catalog, rows: np.ndarray) -> None:
        self.part: FaultyTokenizer = part
        self.catalog, self.rows = catalog, rows
        self.codes = ItemCodes(np.stack(np.divmod(rows, 10), 1), (10, 10))

    def encode(self, catalog: Catalog) -> np.ndarray:
        new = catalog.ids.str.starts_with("new").to_numpy()
        rows = np.zeros(len(catalog), dtype=np.int64)
        rows[~new] = self.rows[self.catalog.rows(catalog.ids.filter(~catalog.ids.str.starts_with("new")))]
        fault = self.part.fault
        if new.any() and fault == "moves":
            rows[~new] += 1
        rows[new] = 0 if fault == "collides" else 99 - np.arange(new.sum()) + (100 if fault == "greedy" else 0)
        return np.stack(np.divmod(rows, 10), 1)

    def weights(self) -> Mapping[str, Tensor]:
        return {"rows": torch.from_numpy(self.rows.copy())}


def test_a_tokenizer_without_fault_passes() -> None:
    check_tokenizer(FaultyTokenizer(), ring(users=9))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("peeks", "other validation and test events gave other codes"),
        ("forgets", "saving and loading gave other codes"),
        ("moves", "new items have moved old ones"),
        ("collides", "a new item has the codes of another one"),
        ("moody", "the same seed gave other codes"),
        ("shares", "share their codes"),
    ],
)
def test_each_fault_is_found(fault: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_tokenizer(FaultyTokenizer().changed({"fault": fault}), ring(users=9))


def test_codes_outside_of_their_codebook_are_found() -> None:
    with pytest.raises(ValueError, match="outside of their codebooks"):
        check_tokenizer(FaultyTokenizer(fault="greedy"), ring(users=9))


def test_who_must_refuse_new_items_and_does_not_is_found() -> None:
    with pytest.raises(AssertionError, match="said to refuse them"):
        check_tokenizer(FaultyTokenizer(), ring(users=9), admits=False)


def test_the_other_future_differs_and_the_past_does_not() -> None:
    from segue.testing.tokenizers import _other_future

    split = ring(users=9)
    other = _other_future(split)
    assert np.array_equal(other.train.packed()[0], split.train.packed()[0])
    assert (other.test.targets.packed()[0] != split.test.targets.packed()[0]).all()
