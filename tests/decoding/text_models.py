"""A text model that writes what it is told to, and places texts where it is told to."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from decoding.token_models import Table
from segue.core.batches import Responses, SequenceBatch
from segue.core.codes import ItemCodes
from segue.core.tables import Histories
from segue.core.text_forms import Drafts
from segue.language.instruction import Instruction

NO_CODES = ItemCodes(np.zeros((1, 1), dtype=np.int64), (1,))


class Told(Table):
    """After a history that ends with item i it writes the title `says[i]` in quotes, and worse beams behind it."""

    prompts = Instruction(history=5)

    def __init__(
        self,
        places: dict[str, list[float]],
        items: list[str],
        *,
        says: list[str] | None = None,
        counts: list[float] | None = None,
        behaviour: list[list[float]] | None = None,
        codes: ItemCodes = NO_CODES,
        chances: list[list[float]] | None = None,
    ) -> None:
        super().__init__(codes, chances or [[1.0]])
        self.known = places
        self.titles = pl.Series(list(dict.fromkeys(items)))
        self.title_of = torch.tensor([self.titles.to_list().index(title) for title in items])
        self.places = self.placed(self.titles)
        self.counts = torch.tensor(counts or [1.0] * len(items))
        self.behaviour = None if behaviour is None else torch.tensor(behaviour)
        self.says = says or items
        self.asked: list[tuple[int, int, int]] = []

    def write(self, histories: Histories, *, beams: int, length: int) -> Drafts:
        self.asked.append((len(histories), beams, length))
        best = [self.says[item] for item in histories.items[histories.ends - 1]]
        texts = [text for title in best for text in [f'"{title}"', *['"worse"'] * (beams - 1)]]
        return Drafts(pl.Series(texts), np.zeros((len(histories), beams), dtype=np.float32))

    def title(self, texts: pl.Series) -> pl.Series:
        return texts.str.strip_chars('"')

    def placed(self, texts: pl.Series) -> Tensor:
        return torch.tensor([self.known[text] for text in texts])

    def answers(self, batch: SequenceBatch, **_: Any) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def vocabulary(self) -> Tensor:
        raise NotImplementedError

    def responses(self, texts: pl.Series) -> Responses:
        raise NotImplementedError


class Scattered(Told):
    """Items at these places of width w; `title_of` says which of them have one title."""

    def __init__(self, places: Tensor, title_of: Tensor, **more: Any) -> None:
        super().__init__({"": [0.0]}, [""], **more)
        self.places, self.title_of = places, title_of
        self.titles = pl.Series([str(title) for title in range(len(places))])
        if "counts" not in more:
            self.counts = torch.arange(float(len(title_of)))
