"""Histories as instructions: a task, the titles that somebody took, and the title that came next."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
from pydantic import Field, NonNegativeInt, PositiveInt

from segue.core.run import Run
from segue.core.shapes import Int
from segue.core.tables import Split
from segue.core.text_forms import Prompts

PLACEHOLDER = "<behaviour>"
"""The word behind a title in whose place a vector of the item is read."""

_HEADER = "A task follows, and what is known of one person. Answer the task under the last heading."
_LINE_BREAKS = r"\s*[\n\r\x0b\x0c\x1c-\x1e\u{85}\u{2028}\u{2029}]\s*"


class Instruction(Prompts):
    """Three blocks, Instruction, Input and Response, as in Alpaca; the input lists quoted titles, oldest first.

    Titles are told as they are, quotes inside them too, but on one line: a line break in a title becomes a blank, since
    a model that was not trained writes on after the title and only the first line of it counts.

    Source: BIGRec, arXiv:2308.08434, whose prompt has these blocks; with `behaviour` LLaRA, arXiv:2312.02445, as SOFT
    uses it. The words are ours. SOFT's released prompts differ by a blank between training and use; ours are the same
    by construction.
    """

    history: PositiveInt = 10
    """The newest events that are told."""
    noun: str = "items"
    """What the items are, in the plural: `movies`, `products`."""
    verb: str = "took"
    """What people do with them, in the past: `watched`, `bought`."""
    instruction: str = (
        "You are told which {noun} a person {verb}. Recommend one other title that suits this person next."
    )
    """The task; `{noun}` and `{verb}` are filled in."""
    opening: str = "The person {verb} these {noun}, the oldest first:"
    """The sentence before the titles; `{noun}` and `{verb}` are filled in."""
    quote: str = Field(default='"', min_length=1)
    """What stands on both sides of a title."""
    separator: str = ", "
    """What stands between two titles."""
    letters: PositiveInt | None = None
    """Characters of a title that are told and asked for; some shops write whole advertisements. None for all of them.
    Items whose titles begin alike have one title then."""
    behaviour: bool = False
    """Put a placeholder directly behind each title, where the model reads a vector of the item."""
    examples: NonNegativeInt = 0
    """Training histories with their last item as the answer that are shown to everybody first, without placeholders."""

    @property
    def placeholder(self) -> str | None:
        """The word behind each title in whose place a vector of the item is read, or None."""
        return PLACEHOLDER if self.behaviour else None

    def preamble(self, split: Split, run: Run) -> str:
        """The task, the examples, and the input up to the first title; examples are drawn from training histories."""
        task = f"{_HEADER}\n\n### Instruction:\n{self._filled(self.instruction)}\n\n"
        head = f"### Input:\n{self._filled(self.opening)}\n"
        shown = split.train.take(np.flatnonzero(split.train.lengths >= 2))
        count = min(self.examples, len(shown))
        if not count:
            return task + head
        drawn = run.numpy_generator("examples").permutation(len(shown))[:count]
        items, bounds = shown.take(drawn).latest(self.history + 1).packed()
        titles = split.catalog.names().gather(items)
        answers, told = bounds[1:] - 1, np.delete(np.arange(len(items)), bounds[1:] - 1)
        inputs = self._listed(titles.gather(told), bounds - np.arange(len(bounds)), "")
        examples = head + inputs + self.response(titles.gather(answers)) + "\n\n"
        return task + "".join(examples.to_list()) + head

    def asked(self, titles: pl.Series, bounds: Int[np.ndarray, " bounds"]) -> pl.Series:
        """The titles of each row and the head of the response; all titles given are told, and no titles are no text."""
        return self._listed(titles, bounds, self.placeholder or "")

    def response(self, titles: pl.Series) -> pl.Series:
        """Each title in quotes."""
        return self.quote + self._worded(titles) + self.quote

    def title(self, texts: pl.Series) -> pl.Series:
        """The first line of what a model wrote, without the quotes around it, be they both there or not."""
        first = texts.str.strip_chars().str.replace(r"(?s)[\n\r].*$", "").str.strip_chars()
        return first.str.strip_prefix(self.quote).str.strip_suffix(self.quote)

    def _filled(self, sentence: str) -> str:
        return sentence.replace("{noun}", self.noun).replace("{verb}", self.verb)

    def _listed(self, titles: pl.Series, bounds: Int[np.ndarray, " bounds"], behind: str) -> pl.Series:
        """One text a row: its titles in quotes, each with `behind` after it, and the head of the response."""
        lengths = np.diff(bounds)
        rows = pl.Series("row", np.repeat(np.arange(len(lengths)), lengths))
        told = pl.DataFrame({"row": rows, "title": self.response(titles) + behind})
        joined = told.group_by("row", maintain_order=True).agg(pl.col("title").str.join(self.separator))
        whole = pl.DataFrame({"row": np.arange(len(lengths))}).join(joined, on="row", how="left", maintain_order="left")
        return (whole["title"] + "\n\n### Response:\n").fill_null("").alias("asked")

    def _worded(self, titles: pl.Series) -> pl.Series:
        told = titles.cast(pl.String).str.replace_all(_LINE_BREAKS, " ")
        if self.letters is not None:
            told = told.str.head(self.letters).str.strip_chars_end()
        return told.str.replace_all(re.escape(PLACEHOLDER), "(behaviour)") if self.behaviour else told
