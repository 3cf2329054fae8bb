"""Codes made earlier: a folder written once and used by any number of systems."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from segue.core import checkpoint
from segue.core.codes import ItemCodes
from segue.core.errors import DataError, RunError, SettingsError
from segue.core.learnt import FILE, Learnt
from segue.core.reading import read_json, shortly
from segue.core.run import Run
from segue.core.shapes import Float, Int
from segue.core.tables import Catalog, Split
from segue.core.tokenizing import FittedTokenizer, ItemTokenizer
from segue.core.whole import whole_folder
from segue.tokenizers._vectors import from_json_tensor, json_tensor, rows_or_minus_one

PART, TENSORS, CATALOG = "tokenizer.json", "tokenizer.safetensors", "catalog.parquet"
INNER = "inner."
"""Among the weights: the prefix of the saved tokenizer's own."""
log = logging.getLogger(__name__)


class SavedCodes(ItemTokenizer):
    """The codes of a folder that `save` wrote, for a catalog with the same items.

    Items that the folder does not know are encoded as new ones; what else the folder knows keeps its codes and is not
    recommended. The weights hold everything, so that a run outlives the folder.
    """

    path: str
    """The folder."""

    def fit(self, split: Split, run: Run) -> FittedTokenizer:
        """Load the folder and look up the items; nothing is learnt.

        Raises:
            RunError: the folder is not one that `save` wrote.
            DataError: no item of the catalog is in it, most that are have another title, new ones cannot be given
                codes, or the codes come from events that are asked here.
        """
        inner = load(Path(self.path))
        catalog, learnt = split.catalog, Path(self.path) / FILE
        if inner.part.reads_events and learnt.exists():
            Learnt.read(learnt).refuse_met(split, self.path)
        unknown = rows_or_minus_one(inner.catalog, catalog) < 0
        if unknown.all():
            raise DataError(
                f"none of the {len(catalog):,} items is among the {len(inner.catalog):,} whose codes {self.path} has: "
                f"it knows items such as {inner.catalog.ids[0]!r}, this dataset {catalog.ids[0]!r}."
            )
        _refuse_renamed(inner.catalog, catalog, self.path)
        if unknown.any():
            log.info("%d of %d items are not in %s and are encoded as new ones", unknown.sum(), len(catalog), self.path)
            inner = _with_newcomers(inner, Catalog(catalog.table.filter(pl.Series(unknown))))
        absent = len(inner.catalog) - len(catalog)
        if absent:
            log.info("%d items of %s are not in this dataset; nothing leads to their codes", absent, self.path)
        return FittedSavedCodes(self, catalog, inner)

    def restore(self, catalog: Catalog, weights: Mapping[str, Tensor]) -> FittedTokenizer:
        """The tokenizer that `weights` were taken from; the folder is not looked at."""
        own = {name.removeprefix(INNER): tensor for name, tensor in weights.items() if name.startswith(INNER)}
        known = Catalog(pl.read_parquet(io.BytesIO(weights["catalog"].cpu().numpy().tobytes())))
        inner = ItemTokenizer.parse(from_json_tensor(weights["part"])).restore(known, own)
        return FittedSavedCodes(self, catalog, inner)


class FittedSavedCodes(FittedTokenizer):
    """Another tokenizer, seen through the rows of this catalog."""

    def __init__(self, part: SavedCodes, catalog: Catalog, inner: FittedTokenizer) -> None:
        self.part: SavedCodes = part
        self.catalog, self.inner = catalog, inner
        self.rows = inner.catalog.rows(catalog.ids)
        saved = inner.codes
        weights = None if saved.weights is None else saved.weights[self.rows]
        self.codes = ItemCodes(saved.codes[self.rows], saved.sizes, saved.shared, weights)

    def encode(self, catalog: Catalog) -> Int[np.ndarray, "items levels"]:
        """As the saved tokenizer does it."""
        return self.inner.encode(catalog)

    def extended(self, new: Catalog) -> FittedTokenizer:
        """With further items, whether the saved tokenizer knows them or has to encode them."""
        unknown = rows_or_minus_one(self.inner.catalog, new) < 0
        inner = self.inner.extended(Catalog(new.table.filter(pl.Series(unknown)))) if unknown.any() else self.inner
        return FittedSavedCodes(self.part, self.catalog.extended(new), inner)

    def vectors(self) -> Float[np.ndarray, "items width"] | None:
        """What was quantised, or None."""
        vectors = self.inner.vectors()
        return None if vectors is None else vectors[self.rows]

    def reconstructed(self) -> Float[np.ndarray, "items width"] | None:
        """What the codes say the vectors are, or None."""
        vectors = self.inner.reconstructed()
        return None if vectors is None else vectors[self.rows]

    def notes(self) -> Mapping[str, Any]:
        """What happened when the saved tokenizer was fitted, and where it came from."""
        return {**self.inner.notes(), "saved_in": self.part.path}

    def weights(self) -> Mapping[str, Tensor]:
        """The whole saved tokenizer: its description, its catalog and its weights."""
        file = io.BytesIO()
        self.inner.catalog.table.write_parquet(file)
        return {
            "part": json_tensor(self.inner.part.dump()),
            "catalog": torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8),
            **{f"{INNER}{name}": tensor for name, tensor in self.inner.weights().items()},
        }


