"""The form of a language model that writes titles, and what it is put together from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np
import polars as pl
from torch import Tensor, nn

from segue.core.batches import Responses, SequenceBatch
from segue.core.forms import Writer
from segue.core.part import Part
from segue.core.run import Run
from segue.core.shapes import Float, Int
from segue.core.tables import Histories, Split


@runtime_checkable
class TextModel(Writer, Protocol):
    """A language model that is told what a user took and writes the title of the next item.

    Its `codes` are the titles in the model's own tokens, so it can be led down their trie; or it writes freely, and
    what it wrote is compared with the titles by where the frozen model places both.
    """

    prompts: Prompts
    """How a history becomes words."""
    titles: pl.Series
    """The different titles of the catalog."""
    title_of: Int[Tensor, " items"]
    """Which of the titles each item has."""
    places: Float[Tensor, "titles width"]
    """Where the frozen model places each title."""
    counts: Float[Tensor, " items"]
    """How often each item occurs in training."""
    behaviour: Float[Tensor, "items size"] | None
    """What another model knows of the items by who took them, or None."""

    def answers(
        self, batch: SequenceBatch, *, own: bool = False, prompts: bool = False
    ) -> tuple[Float[Tensor, "tokens width"], Int[Tensor, " tokens"]]:
        """The states before each token of the response to each row, the end included, and these tokens.

        A response is the title of the row's last target; with `own` it is what `batch.responses` says. With `prompts`,
        the tokens of the prompts are among those to be written, all but the first of each.
        """
        ...

    def vocabulary(self) -> Float[Tensor, "words width"]:
        """The vectors that states are compared with, one for each token of the model's vocabulary."""
        ...

    def write(self, histories: Histories, *, beams: int, length: int) -> Drafts:
        """What the model writes after each history by beam search, freely: the best `beams` texts of each row."""
        ...

    def title(self, texts: pl.Series) -> pl.Series:
        """The title in each text, as `Drafts` has them."""
        ...

    def placed(self, texts: pl.Series) -> Float[Tensor, "texts width"]:
        """Where the frozen model, as it was before anything was learnt, places each text."""
        ...

    def responses(self, texts: pl.Series) -> Responses:
        """These texts, as `Drafts` has them, in tokens: what a batch takes to have them learnt."""
        ...


class Drafts(NamedTuple):
    """Texts that a language model wrote, `beams` for each row, best first."""

    texts: pl.Series
    """Row after row: `texts[row * beams + rank]`; as they were written, quotes and all."""
    scores: Float[np.ndarray, "rows beams"]
    """The mean log probability (nats) of a token of each, the end included."""


class LanguageBackbone(Part):
    """A causal language model with its tokenizer: real weights, or small ones made on the spot."""

    abstract: ClassVar[bool] = True

    def prepare(self, split: Split, run: Run) -> str:
        """The checkpoint: a folder, or a name on the hub; it is made here where it does not exist yet.

        Raises:
            DataError: it cannot be found or made.
        """
        raise NotImplementedError

    def load(self, checkpoint: str) -> nn.Module:
        """The living trunk (`layers.language.LanguageTrunk`); uses torch's global generator for what is added to it.

        Raises:
            DataError: the checkpoint is missing, gated, damaged, or no causal language model; says what to do.
            SettingsError: this machine cannot do what was asked for, such as four bits without a GPU.
            MissingExtra: the packages are not installed.
        """
        raise NotImplementedError

    def kept(self, checkpoint: str) -> Mapping[str, Tensor]:
        """What a run keeps so that it finds the same checkpoint again: the files themselves where they are small."""
        raise NotImplementedError

    def found(self, kept: Mapping[str, Tensor]) -> str:
        """The checkpoint of a run that kept this.

        Raises:
            DataError: it is gone, or its weights are not those that the run was fitted with.
        """
        raise NotImplementedError


class Prompts(Part):
    """How a history becomes words: one template, for training and for use.

    A prompt is the preamble (the same for everybody), then what `asked` says, then the response.
    """

    abstract: ClassVar[bool] = True
    history: int
    """The newest events that are told."""

    @property
    def placeholder(self) -> str | None:
        """The word behind each title in whose place a vector of the item is read, or None."""
        return None

    def preamble(self, split: Split, run: Run) -> str:
        """What stands before every prompt: the instruction, and examples from the training histories if wanted."""
        raise NotImplementedError

    def asked(self, titles: pl.Series, bounds: Int[np.ndarray, " bounds"]) -> pl.Series:
        """The words for each row, whose titles are `titles[bounds[row] : bounds[row + 1]]`, oldest first."""
        raise NotImplementedError

    def response(self, titles: pl.Series) -> pl.Series:
        """The words in which each title is to be answered."""
        raise NotImplementedError

    def title(self, texts: pl.Series) -> pl.Series:
        """The title in what a model wrote: `title(response(titles))` is `titles`."""
        raise NotImplementedError


class TextModelPart(Part):
    """A language model with prompts before it and titles behind it; `build()` makes the living `TextModel`."""

    abstract: ClassVar[bool] = True

    def build(self, trunk: nn.Module, prompts: Prompts, known: Known) -> nn.Module:
        """The living model around a loaded trunk; uses torch's global generator to initialise.

        Raises:
            DataError: a title is longer than the context that the language model reads.
        """
        raise NotImplementedError


class Known(NamedTuple):
    """What a text model is told of the items."""

    titles: pl.Series
    """One for each item; its id where there is no title."""
    counts: Float[Tensor, " items"]
    """How often each item occurs in training."""
    preamble: str
    """What stands before every prompt."""
    behaviour: Float[Tensor, "items size"] | None
    """What another model knows of the items by who took them."""
