"""Codes known by heart, and a tokenizer that was given them."""

import numpy as np
import polars as pl

from segue.core.codes import ItemCodes
from segue.core.tables import Catalog
from segue.core.tokenizing import FittedTokenizer


class Given(FittedTokenizer):
    """A fitted tokenizer whose codes, vectors and notes are given by hand."""

    def __init__(self, codes, sizes, titles=None, vectors=None, reconstructed=None, notes=None):
        self.codes = ItemCodes(np.array(codes), tuple(sizes))
        ids = [f"i{row}" for row in range(len(codes))]
        columns = {"item_id": ids} | ({"title": titles} if titles else {})
        self.catalog = Catalog(pl.DataFrame(columns))
        self._vectors, self._reconstructed, self._notes = vectors, reconstructed, notes or {}

    def encode(self, catalog):
        return self.codes.codes[self.catalog.rows(catalog.ids)]

    def vectors(self):
        return self._vectors

    def reconstructed(self):
        return self._reconstructed

    def notes(self):
        return self._notes

    def weights(self):
        return {}


def two_camps(each=12, seed=0):
    """Items of two directions at right angles, each with a little noise; the first half has the first direction."""
    rng = np.random.default_rng(seed)
    vectors = np.repeat(np.eye(4)[:2], each, axis=0) + 0.01 * rng.normal(size=(2 * each, 4))
    return vectors.astype(np.float32)
