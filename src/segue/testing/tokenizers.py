"""What every tokenizer must do, as one check that raises AssertionError and says what was found."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from torch import Tensor

from segue.core import checkpoint
from segue.core.codes import ItemCodes
from segue.core.errors import DataError
from segue.core.ranking import NOTHING
from segue.core.run import Run
from segue.core.tables import Cases, Catalog, Histories, Split
from segue.core.tokenizing import FittedTokenizer, ItemTokenizer


def check_tokenizer(tokenizer: ItemTokenizer, split: Split, *, admits: bool = True) -> FittedTokenizer:
    """Every item finds itself, the tree is the catalog, nothing moves, and saving and repeating give the same codes.

    `admits` says whether items that come later get codes; a tokenizer that cannot do that must refuse them. Its encoder
    must know what to make of copies of the catalog's rows under other item ids. Gives back the fitted tokenizer.
    """
    assert type(tokenizer).parse(tokenizer.dump()) == tokenizer, "the tokenizer is not the same after YAML"
    catalog = split.catalog
    fitted = tokenizer.fit(split, Run(seed=1))
    assert len(fitted.codes) == len(catalog), f"{len(fitted.codes)} items have codes, {len(catalog)} are in the catalog"
    _finds_itself(fitted)
    _tree_is_the_catalog(fitted.codes)
    _same(tokenizer.fit(split, Run(seed=1)), fitted, "the same seed")
    _same(tokenizer.fit(_other_future(split), Run(seed=1)), fitted, "other validation and test events")
    _same(tokenizer.restore(catalog, _written_and_read(fitted)), fitted, "saving and loading")
    vectors, reconstructed = fitted.vectors(), fitted.reconstructed()
    if vectors is not None and reconstructed is not None:
        assert vectors.shape == reconstructed.shape, f"{vectors.shape} was reconstructed as {reconstructed.shape}"
    json.dumps(dict(fitted.notes()))
    some = np.arange(len(catalog))[::-2]
    asked = fitted.encode(Catalog(catalog.table[some]))
    assert np.array_equal(asked, fitted.codes.codes[some]), "known items get other codes when asked in another order"
    _newcomers(fitted, admits)
    return fitted


def _finds_itself(fitted: FittedTokenizer) -> None:
    codes = fitted.codes
    encoded = fitted.encode(fitted.catalog)
    assert np.array_equal(encoded, codes.codes), "encoding the catalog does not give the codes of its items"
    found = fitted.decode(encoded)
    assert (found != NOTHING).all(), f"item {int((found == NOTHING).argmax())} is not found by its own codes"
    assert np.array_equal(codes.codes[found], codes.codes), "an item is found that has other codes"
    if codes.weights is None:
        lost = np.flatnonzero(found != np.arange(len(codes)))
        assert not len(lost), f"items {lost[:3]} share their codes with others, and there are no weights"
    else:
        assert (codes.weights[found] >= codes.weights).all(), "of items with one tuple the first must have most weight"


def _tree_is_the_catalog(codes: ItemCodes) -> None:
    tree = codes.tree
    assert np.array_equal(np.sort(tree.items.numpy()), np.arange(len(codes))), "the tree's items are not the catalog's"
    tuples = np.unique(codes.codes, axis=0)
    assert tree.nodes(codes.levels) == len(tuples), f"{tree.nodes(codes.levels)} leaves for {len(tuples)} tuples"
    known = set(map(tuple, tuples.tolist()))
    beside = [row for row in (tuples + np.eye(codes.levels, dtype=int)[-1]).tolist() if tuple(row) not in known]
    if beside:
        assert (codes.find(np.array(beside)) == NOTHING).all(), "a tuple that nobody has finds an item"


def _newcomers(fitted: FittedTokenizer, admits: bool) -> None:
    table, codes = fitted.catalog.table, fitted.codes
    before = codes.codes.copy()
    new = table[:: max(1, len(table) // 5)].with_columns(pl.format("new {}", "item_id").alias("item_id"))
    wider = Catalog(pl.concat([new, table]))
    if not admits:
        try:
            fitted.encode(wider)
        except DataError:
            return
        raise AssertionError("new items were given codes, and this tokenizer is said to refuse them")
    encoded = fitted.encode(wider)
    assert np.array_equal(encoded[len(new) :], before), "new items have moved old ones"
    assert np.array_equal(fitted.codes.codes, before), "asking for the codes of new items has changed the tokenizer"
    assert np.array_equal(fitted.encode(wider), encoded), "asking twice gives new items other codes"
    extended = codes.extended(encoded[: len(new)])  # refuses codes outside of their codebooks
    _tree_is_the_catalog(extended)
    if codes.weights is None:
        found = extended.find(extended.codes)
        assert np.array_equal(found, np.arange(len(extended))), "a new item has the codes of another one"


def _same(other: FittedTokenizer, fitted: FittedTokenizer, cause: str) -> None:
    ours, theirs = fitted.codes, other.codes
    assert np.array_equal(ours.codes, theirs.codes), f"{cause} gave other codes"
    assert (ours.sizes, ours.shared) == (theirs.sizes, theirs.shared), f"{cause} gave other codebooks"
    for what, one, two in (
        ("weights", ours.weights, theirs.weights),
        ("vectors", fitted.vectors(), other.vectors()),
        ("reconstructed vectors", fitted.reconstructed(), other.reconstructed()),
    ):
        same = one is two if one is None or two is None else np.array_equal(one, two)
        assert same, f"{cause} gave other {what}"


def _other_future(split: Split) -> Split:
    """The same training histories, and every event that they do not hold is of another item."""
    log, known = split.dataset.log, split.train.items
    positions, _ = split.train.positions()
    items = ((known + 1) % len(split.catalog)).astype(known.dtype)
    items[positions] = known[positions]

    def changed(histories: Histories) -> Histories:
        return replace(histories, items=items)

    return Split(
        dataset=replace(split.dataset, log=replace(log, items=items), digest=f"{split.dataset.digest}, other future"),
        rule=split.rule,
        train=changed(split.train),
        validation=Cases(changed(split.validation.histories), split.validation.stops),
        test=Cases(changed(split.test.histories), split.test.stops),
    )


def _written_and_read(fitted: FittedTokenizer) -> Mapping[str, Tensor]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tokenizer.safetensors"
        checkpoint.write(file, fitted.weights(), {})
        return checkpoint.read(file)[0]
