"""A trunk between tables of codes: it reads the codes of a history and writes those of the next item."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Literal, cast

import torch
from pydantic import NonNegativeInt, PositiveFloat
from torch import Tensor, nn

from segue.core.batches import Rows, SequenceBatch
from segue.core.codes import CodeTree, ItemCodes
from segue.core.errors import SettingsError
from segue.core.forms import Backbone, Past, TokenModelPart
from segue.core.shapes import Float, Int
from segue.layers.reading_on import Clock, Growth, ReadingOn, by_layer, stacked
from segue.layers.writing import Memory, Writing, Written


class TokenGenerator(TokenModelPart):
    """Embeds each code of each item of a history, and compares the states of the trunk with the codes of a level.

    A causal trunk learns from all items of a history in one pass: the state after an item's last code predicts the
    first code of the next. An encoder-decoder reads the history in both directions, so it learns the last item of each
    row; `batches=every_prefix` gives it one row for each event, as TIGER's samples are.
    """

    softmax: Literal["level", "vocabulary"] = "level"
    """Compare with the codes of the level alone, or with all levels' codes, as a language model does."""
    tied: bool = True
    """Codes have one vector where they are read and where they are written."""
    scaled: bool = False
    """Divide what is compared by sqrt(width), as T5 does with tied vectors."""
    user_tokens: NonNegativeInt = 0
    """Put one of so many user tokens before each history (TIGER hashes users to 2,000); 0 means none. Users that the
    log does not know have none."""
    ended: bool = False
    """Put an end token behind each history, as T5's own tokenizer does: who reads in both directions sees by it where
    the newest event is. A causal trunk has no use for it."""
    spread: PositiveFloat = 0.02
    """Standard deviation of the code vectors at the start."""

    def build(self, backbone: Backbone, codes: ItemCodes, length: int) -> TokenGeneratorModel:
        """The living model for these item codes and histories of at most `length` events.

        Raises:
            SettingsError: the trunk cannot go on writing after a context.
        """
        return TokenGeneratorModel(self, backbone, codes, length)


