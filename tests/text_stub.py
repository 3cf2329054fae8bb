"""A language model of one layer whose words are whole titles: a stand-in where only what it learns matters."""

from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

from segue.core.batches import Responses, Rows, SequenceBatch
from segue.core.shapes import Float, Int
from segue.core.tables import Histories
from segue.core.text_forms import Drafts
from segue.language.instruction import Instruction
from segue.layers.dropout import Dropout


class Stub(nn.Module):
    """Word i is title i, then comes the end; the state is the vector of the last item plus that of the last word.

    Titles with the same first word lie near each other.
    """

    codes: Any = None
    tree: Any = None
    behaviour = None
    prompts = Instruction(history=5)
    places: Tensor
    title_of: Tensor
    counts: Tensor

    def __init__(
        self, titles: list[str], width: int = 8, history: int = 5, dropout: float = 0.0, seed: int = 0
    ) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(seed)
        self.history, self.end = history, len(titles)
        self.titles = pl.Series("title", titles)
        self.items = nn.Parameter(torch.randn(len(titles), width, generator=rng))
        self.words = nn.Parameter(torch.randn(len(titles) + 1, width, generator=rng))
        self.dropout = Dropout(dropout)
        first = torch.from_numpy(self.titles.str.split(" ").list.first().rank("dense").to_numpy().astype(np.int64) - 1)
        near = torch.randn(len(titles), width, generator=rng)[first]
        far = torch.randn(len(titles), width, generator=rng)
        self.register_buffer("places", near + 0.2 * far, persistent=False)
        self.register_buffer("title_of", torch.arange(len(titles)), persistent=False)
        self.register_buffer("counts", torch.ones(len(titles)), persistent=False)
        self.asked: list[dict[str, bool]] = []

    def begin(self, batch: SequenceBatch) -> Any:
        raise NotImplementedError

    def codebook(self, level: int) -> tuple[Float[Tensor, "codes width"], int]:
        raise NotImplementedError

    def vocabulary(self) -> Float[Tensor, "words width"]:
        return self.words

    def answers(
        self, batch: SequenceBatch, *, own: bool = False, prompts: bool = False
    ) -> tuple[Float[Tensor, "tokens width"], Int[Tensor, " tokens"]]:
        self.asked.append({"own": own, "prompts": prompts})
        assert batch.targets is not None
        said = Responses(batch.targets[batch.rows.last], Rows(torch.arange(len(batch) + 1)))
        if own:
            assert batch.responses is not None
            said = batch.responses
        ended = said.rows.extended()
        tokens = said.tokens.new_full((len(ended.owners),), self.end)
        tokens[torch.arange(len(said.tokens)) + said.rows.owners] = said.tokens
        before = torch.cat([tokens.new_full((1,), self.end), tokens[:-1]])
        before[ended.offsets[:-1]] = self.end
        states = self.items[batch.items[batch.rows.last]][ended.owners] + self.words[before]
        return self.dropout(states), tokens

    def write(self, histories: Histories, *, beams: int, length: int) -> Drafts:
        last = torch.from_numpy(histories.items[histories.ends - 1].astype(np.int64))
        with torch.no_grad():
            chances = torch.log_softmax((self.items[last] + self.words[self.end]) @ self.words.T, dim=1)
            best = chances[:, : self.end].topk(beams)
        quoted = '"' + self.titles.gather(best.indices.flatten().numpy()) + '"'
        return Drafts(quoted.alias("text"), best.values.numpy())

    def title(self, texts: pl.Series) -> pl.Series:
        return texts.str.strip_chars('"')

    def _rows(self, texts: pl.Series) -> Tensor:
        table = pl.DataFrame({"title": self.titles, "row": np.arange(len(self.titles))})
        named = pl.DataFrame({"title": texts})
        found = named.join(table, on="title", how="left", maintain_order="left")["row"]
        return torch.tensor(found.to_numpy().copy())

    def placed(self, texts: pl.Series) -> Float[Tensor, "texts width"]:
        return self.places[self._rows(texts)]

    def responses(self, texts: pl.Series) -> Responses:
        return Responses(self._rows(self.title(texts)), Rows(torch.arange(len(texts) + 1)))
