"""The texts that a small language model is trained on: what the catalogue says, and what people took in turn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from pydantic import NonNegativeInt, PositiveInt

from segue.core.errors import DataError
from segue.core.part import Part
from segue.core.run import Run
from segue.core.tables import Catalog, Histories, Split
from segue.language.instruction import Instruction


class Corpus(Part):
    """Each title once, the beginning of each description, and some training histories as plain lists of titles.

    A real language model has met such lists on the web and never the prompts of a recommender. So the prompts are left
    out unless `sentences` asks for them: fine-tuning has to have something to teach. Of the log only the training
    histories are read; of the catalogue everything, as it is known when a recommender is asked.
    """

    descriptions: NonNegativeInt = 200
    """Characters of each description that are read, behind its title; 0 leaves them out."""
    histories: NonNegativeInt = 2000
    """Pieces of training histories that are read as lists of titles; 0 for none."""
    length: PositiveInt = 10
    """The most titles in such a list."""
    letters: PositiveInt | None = None
    """Characters of a title that are read, but for those in `prompts`, which has a setting of its own; None for all."""
    sentences: NonNegativeInt = 0
    """Pieces of training histories that are read as whole prompts with their responses."""
    prompts: Instruction = Instruction()
    """The words of these prompts."""

    def texts(self, split: Split, run: Run) -> pl.Series:
        """The texts, the different titles first; which pieces are read depends on the run's seed.

        Raises:
            DataError: the catalogue has no titles.
        """
        titles = _told(split.catalog, "title")
        if titles is None or not titles.drop_nulls().len():
            raise DataError(
                "a small language model learns from titles, and this catalogue has none "
                f"(its columns: {', '.join(split.catalog.table.columns)}). Give the items titles (a table of items "
                "with a column 'title' beside the log), or take a checkpoint that exists."
            )
        found = [self._cut(titles.drop_nulls()).unique(maintain_order=True)]
        descriptions = _told(split.catalog, "description") if self.descriptions else None
        if descriptions is not None:
            begun = self._cut(split.catalog.names()) + ": " + descriptions.str.slice(0, self.descriptions)
            found.append(begun.drop_nulls().unique(maintain_order=True))
        if self.histories:
            found.append(self._lists(split, run.numpy_generator("histories to read")))
        if self.sentences:
            found.append(self._sentences(split, run))
        return pl.concat([texts.rename("text") for texts in found], rechunk=True)

    def _lists(self, split: Split, rng: np.random.Generator) -> pl.Series:
        """Titles in the order in which somebody took them, one list a text."""
        items, bounds = windows(split.train, self.histories, self.length, rng).packed()
        titles = self._cut(split.catalog.names()).gather(items)
        rows = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
        lists = pl.DataFrame({"row": rows, "title": titles}).group_by("row", maintain_order=True)
        return lists.agg(pl.col("title").str.join("; "))["title"]

    def _cut(self, titles: pl.Series) -> pl.Series:
        return titles if self.letters is None else titles.str.head(self.letters).str.strip_chars_end()

    def _sentences(self, split: Split, run: Run) -> pl.Series:
        """Prompts with their responses, in the words that a recommender is trained on."""
        rng = run.numpy_generator("sentences to read")
        items, bounds = windows(split.train, self.sentences, self.prompts.history + 1, rng).packed()
        titles, answers = split.catalog.names().gather(items), bounds[1:] - 1
        told = titles.gather(np.delete(np.arange(len(items)), answers))
        asked = self.prompts.asked(told, bounds - np.arange(len(bounds)))
        return self.prompts.preamble(split, run) + asked + self.prompts.response(titles.gather(answers))


def windows(histories: Histories, count: int, length: int, rng: np.random.Generator) -> Histories:
    """Different pieces of at least two and at most `length` events, drawn evenly over where they end."""
    rows = np.flatnonzero(histories.lengths >= 2)
    places = np.cumsum(histories.lengths[rows] - 1)
    total = int(places[-1]) if len(rows) else 0
    drawn = np.sort(rng.choice(total, min(count, total), replace=False))
    row = np.searchsorted(places, drawn, side="right")
    some = histories.take(rows[row])
    return replace(some, ends=some.ends - (places[row] - 1 - drawn)).latest(max(length, 2))


def _told(catalog: Catalog, column: str) -> pl.Series | None:
    """What the catalogue says in this column, one line a text, or null; None where there is no such column."""
    if column not in catalog.table.columns:
        return None
    texts = catalog.table[column]
    if isinstance(texts.dtype, pl.List):
        texts = texts.list.join(" ")
    texts = texts.cast(pl.String).str.replace_all(r"\s+", " ").str.strip_chars()
    return pl.select(pl.when(texts.str.len_bytes() > 0).then(texts)).to_series()