class TokenGeneratorModel(nn.Module):
    """A `TokenModel`, and `Remembering`; see `TokenGenerator`."""

    looks_back = True

    item_codes: Tensor
    offsets: Tensor

    def __init__(self, part: TokenGenerator, backbone: Backbone, codes: ItemCodes, length: int) -> None:
        super().__init__()
        self.part, self.codes, self.history = part, codes, length
        self.levels = self.steps = codes.levels
        trunk = backbone.build((length + 1) * codes.levels + (part.user_tokens > 0) + part.ended)
        if not isinstance(trunk, Writing):
            raise SettingsError(
                f"backbone: {type(backbone).kind()} cannot write codes after a history; choose causal_transformer or "
                "encoder_decoder."
            )
        if not trunk.writes:
            raise SettingsError(
                f"backbone: {type(backbone).kind()} sees what comes later, so it cannot write; choose "
                "causal_transformer or encoder_decoder."
            )
        self.trunk = trunk
        self.table = _table(codes.vocabulary, backbone.width, part.spread)
        self.untied = None if part.tied else _table(codes.vocabulary, backbone.width, part.spread)
        self.user_table = _table(part.user_tokens, backbone.width, part.spread) if part.user_tokens else None
        if part.ended and trunk.whole:
            raise SettingsError(
                "model: an end token behind each history (ended) is for encoders; a causal trunk has none."
            )
        self.end = nn.Parameter(torch.randn(backbone.width) * part.spread) if part.ended else None
        self.register_buffer("item_codes", torch.from_numpy(codes.codes.astype("int64")), persistent=False)
        self.register_buffer("offsets", torch.tensor(codes.offsets), persistent=False)
        self._tree = codes.tree
        self.whole = trunk.whole

    def with_codes(self, codes: ItemCodes) -> TokenGeneratorModel:
        """See `Growing`: a model that shares the weights of this one."""
        assert codes.sizes == self.codes.sizes, "codes of other sizes have other tables"
        grown = copy.copy(self)
        grown._buffers = dict(self._buffers)
        grown.item_codes = torch.from_numpy(codes.codes.astype("int64")).to(self.item_codes.device)
        grown.codes, grown._tree = codes, codes.tree
        return grown

    @property
    def tree(self) -> CodeTree:
        """The trie of valid tuples, on the model's device."""
        self._tree = self._tree.to(self.item_codes.device)
        return self._tree

    def codebook(self, level: int) -> tuple[Float[Tensor, "codes width"], int]:
        """The vectors that states of a level are compared with, and where among them the level's own codes begin."""
        table, begin = (self.untied or self.table).weight, self.codes.offsets[level]
        if self.part.softmax == "vocabulary":
            return table, begin
        return table[begin : begin + self.codes.sizes[level]], 0

    def answers(self, batch: SequenceBatch) -> tuple[Float[Tensor, "answers levels width"], Int[Tensor, " answers"]]:
        """The states before each code of each item to be predicted: every next item, or the last of each row.

        Raises:
            SettingsError: the batch carries no targets.
        """
        targets = _targets(batch)
        if not self.trunk.whole:
            wanted = targets[batch.rows.last]
            return self.states_of(batch, wanted[:, None])[:, 0], wanted
        vectors, tokens, before = self._asked_at_once(batch, targets)
        return self._asking(self.trunk.states(vectors, tokens)[before]), targets

    def states_of(
        self, batch: SequenceBatch, items: Int[Tensor, "users asked"]
    ) -> Float[Tensor, "users asked levels width"]:
        """The states before each code of any items after each history; the context is computed once for all of them."""
        return self._written(self._read(batch), items)

    def answers_and_states_of(
        self, batch: SequenceBatch, items: Int[Tensor, "users asked"], at: Int[Tensor, " users"], positive: bool = False
    ) -> tuple[
        Float[Tensor, "answers levels width"], Int[Tensor, " answers"], Float[Tensor, "users asked levels width"]
    ]:
        """`answers`, and `states_of` for items after the first `at` events of each history, by one pass over these.

        With `positive`, the first item of each row is what came next: its states are among those of the answers. An
        encoder reads whole rows, so there `at` must be the length of each.

        Raises:
            SettingsError: the batch carries no targets.
        """
        targets = _targets(batch)
        if not self.trunk.whole:
            assert torch.equal(at, batch.rows.lengths), "an encoder's rows end where the question is"
            wanted = targets[batch.rows.last]
            states = self.states_of(batch, items if positive else torch.cat([wanted[:, None], items], 1))
            return states[:, 0], wanted, states if positive else states[:, 1:]
        vectors, tokens, before = self._asked_at_once(batch, targets)
        memory = self.trunk.read(vectors, tokens)
        assert memory.states is not None
        answers = self._asking(memory.states[before])
        own = answers[batch.rows.offsets[:-1] + at - 1][:, None]
        if positive and items.shape[1] == 1:
            return answers, targets, own
        order = at.argsort(stable=True)  # contexts of one length lie side by side, as they do in a batch
        ahead = int(self.user_table is not None)
        cut = memory.cut(order, ahead + at[order] * self.levels)
        written = self._written(cut, items[order][:, int(positive) :])
        written = written[torch.empty_like(order).index_put((order,), torch.arange(len(at), device=at.device))]
        return answers, targets, torch.cat([own, written], 1) if positive else written

    def begin(self, batch: SequenceBatch) -> _Prefixes:
        """One empty prefix after each history."""
        return self._begun(self._read(batch))

    @property
    def reads_on(self) -> bool:
        """Whether a past can go on: where no token sees later ones."""
        return isinstance(self.trunk, ReadingOn) and self.trunk.reads_on

    def marks(self, batch: SequenceBatch) -> Int[Tensor, "events marks"]:
        """See `Remembering`: the items, and which user token stands before them."""
        if self.user_table is None:
            return batch.items[:, None]
        return torch.stack([batch.items, self._buckets(batch.users)[batch.rows.owners]], dim=1)

    def read(self, batch: SequenceBatch) -> Past:
        """See `Remembering`; of an encoder, what its decoder asks of each token."""
        memory = self._read(batch)
        kept = stacked(memory.layers)
        return Past(memory.rows, kept, kept.new_empty(len(batch), 0) if memory.first is None else memory.first)

    def read_on(self, batch: SequenceBatch, past: Past, known: Int[Tensor, " users"]) -> Past:
        """See `Remembering`."""
        growth = Growth(past.rows, known * self.levels + (self.user_table is not None))
        vectors = self._embedded(batch.items[Growth(batch.rows, known).new], self.levels).flatten(0, 1)
        states = cast(ReadingOn, self.trunk).read_on(vectors, growth, past.kept, Clock())
        return past._replace(ends=past.ends.index_copy(0, growth.some, states[growth.last]))

    def after(self, batch: SequenceBatch, past: Past) -> _Prefixes:
        """See `Remembering`: an empty prefix each."""
        first = past.ends if self.trunk.whole else None
        return self._begun(Memory(past.rows, by_layer(past.kept), first))

    def _begun(self, memory: Memory) -> _Prefixes:
        nothing = self.table.weight.new_empty(len(memory.rows), 1, 0, self.table.weight.shape[1])
        states, written = self.trunk.write(memory, nothing, None)
        return _Prefixes(self, memory, written, self._asking(states[:, :, -1]), 0)

    def _asked_at_once(self, batch: SequenceBatch, targets: Tensor) -> tuple[Tensor, Rows, Tensor]:
        """The tokens of each row and of its last target, and for each target where the states before its codes lie:
        one pass of a causal trunk then has the states before all codes of all targets."""
        rows = batch.rows.extended()
        items = batch.items.new_empty(len(batch.items) + len(batch))
        ends = torch.zeros_like(items, dtype=torch.bool)
        ends[rows.last] = True
        items[~ends], items[ends] = batch.items, targets[batch.rows.last]
        vectors, tokens, ahead = self._context(items, rows, batch.users)
        firsts = torch.ones_like(ends)
        firsts[rows.offsets[:-1]] = False
        places = firsts.nonzero().squeeze(1)  # the items that something predicts
        before = places * self.levels + ahead * (rows.owners[places] + 1) - 1
        return vectors, tokens, before[:, None] + torch.arange(self.levels, device=items.device)

    def _written(self, memory: Memory, items: Tensor) -> Tensor:
        """The states before each code of some items after each context."""
        states, _ = self.trunk.write(memory, self._embedded(items, self.levels - 1), None)
        return self._asking(states)

    def _read(self, batch: SequenceBatch) -> Memory:
        vectors, tokens, _ = self._context(batch.items, batch.rows, batch.users)
        return self.trunk.read(vectors, tokens)

    def _context(self, items: Tensor, rows: Rows, users: Tensor | None) -> tuple[Tensor, Rows, int]:
        """The vectors of all codes of all items, the rows they lie in, and the tokens that stand before each row."""
        vectors = self._embedded(items, self.levels).flatten(0, 1)
        tokens = Rows(rows.offsets * self.levels)
        before = None if self.user_table is None else self._user_vectors(users)
        if before is None and self.end is None:
            return vectors, tokens, 0
        # Where each token lies once every row has grown by one in front, behind, or both.
        ahead, behind = int(before is not None), int(self.end is not None)
        counts = torch.arange(len(tokens.offsets), device=items.device)
        longer = Rows(tokens.offsets + (ahead + behind) * counts)
        together = vectors.new_empty(len(vectors) + (ahead + behind) * len(rows), vectors.shape[1])
        places = torch.arange(len(vectors), device=items.device)
        together[places + (ahead + behind) * tokens.owners + ahead] = vectors
        if before is not None:
            together[longer.offsets[:-1]] = before.to(vectors.dtype)
        if self.end is not None:
            together[longer.last] = self.end.to(vectors.dtype)
        return together, longer, ahead

    def _embedded(self, items: Tensor, levels: int) -> Tensor:
        """The vectors of the first codes of each item, `[..., levels, width]`."""
        vectors: Tensor = self.table((self.item_codes[items] + self.offsets)[..., :levels])
        return vectors

    def _user_vectors(self, users: Tensor | None) -> Tensor:
        """The vector of each user's token; zero for somebody the log does not know."""
        assert self.user_table is not None
        buckets = self._buckets(users)
        vectors: Tensor = self.user_table(buckets.clamp_min(0)) * (buckets >= 0)[:, None]
        return vectors

    def _buckets(self, users: Tensor | None) -> Tensor:
        """Which token each user has, -1 for none."""
        assert users is not None, "the model has user tokens and the batch does not say who asks"
        buckets = (users * 2_654_435_761) % self.part.user_tokens  # neighbours in the log do not share one
        return buckets.where(users >= 0, -1)

    def _asking(self, states: Tensor) -> Tensor:
        return states * states.shape[-1] ** -0.5 if self.part.scaled else states


@dataclass(frozen=True)
class _Prefixes:
    """Half-written tuples; see `core.forms.Prefixes`."""

    model: TokenGeneratorModel
    memory: Memory
    written: Written
    states: Float[Tensor, "users prefixes width"]
    level: int

    def extended(self, parents: Int[Tensor, "users chosen"], codes: Int[Tensor, "users chosen"]) -> _Prefixes:
        """The prefixes `parents` of each user, each one code longer."""
        model = self.model
        vectors = model.table(codes + model.codes.offsets[self.level])[:, :, None]
        states, written = model.trunk.write(self.memory, vectors, self.written.take(parents))
        return _Prefixes(model, self.memory, written, model._asking(states[:, :, -1]), self.level + 1)


def _targets(batch: SequenceBatch) -> Tensor:
    if batch.targets is None:
        raise SettingsError("objective: the batch carries no targets; set batches=next_item or every_prefix.")
    return batch.targets


def _table(rows: int, width: int, spread: float) -> nn.Embedding:
    table = nn.Embedding(rows, width)
    nn.init.normal_(table.weight, std=spread)
    return table
