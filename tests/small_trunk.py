"""A language model small enough for any test: letters are its tokens, and nothing is loaded.

`SmallTrunk()` reads bytes; `SmallTrunk(letters='ab"')` knows these letters alone, so that all texts can be enumerated.
What it learns is a low-rank addition to each attention's projection, as LoRA's, and everything else stays as it was
made; with `adapted=False` all weights learn. What an adapter adds is nothing at first, as with LoRA.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

from segue.core.batches import Rows
from segue.core.shapes import Float, Int
from segue.layers.language import LanguageTrunk
from segue.layers.transformer import Transformer
from segue.layers.writing import Memory, Written


class SmallTrunk(LanguageTrunk):
    """Llama's bricks over letters; token 0 ends a text, token 1 begins it, the letters follow."""

    def __init__(
        self,
        letters: str | None = None,
        *,
        width: int = 16,
        depth: int = 2,
        heads: int = 2,
        context: int = 256,
        begins: bool = True,
        adapted: bool = True,
        dropout: float = 0.0,
        spread: float = 0.3,
        seed: int = 0,
    ) -> None:
        super().__init__()
        known = bytes(range(256)) if letters is None else letters.encode()
        self.letters = np.frombuffer(known, dtype=np.uint8)
        self.of_letter = np.full(256, -1, dtype=np.int64)
        self.of_letter[self.letters] = np.arange(len(known)) + 2
        self.width, self.context, self.end = width, context, 0
        self.begin = (1,) if begins else ()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.table = nn.Embedding(len(known) + 2, width)
            self.stack = Transformer(
                width=width, depth=depth, heads=heads, inner=2 * width, length=context, causal=True, dropout=dropout,
                activation="swiglu", norm="rms", order="pre", position="rotary", gated=False,
            )  # fmt: skip
            nn.init.normal_(self.table.weight, std=spread)
            self.adapters: list[_Adapted] = []
            self.original: list[Transformer | nn.Embedding] = []
            if adapted:
                self.requires_grad_(False)
                for block in self.stack.blocks:
                    if hasattr(block.brick, "qkv"):
                        block.brick.qkv = _Adapted(block.brick.qkv, 4)
                        self.adapters.append(block.brick.qkv)
            else:
                self.original = [copy.deepcopy(self.table).eval(), copy.deepcopy(self.stack).eval()]

    def numbers(self, texts: pl.Series) -> tuple[Int[np.ndarray, " tokens"], Int[np.ndarray, " bounds"]]:
        written = [text.encode() for text in texts]
        tokens = self.of_letter[np.frombuffer(b"".join(written), dtype=np.uint8)]
        assert (tokens >= 0).all(), f"{texts.to_list()} has letters that this model does not know"
        return tokens, np.append(0, np.cumsum([len(text) for text in written], dtype=np.int64))

    def words(self, tokens: Int[np.ndarray, " tokens"], bounds: Int[np.ndarray, " bounds"]) -> pl.Series:
        rows = [row[row > 1] - 2 for row in np.split(tokens, bounds[1:-1])][: len(bounds) - 1]
        return pl.Series([self.letters[row].tobytes().decode(errors="replace") for row in rows], dtype=pl.String)

    def embedded(self, tokens: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape width"]:
        return self.table(tokens)

    def vocabulary(self) -> Float[Tensor, "words width"]:
        return self.table.weight

    @contextmanager
    def frozen(self) -> Iterator[None]:
        training, now = self.training, (self.table, self.stack)
        self.eval()
        for adapter in self.adapters:
            adapter.on = False
        if self.original:
            device = self.table.weight.device
            self.table, self.stack = (module.to(device) for module in self.original)
        try:
            with torch.no_grad():
                yield
        finally:
            self.table, self.stack = now
            for adapter in self.adapters:
                adapter.on = True
            self.train(training)

    def states(
        self, vectors: Float[Tensor, "tokens width"], rows: Rows, ahead: int = 0
    ) -> Float[Tensor, "tokens width"]:
        if not ahead:
            return self.stack.states(vectors, rows)
        longer, places = _repeated(rows, ahead)
        states = self.stack.states(vectors[places], longer)
        own = longer.positions >= ahead
        return torch.cat([states[:ahead], states[own]])

    def read(self, vectors: Float[Tensor, "tokens width"], rows: Rows, ahead: int = 0) -> Memory:
        longer, places = _repeated(rows, ahead)
        return self.stack.read(vectors[places], longer)

    def write(
        self, memory: Memory, vectors: Float[Tensor, "users prefixes steps width"], written: Written | None
    ) -> tuple[Float[Tensor, "users prefixes states width"], Written]:
        return self.stack.write(memory, vectors, written)


class _Adapted(nn.Module):
    """A projection with a learnt addition of low rank."""

    def __init__(self, linear: nn.Linear, rank: int) -> None:
        super().__init__()
        self.linear, self.on = linear, True
        self.down = nn.Linear(linear.in_features, rank, bias=False)
        self.up = nn.Linear(rank, linear.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, vectors: Tensor) -> Tensor:
        known = self.linear(vectors)
        return known + self.up(self.down(vectors)) if self.on else known


def _repeated(rows: Rows, ahead: int) -> tuple[Rows, Tensor]:
    """The rows with the text ahead of each, and which of the vectors each of their tokens is."""
    longer = Rows(rows.offsets + ahead * torch.arange(len(rows.offsets), device=rows.offsets.device))
    own = rows.offsets[:-1][longer.owners] + longer.positions
    return longer, torch.where(longer.positions < ahead, longer.positions, own)