def save(folder: Path, fitted: FittedTokenizer) -> None:
    """Write a fitted tokenizer: its description, its weights and its catalog; whole or not at all.

    A folder of saved codes is replaced.

    Raises:
        RunError: there is something else at `folder`.
    """
    if folder.exists() and not (folder.is_dir() and ((folder / PART).is_file() or not any(folder.iterdir()))):
        raise RunError(f"{folder} exists and holds no codes; give another folder.")
    with whole_folder(folder) as draft:
        checkpoint.write(draft / TENSORS, fitted.weights(), {"items": len(fitted.catalog)})
        fitted.catalog.table.write_parquet(draft / CATALOG)
        (draft / PART).write_text(json.dumps(fitted.part.dump(), indent=2, ensure_ascii=False), encoding="utf-8")


def load(folder: Path) -> FittedTokenizer:
    """The tokenizer that `save` wrote.

    Raises:
        RunError: the folder is not one of saved codes, or a file of it is missing or damaged.
        SettingsError: it was made by a kind of tokenizer or encoder that is not known here.
    """
    if not (folder / PART).is_file():
        raise RunError(f"{folder} holds no codes; expected a folder with {PART}, as `segue tokenize` writes it.")
    try:
        description = read_json(folder / PART)
        catalog = Catalog(pl.read_parquet(folder / CATALOG, glob=False))
    except (ValueError, OSError, pl.exceptions.PolarsError) as error:
        raise RunError(f"{folder} is damaged ({shortly(error)}); make the codes again.") from error
    if "item_id" not in catalog.table.columns:
        raise RunError(f"{folder / CATALOG} has no column 'item_id'; make the codes again.")
    tensors, _ = checkpoint.read(folder / TENSORS, remedy="make the codes again")
    try:
        part = ItemTokenizer.parse(description)
    except SettingsError as error:
        raise SettingsError(
            f"{folder / PART} does not describe a tokenizer known here: {error}\nA kind is known as soon as the module "
            "that defines it is imported; codes of another version of Segue must be made again."
        ) from None
    with checkpoint.fits(folder / TENSORS, f"{PART} and {CATALOG} beside it", "make the codes again"):
        return part.restore(catalog, tensors)


def _refuse_renamed(saved: Catalog, catalog: Catalog, path: str) -> None:
    """Two catalogs that both count their items from 1 have the same ids, and nothing else in common."""
    if "title" not in saved.table.columns or "title" not in catalog.table.columns:
        return
    rows = rows_or_minus_one(saved, catalog)
    known = np.flatnonzero(rows >= 0)
    theirs, ours = (one.names().gather(some) for one, some in ((saved, rows[known]), (catalog, known)))
    others = theirs.ne_missing(ours)
    if others.sum() > len(known) / 2:
        first = int(others.arg_max() or 0)
        raise DataError(
            f"{path} has the codes of another catalog: {int(others.sum()):,} of the {len(known):,} items that it knows "
            f"have another title here (item {catalog.ids[int(known[first])]!r} is {theirs[first]!r} there and "
            f"{ours[first]!r} here). Make codes for this one with 'segue tokenize'."
        )


def _with_newcomers(inner: FittedTokenizer, new: Catalog) -> FittedTokenizer:
    """The same tokenizer with further items in its catalog, as if they had been there when it was saved."""
    grown = inner.extended(new)
    return grown.part.restore(grown.catalog, grown.weights())
