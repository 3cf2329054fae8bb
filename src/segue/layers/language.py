"""A language model as a trunk: its own tokens, vectors and head around a stack that reads once and writes on."""

from __future__ import annotations

from contextlib import AbstractContextManager

import numpy as np
import polars as pl
from torch import Tensor

from segue.core.batches import Rows
from segue.core.shapes import Float, Int
from segue.layers.writing import Memory, Writing


class LanguageTrunk(Writing):
    """A causal language model with its tokenizer.

    `states`, `read` and `write` are those of `Writing`; the first two may be given a text that stands before all rows
    and is read once: the first `ahead` of the vectors, which belong to no row, so that row i is
    `vectors[ahead + offsets[i] : ahead + offsets[i + 1]]`. The states of these tokens come first in the answer too.
    States are the last ones, behind the final norm: the product with `vocabulary()` gives the logits.
    """

    whole = True
    width: int
    """Coordinates of a state."""
    context: int
    """Tokens that the model can read and write together."""
    end: int
    """The token that ends a text."""
    begin: tuple[int, ...]
    """The tokens that the model expects before every text (such as `<s>`); may be none."""

    def numbers(self, texts: pl.Series) -> tuple[Int[np.ndarray, " tokens"], Int[np.ndarray, " bounds"]]:
        """The tokens of each text, text after text, without a beginning or an end, and the bounds of the texts."""
        raise NotImplementedError

    def words(self, tokens: Int[np.ndarray, " tokens"], bounds: Int[np.ndarray, " bounds"]) -> pl.Series:
        """The text of each row of tokens; what is special, such as the end, is left out."""
        raise NotImplementedError

    def embedded(self, tokens: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape width"]:
        """The vectors that the stack reads."""
        raise NotImplementedError

    def vocabulary(self) -> Float[Tensor, "words width"]:
        """The vectors that states are compared with."""
        raise NotImplementedError

    def frozen(self) -> AbstractContextManager[None]:
        """Inside, the trunk is the one that was loaded: nothing that was learnt since, no dropout, no gradient."""
        raise NotImplementedError

    def states(
        self, vectors: Float[Tensor, "tokens width"], rows: Rows, ahead: int = 0
    ) -> Float[Tensor, "tokens width"]:
        """The states of all tokens in one pass."""
        raise NotImplementedError

    def read(self, vectors: Float[Tensor, "tokens width"], rows: Rows, ahead: int = 0) -> Memory:
        """Read the packed contexts once; `rows` of the memory are those of the contexts with the text ahead of each."""
        raise NotImplementedError
