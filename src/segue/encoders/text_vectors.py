"""Vectors of item texts that need no download: weighted words, word pairs and letter groups, reduced by an SVD."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import numpy as np
import polars as pl
import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn.functional import normalize

from segue.core.run import Run
from segue.core.shapes import Float, Int
from segue.core.tables import Catalog, Split
from segue.core.tokenizing import FittedEncoder, ItemEncoder
from segue.encoders._cache import kept
from segue.encoders._known import found
from segue.encoders._texts import characters, mixed, powers_of_factor, text_columns
from segue.kernels.randomized_svd import compressed_rows, randomized_svd

logger = logging.getLogger(__name__)

BLOCK = 8192
"""Items whose words are counted at once; bounds the memory."""
SPACE = ord(" ")


class TextVectors(ItemEncoder):
    """Latent semantic analysis of the items' texts: counts of hashed features, weighted by rarity, and an SVD of them.

    A feature is a word, a pair of neighbouring words or a group of letters within a word; letter case and punctuation
    are ignored. Features are told apart by a hash that is the same on every machine. Learnt from the texts of the whole
    catalog and from no history. Vectors have length 1; an item without text gets the mean direction of the others.

    Source: Deerwester et al. 1990, "Indexing by latent semantic analysis", JASIS 41(6); ours hashes the features
    (Weinberger et al. 2009, arXiv:0902.2206, without their signs).
    """

    columns: dict[str, PositiveFloat] = Field(
        default={"title": 1.0, "brand": 3.0, "categories": 0.5, "description": 0.5}
    )
    """The columns read, each with what one occurrence in it counts; those the catalog lacks are left out."""
    pairs: bool = False
    """Whether two words in a row are a feature too."""
    letters: tuple[Annotated[int, Field(ge=2, le=16)], ...] = (3,)
    """Lengths of the groups of letters that are features, such as 3, 4; word ends count as a letter."""
    buckets: PositiveInt = 65_536
    """Hash values: more distinct features than this share buckets."""
    rarest: PositiveInt = 1
    """Features of fewer items than this are left out."""
    width: PositiveInt = 256
    """Numbers in a vector; where the texts have fewer independent directions, the last ones are zero."""
    sample: PositiveInt = 20_000
    """Items, drawn by the run's seed, that the directions are learnt from when the catalog has more; how rare a feature
    is, is counted over the whole catalog."""
    rounds: PositiveInt = 2
    """Power iterations of the randomised SVD."""

    def fit(self, split: Split, run: Run) -> FittedEncoder:
        """Count, weight by rarity, decompose.

        Raises:
            DataError: the catalog has none of the columns.
        """
        texts = text_columns(split.catalog, self.columns)
        return self.restore(
            kept(run, self, texts.values(), lambda: self._learn(texts, run), packages=["torch"], further=run.seed)
        )

    def restore(self, weights: Mapping[str, Tensor]) -> FittedEncoder:
        """The encoder that `weights` were taken from."""
        return FittedTextVectors(self, *(weights[name] for name in ("buckets", "idf", "components", "mean")))

    def _learn(self, columns: Mapping[str, pl.Series], run: Run) -> dict[str, Tensor]:
        features = self._features(columns)
        counts = np.bincount(features.buckets, minlength=self.buckets)
        buckets = np.flatnonzero(counts >= self.rarest)
        idf = (np.log((1 + features.items) / (1 + counts[buckets])) + 1).astype(np.float32)
        if features.items > self.sample:
            drawn = run.numpy_generator("text vectors").choice(features.items, self.sample, replace=False)
            features = features.take(np.sort(drawn))
        weighted = features.matrix(buckets, idf)
        components = torch.zeros(len(buckets), self.width)
        if len(buckets):
            rng = replace(run, device=torch.device("cpu")).torch_generator("text vectors")
            _, directions = randomized_svd(weighted, self.width, rng, rounds=self.rounds)
            components[:, : directions.shape[1]] = directions
        mean = normalize(normalize(weighted @ components).mean(0), dim=0)
        return {
            "buckets": torch.from_numpy(buckets),
            "idf": torch.from_numpy(idf),
            "components": components,
            "mean": mean,
        }

    def _features(self, columns: Mapping[str, pl.Series]) -> _Features:
        weights = np.array([self.columns[name] for name in columns])
        texts = [_plain(column) for column in columns.values()]
        items, parts = len(texts[0]), []
        for begin in range(0, max(items, 1), BLOCK):
            keys = [
                (keys + np.uint64(begin * self.buckets)) * np.uint64(len(texts)) + np.uint64(place)
                for place, column in enumerate(texts)
                for keys in self._keys(column[begin : begin + BLOCK])
            ]
            parts.append(_counted(np.concatenate(keys), weights))
        cells, counts = (np.concatenate(part) for part in zip(*parts, strict=True))
        rows, buckets = np.divmod(cells, self.buckets)
        return _Features(items, rows, buckets, counts)

    def _keys(self, texts: pl.Series) -> list[np.ndarray]:
        """(item, bucket) of every feature of these texts as one number: item * buckets + bucket."""
        codes, bounds = characters(texts)
        items = np.repeat(np.arange(len(texts), dtype=np.uint64), np.diff(bounds))
        spaces = np.flatnonzero(codes == SPACE)
        some = np.diff(spaces) > 1  # else no word between the two
        starts, lengths = spaces[:-1][some] + 1, np.diff(spaces)[some] - 1
        powers = powers_of_factor(max(int(lengths.max(initial=0)), *self.letters, 2))
        inside = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)  # place within the word
        terms = codes[np.repeat(starts, lengths) + inside] * powers[inside]
        words = np.add.reduceat(terms, np.cumsum(lengths) - lengths) if len(starts) else terms
        owners = items[starts]
        features = [(owners, words)]
        if self.pairs:
            neighbours = owners[1:] == owners[:-1]
            features.append((owners[1:][neighbours], (mixed(words[:-1]) * powers[1] + words[1:])[neighbours]))
        for length in self.letters:
            begins = np.arange(max(len(codes) - length + 1, 0))
            within = np.ones(len(begins), dtype=bool)
            for place in range(1, length - 1):
                within &= codes[place : place + len(begins)] != SPACE
            if length == 2:  # two spaces stand between items, so that no group crosses from one to the next
                within &= (codes[begins] != SPACE) | (codes[begins + 1] != SPACE)
            begins = begins[within]
            group = sum((codes[begins + place] * powers[place] for place in range(length)), np.uint64(length))
            features.append((items[begins], mixed(np.asarray(group))))
        return [
            owners * np.uint64(self.buckets) + mixed(hashes) % np.uint64(self.buckets) for owners, hashes in features
        ]


class _Features:
    """How much of each bucket each item has; cells are sorted by item, then bucket."""

    def __init__(self, items: int, rows: np.ndarray, buckets: np.ndarray, counts: np.ndarray) -> None:
        self.items, self.rows, self.buckets, self.counts = items, rows, buckets, counts

    def take(self, items: Int[np.ndarray, " some"]) -> _Features:
        """Those of the chosen items, which are in order."""
        rows = found(items, self.rows)
        some = rows >= 0
        return _Features(len(items), rows[some], self.buckets[some], self.counts[some])

    def matrix(
        self, buckets: Int[np.ndarray, " features"], idf: Float[np.ndarray, " features"]
    ) -> Float[Tensor, "items features"]:
        """Items by features in compressed sparse rows: log(1 + count) * idf, each row of length 1."""
        places = found(buckets, self.buckets)
        known = places >= 0
        rows, columns = self.rows[known], places[known]
        values = np.log1p(self.counts[known]) * idf[columns]
        values /= np.sqrt(np.bincount(rows, values**2, minlength=self.items))[rows]
        return compressed_rows(
            torch.from_numpy(np.searchsorted(rows, np.arange(self.items + 1))),
            torch.from_numpy(columns),
            torch.from_numpy(values.astype(np.float32)),
            width=len(buckets),
        )


class FittedTextVectors(FittedEncoder):
    """Knows which buckets count how much, and the directions they are reduced to."""

    def __init__(self, part: TextVectors, buckets: Tensor, idf: Tensor, components: Tensor, mean: Tensor) -> None:
        self.part: TextVectors = part
        self.buckets, self.idf, self.components, self.mean = buckets, idf, components, mean

    def encode(self, catalog: Catalog) -> Float[np.ndarray, "items width"]:
        """A vector for each item; items without any known feature get the mean direction, and a warning says so.

        Raises:
            DataError: the catalog has none of the columns.
        """
        columns = text_columns(catalog, self.part.columns)
        weighted = self.part._features(columns).matrix(self.buckets.numpy(), self.idf.numpy())
        vectors = normalize(weighted @ self.components)
        empty = vectors.count_nonzero(1) == 0
        if empty.any():
            logger.warning(
                "%d of %d items have no text that says anything (first: %r); they get the mean vector",
                int(empty.sum()), len(catalog), catalog.ids[int(empty.nonzero()[0])],
            )  # fmt: skip
            vectors[empty] = self.mean
        return vectors.numpy()

    def weights(self) -> Mapping[str, Tensor]:
        """The buckets in use, their idf and components, and the mean direction."""
        return {"buckets": self.buckets, "idf": self.idf, "components": self.components, "mean": self.mean}


def _plain(texts: pl.Series) -> pl.Series:
    """Lower case, words apart by single spaces, and a space at both ends."""
    words = texts.str.to_lowercase().str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ").str.strip_chars(" ")
    return pl.select(pl.concat_str(pl.lit(" "), words, pl.lit(" "))).to_series()


def _counted(keys: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct cells in order, and the sum of the weights of their columns; a key is cell * columns + column."""
    keys = np.sort(keys)
    firsts = np.flatnonzero(np.diff(keys, prepend=np.uint64(2**64 - 1)) != 0) if len(keys) else np.zeros(0, np.int64)
    counts = np.diff(firsts, append=len(keys))
    cells, columns = np.divmod(keys[firsts], np.uint64(len(weights)))
    starts = np.flatnonzero(np.diff(cells, prepend=np.uint64(2**64 - 1)) != 0)
    sums = np.add.reduceat(counts * weights[columns.astype(np.int64)], starts) if len(starts) else np.zeros(0)
    return cells[starts].astype(np.int64), sums
