"""Titles as item ids: the word pieces of an item's title are its codes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from segue.core.codes import ItemCodes
from segue.core.errors import DataError
from segue.core.extras import require
from segue.core.run import Run
from segue.core.shapes import Int
from segue.core.tables import Catalog, Split
from segue.core.tokenizing import FittedTokenizer, ItemTokenizer
from segue.tokenizers._vectors import code_tensors, codes_from, from_json_tensor, json_tensor, rows_or_minus_one
from segue.tokenizers.collisions import collision_rates, places, prefix_numbers

BYTES = 256
"""Pieces that are there in any case, so that every text can be written."""


class Titles(ItemTokenizer):
    """Byte-pair pieces learnt from the titles, one codebook for all places; code 0 ends a title and fills it up.

    Items whose titles come out equal, in full or as far as `length` goes, are told apart by one more piece behind the
    title (in place of its last, where it is as long as can be), the most popular staying as it is; or they share their
    codes. Source of titles as ids: title indexing in Hua et al. 2023, arXiv:2305.06569;
    theirs are the words of a language model, ours are learnt from the catalog.
    """

    pieces: int = Field(default=4096, gt=BYTES)
    """Codes of the codebook: the end, 256 bytes and the pieces learnt."""
    length: int = Field(default=24, ge=2)
    """Titles are cut to so many pieces."""
    equal: Literal["piece", "popularity"] = "piece"
    """Equal titles get a further piece, or share their codes in proportion to their training counts."""

    def fit(self, split: Split, run: Run) -> FittedTokenizer:
        """Learn the pieces from the catalog's titles and write every title in them.

        Raises:
            DataError: the catalog has no titles.
            MissingExtra: the package `tokenizers` is not installed.
        """
        catalog = split.catalog
        written = self._learn(_titles(catalog))
        pieces = _Pieces(written)
        found = pieces.codes(_titles(catalog), self.length)
        longest = int((found > 0).sum(1).max())
        notes = {
            "pieces": pieces.count,
            "longest": longest,
            "collision_rate_before": collision_rates(found, (pieces.count,) * self.length)[-1],
        }
        counts = split.item_counts()
        levels = min(self.length, longest + 1)
        tuples, sizes = found[:, :levels], (pieces.count,) * levels
        if self.equal == "popularity":
            codes = ItemCodes(tuples, sizes, shared=True, weights=counts.astype(np.float64))
        else:
            order = np.argsort(-counts, kind="stable")
            apart = np.empty_like(tuples)
            apart[order] = _told_apart(tuples[:0], tuples[order], pieces.count)
            codes = ItemCodes(apart, sizes, shared=True)
            notes["moved"] = int((apart != tuples).any(1).sum())
        notes["collision_rate_after"] = collision_rates(codes.codes, sizes)[-1]
        return FittedTitles(self, catalog, pieces, codes, notes)

    def restore(self, catalog: Catalog, weights: Mapping[str, Tensor]) -> FittedTokenizer:
        """The tokenizer that `weights` were taken from."""
        pieces = _Pieces(weights["pieces"].cpu().numpy().tobytes().decode())
        return FittedTitles(self, catalog, pieces, codes_from(weights, shared=True), from_json_tensor(weights["notes"]))

    def _learn(self, titles: list[str]) -> str:
        package = require("tokenizers", extra="text")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        tokenizer = package.Tokenizer(package.models.BPE())
        tokenizer.pre_tokenizer = package.pre_tokenizers.ByteLevel(add_prefix_space=True)
        tokenizer.decoder = package.decoders.ByteLevel()
        trainer = package.trainers.BpeTrainer(
            vocab_size=self.pieces - 1,  # without the end
            initial_alphabet=package.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(titles, trainer=trainer)
        return str(tokenizer.to_str())


class FittedTitles(FittedTokenizer):
    """The pieces, and the codes of a catalog."""

    def __init__(
        self, part: Titles, catalog: Catalog, pieces: _Pieces, codes: ItemCodes, notes: Mapping[str, Any]
    ) -> None:
        self.part: Titles = part
        self.catalog, self.pieces, self.codes = catalog, pieces, codes
        self._notes = notes

    def encode(self, catalog: Catalog) -> Int[np.ndarray, "items levels"]:
        """Known items keep their codes; new titles are written in the same pieces, cut to as many levels.

        Raises:
            DataError: the new items have no titles.
        """
        rows = rows_or_minus_one(self.catalog, catalog)
        result = self.codes.codes[rows]
        new = np.flatnonzero(rows < 0)
        if len(new):
            found = self.pieces.codes(_titles(Catalog(catalog.table[new])), self.codes.levels)
            if self.part.equal == "piece":
                found = _told_apart(self.codes.codes, found, self.pieces.count)
            result[new] = found
        return result

    def read(self, tuples: Int[np.ndarray, "asked levels"]) -> list[str]:
        """The text that these codes spell."""
        return self.pieces.texts(tuples)

    def notes(self) -> Mapping[str, Any]:
        """How many pieces there are, how long titles get, and what equal ones cost."""
        return self._notes

    def weights(self) -> Mapping[str, Tensor]:
        """The pieces and the codes."""
        return {
            **code_tensors(self.codes),
            "pieces": torch.frombuffer(bytearray(self.pieces.written.encode()), dtype=torch.uint8),
            "notes": json_tensor(dict(self._notes)),
        }


class _Pieces:
    """Learnt pieces: code 0 is the end, code c the piece c - 1."""

    def __init__(self, written: str) -> None:
        self.written = written

    @cached_property
    def tokenizer(self) -> Any:
        return require("tokenizers", extra="text").Tokenizer.from_str(self.written)

    @cached_property
    def count(self) -> int:
        return int(self.tokenizer.get_vocab_size()) + 1

    def codes(self, titles: list[str], length: int) -> np.ndarray:
        numbers = [encoding.ids[:length] for encoding in self.tokenizer.encode_batch(titles)]
        lengths = np.array([len(row) for row in numbers])
        codes = np.zeros((len(titles), length), dtype=np.int64)
        flat = [number for row in numbers for number in row]
        codes[np.arange(length) < lengths[:, None]] = np.array(flat, dtype=np.int64) + 1
        return codes

    def texts(self, tuples: np.ndarray) -> list[str]:
        rows = [(row[row > 0] - 1).tolist() for row in tuples]
        return [text.strip() for text in self.tokenizer.decode_batch(rows)]


def _titles(catalog: Catalog) -> list[str]:
    table = catalog.table
    if "title" not in table.columns or table["title"].null_count() == len(table):
        raise DataError(
            f"titles as item ids need a column 'title'; this catalog has {', '.join(table.columns)} "
            "and no title in any row. Take another tokenizer, or prepare the data with titles."
        )
    return catalog.titles(np.arange(len(table)))


def _told_apart(existing: np.ndarray, codes: np.ndarray, pieces: int) -> Int[np.ndarray, "items levels"]:
    """`codes` with a further piece behind the titles that an earlier row, or one of `existing`, has already."""
    codes, first = np.concatenate([existing, codes]), len(existing)
    sizes = (pieces,) * codes.shape[1]
    numbers = prefix_numbers(codes, sizes)[-1]
    place = places(numbers)  # the second of its title tries piece 1, the third piece 2
    equals = np.bincount(numbers)[numbers]
    ends = np.minimum((codes > 0).sum(1), codes.shape[1] - 1)
    waiting = np.flatnonzero(place > 0)
    while len(waiting):
        if (place[waiting] >= pieces).any():
            raise DataError(
                f"more than {pieces:,} items have one title, so that one more piece cannot tell them apart; "
                "set equal=popularity or a larger length."
            )
        codes[waiting, ends[waiting]] = place[waiting]
        settled = np.ones(len(codes), dtype=np.int64)
        settled[waiting] = 0  # whoever has a tuple already keeps it
        waiting = waiting[places(prefix_numbers(codes, sizes)[-1], settled)[waiting] > 0]
        place[waiting] += equals[waiting]
    return codes[first:]
