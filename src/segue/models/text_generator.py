"""A language model between prompts and titles: it is told what a user took and writes the title of the next item."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from segue.core.batches import Responses, Rows, SequenceBatch
from segue.core.codes import CodeTree, ItemCodes
from segue.core.errors import DataError, RunError, SettingsError
from segue.core.run import Run
from segue.core.shapes import Float, Int
from segue.core.tables import Histories
from segue.core.text_forms import Drafts, Known, Prompts, TextModelPart
from segue.layers.language import LanguageTrunk
from segue.models._free_beams import HalfWritten, InOrder, search
from segue.models._token_rows import TokenRows, beside, pieces, rows_in, spans


class TextGenerator(TextModelPart):
    """Puts prompts before a language model and titles behind it.

    The preamble, which is the same for everybody, is read once for all rows; the rows themselves are packed, without
    padding. A prompt that does not fit into the model's context loses its oldest events. Prompt and response are
    turned into tokens apart, so that a prompt has the same tokens when it is learnt and when it is answered.

    Where the prompts have a placeholder, a vector of the item is read in its place: Linear(size, width) - GELU -
    Linear(width, width) of its behaviour vector, learnt with the rest, while the vectors stay as they are.

    Source: BIGRec, arXiv:2308.08434, section 3; the projector as SOFT's released code has it after LLaRA,
    arXiv:2312.02445. That code puts the vector in place of one of the several tokens of its placeholder; ours has one
    position for each event and nothing around it.
    """

    length: PositiveInt = 64
    """Tokens for which a prompt leaves room behind it, if any title has as many, and by which the trie tells titles
    apart. A longer title is learnt to its end."""
    tokens: PositiveInt = 8192
    """Tokens of all contexts together that are read at once when texts are written or placed; bounds memory."""
    prefixes: PositiveInt = 256
    """Half-written texts of all users together at once; bounds memory."""

    def build(self, trunk: nn.Module, prompts: Prompts, known: Known) -> TextGeneratorModel:
        """The living model around a loaded trunk.

        Raises:
            DataError: a title is longer than the context that the language model reads.
            SettingsError: there are behaviour vectors and no placeholder to read them at, or the other way round.
        """
        assert isinstance(trunk, LanguageTrunk)
        return TextGeneratorModel(self, trunk, prompts, known)


class TextGeneratorModel(nn.Module):
    """A `TextModel`; see `TextGenerator`. Its `state_dict` has what was learnt, the counts and the places."""

    counts: Tensor
    places: Tensor
    title_of: Tensor
    behaviour: Tensor | None

    def __init__(self, part: TextGenerator, trunk: LanguageTrunk, prompts: Prompts, known: Known) -> None:
        super().__init__()
        self.part, self.trunk, self.prompts, self.history = part, trunk, prompts, prompts.history
        titles = self.title(prompts.response(known.titles.cast(pl.String)))  # as it would read in a text
        self.titles = titles.unique(maintain_order=True)
        self._title_of = rows_in(self.titles, titles)
        self._responses = TokenRows(*trunk.numbers(prompts.response(self.titles)))
        self._ahead = np.append(np.array(trunk.begin, dtype=np.int64), trunk.numbers(pl.Series([known.preamble]))[0])
        self._room = min(int(self._responses.lengths.max()), part.length) + 1
        placeholder = prompts.placeholder
        if (placeholder is None) != (known.behaviour is None):
            raise SettingsError(
                "prompts: they have a placeholder for what is known of an item by who took it, and nothing is known; "
                "set behaviour to an encoder, or choose prompts without a placeholder."
                if known.behaviour is None
                else "behaviour: the prompts have no placeholder for these vectors; set prompts.behaviour=true, or "
                "behaviour=null."
            )
        # A title that has the placeholder in it must not be taken for one that is followed by it.
        self._told_titles = self.titles
        if placeholder is not None:
            self._told_titles = self.titles.str.replace_all(placeholder, " ".join(placeholder), literal=True)
        self.projector: nn.Module | None = None
        if known.behaviour is not None:
            width = trunk.width
            self.projector = nn.Sequential(
                nn.Linear(known.behaviour.shape[1], width), nn.GELU(), nn.Linear(width, width)
            )
        self.register_buffer("counts", known.counts.clone())
        self.register_buffer("places", torch.zeros(len(self.titles), trunk.width))
        self.register_buffer("title_of", torch.from_numpy(self._title_of), persistent=False)
        self.register_buffer("behaviour", known.behaviour, persistent=False)
        longest = self._responses.lengths.argmax()
        item = (self._title_of == longest).nonzero()[0][:1]
        self._prompts(item, np.array([0, 1]), self._responses.lengths[[longest]] + 1)  # raises where it does not fit

    def with_titles(self, titles: pl.Series) -> TextGeneratorModel:
        """A model that shares the weights of this one and knows further items by their titles.

        Prompts keep as much room for an answer as before, so that what is told of a history stays the same.

        Raises:
            DataError: a title does not fit into the context, or the model reads vectors that new items do not have.
        """
        if self.behaviour is not None:
            raise DataError("it reads a vector of who took each item, and nobody has taken a new one; fit it again.")
        asked = self.title(self.prompts.response(titles.cast(pl.String)))
        known = pl.concat([self.titles, asked.rename(self.titles.name)]).unique(maintain_order=True)
        new = known[len(self.titles) :]
        grown = copy.copy(self)
        grown._buffers = dict(self._buffers)
        grown.__dict__ = {name: value for name, value in vars(grown).items() if name not in ("codes", "_tree")}
        grown.titles = grown._told_titles = known
        grown._title_of = np.append(self._title_of, rows_in(known, asked))
        grown._responses = self._responses.then(TokenRows(*self.trunk.numbers(self.prompts.response(new))))
        items = np.arange(len(self._title_of), len(grown._title_of))
        answers = grown._responses.lengths[grown._title_of[items]] + 1
        grown._prompts(items, np.arange(len(items) + 1), answers)  # raises where one does not fit
        grown.title_of = grown._on_device(grown._title_of)
        grown.counts = torch.cat([self.counts, self.counts.new_zeros(len(titles))])
        if len(new):
            with self._reading():
                grown.places = torch.cat([self.places, self._read(new, Run())])
        return grown

    @cached_property
    def codes(self) -> ItemCodes:
        """The tokens of each item's title, as it is answered, and the token that ends it."""
        responses, end = self._responses, self.trunk.end
        levels = min(int(responses.lengths.max()) + 1, self.part.length)
        words = len(self.trunk.vocabulary())
        tokens = responses.filled(levels, end)[self._title_of]
        return ItemCodes(tokens, (words,) * levels, shared=True, weights=self.counts.cpu().numpy(), end=end)

    @property
    def tree(self) -> CodeTree:
        """The trie of titles, on the model's device."""
        self._tree = self._tree.to(self.places.device)
        return self._tree

    @cached_property
    def _tree(self) -> CodeTree:
        return self.codes.tree

    def vocabulary(self) -> Float[Tensor, "words width"]:
        """The vectors that states are compared with, one for each token of the model's vocabulary."""
        return self.trunk.vocabulary()

    def codebook(self, level: int) -> tuple[Float[Tensor, "codes width"], int]:
        """The whole vocabulary, at each level."""
        return self.trunk.vocabulary(), 0

    def answers(
        self, batch: SequenceBatch, *, own: bool = False, prompts: bool = False
    ) -> tuple[Float[Tensor, "tokens width"], Int[Tensor, " tokens"]]:
        """The states before each token of the response to each row, the end included, and these tokens, row by row.

        With `prompts`, the tokens of each prompt but its first come too, a placeholder being none. Those of the
        preamble come behind all the others, once for each row, as if each row had been read whole.

        Raises:
            SettingsError: the batch carries no targets.
            DataError: a prompt of one event and its response do not fit into the model's context.
        """
        if own:
            assert batch.responses is not None, "the batch brings no texts of its own"
            told = batch.responses
            responses = TokenRows(told.tokens.cpu().numpy(), told.rows.offsets.cpu().numpy())
        elif batch.targets is None:
            raise SettingsError("objective: the batch carries no targets; set batches=next_item or every_prefix.")
        else:
            targets = batch.targets[batch.rows.last].cpu().numpy()
            responses = self._responses.take(self._title_of[targets])
        asked = self._prompts(batch.items.cpu().numpy(), batch.rows.offsets.cpu().numpy(), responses.lengths + 1)
        whole = beside(asked, responses.ended(self.trunk.end))
        order = np.argsort(whole.lengths, kind="stable")
        read = whole.first(whole.lengths - 1).take(order)
        states = self.trunk.states(*self._packed(read))
        # Where each token stands in its row, and where the state before it lies; before a row stands the preamble.
        ahead = len(self._ahead)
        starts = np.empty_like(order)
        starts[order] = read.bounds[:-1]
        first = asked.lengths if not prompts else np.full(len(order), int(ahead == 0))
        tokens, bounds = spans(whole.bounds[:-1] + first, whole.lengths - first)
        owners = np.repeat(np.arange(len(order)), np.diff(bounds))
        positions = tokens - whole.bounds[:-1][owners]
        before = np.where(positions > 0, ahead + starts[owners] + positions - 1, ahead - 1)
        wanted = whole.tokens[tokens]
        before, wanted = before[wanted >= 0], wanted[wanted >= 0]
        if prompts and ahead > 1:
            before = np.append(before, np.tile(np.arange(ahead - 1), len(order)))
            wanted = np.append(wanted, np.tile(self._ahead[1:], len(order)))
        return states[self._on_device(before)], self._on_device(wanted)

    def begin(self, batch: SequenceBatch) -> InOrder:
        """One empty prefix after each history."""
        items, bounds = batch.items.cpu().numpy(), batch.rows.offsets.cpu().numpy()
        asked = self._prompts(items, bounds, np.zeros(len(batch), dtype=np.int64))
        order = np.argsort(asked.lengths, kind="stable")
        texts = HalfWritten.after(self.trunk, *self._packed(asked.take(order)))
        return InOrder(texts, self._on_device(order), self._on_device(np.argsort(order)))

    def write(self, histories: Histories, *, beams: int, length: int) -> Drafts:
        """What the model writes after each history by beam search: the best `beams` texts of each row, best first.

        A text has at most `length` tokens, the end included, and no more than fit into the context behind its prompt.
        A row without history gets empty texts, and so do the places for which there was no text; their score is -inf.
        """
        scores = np.full((len(histories), beams), -np.inf, dtype=np.float32)
        found, where = [pl.Series([""])], np.zeros((len(histories), beams), dtype=np.int64)
        written = 1
        recent = histories.latest(self.history)
        some = np.flatnonzero(recent.lengths)
        with self._reading():
            for rows in np.split(some, np.arange(AT_ONCE, len(some), AT_ONCE)):
                asked = self._prompts(*recent.take(rows).packed(), np.zeros(len(rows), dtype=np.int64))
                # One token is left for the end, without which a text that was broken off is not learnt.
                limits = np.minimum(length, self.trunk.context - len(self._ahead) - asked.lengths - 1)
                for piece in pieces(asked.lengths, tokens=self.part.tokens, rows=max(self.part.prefixes // beams, 1)):
                    texts = HalfWritten.after(self.trunk, *self._packed(asked.take(piece)))
                    tokens, means = search(
                        texts, self.vocabulary(), self.trunk.end, beams, self._on_device(limits[piece])
                    )
                    users, _, longest = tokens.shape
                    bounds = np.arange(users * beams + 1) * longest
                    found.append(self.trunk.words(tokens.flatten().cpu().numpy(), bounds))
                    where[rows[piece]] = written + np.arange(users * beams).reshape(users, beams)
                    scores[rows[piece]] = means.cpu().numpy()
                    written += users * beams
        return Drafts(pl.concat(found).gather(where.ravel()), scores)

    def place(self, run: Run) -> None:
        """Read all titles by the frozen model and keep where it places them."""
        run.begin("reading the titles", len(self.titles))
        self.places.copy_(self._read(self.titles, run))
        run.end()

    def placed(self, texts: pl.Series) -> Float[Tensor, "texts width"]:
        """Where the frozen model places each text: its last state after the text, with nothing around it.

        A text that is a title has the very place of the title. An empty one has the place of what the model expects
        before every text, or of the end token where it expects nothing.
        """
        different = texts.cast(pl.String).unique(maintain_order=True)
        found = rows_in(self.titles, different)
        if not self.places[0].any():  # nothing was placed yet
            found[:] = -1
        vectors = self.places[self._on_device(found.clip(0))]
        new = found < 0
        if new.any():
            vectors[self._on_device(new)] = self._read(different.filter(pl.Series(new)), Run())
        return vectors[self._on_device(rows_in(different, texts))]

    def title(self, texts: pl.Series) -> pl.Series:
        """The title in each text, as `Drafts` has them."""
        return self.prompts.title(texts)

    def responses(self, texts: pl.Series) -> Responses:
        """These texts, as `Drafts` has them, in tokens: what a batch takes to have them learnt."""
        tokens, bounds = self.trunk.numbers(texts)
        return Responses(torch.from_numpy(tokens), Rows(torch.from_numpy(bounds)))

    def state_dict(self, *args: Any, **keywords: Any) -> dict[str, Any]:  # type: ignore[override]
        """What was learnt, and what is known of the items; the frozen model is not among it."""
        ours = {name for name, weight in self.named_parameters() if weight.requires_grad} | {"counts", "places"}
        whole = super().state_dict(*args, **keywords)
        prefix = keywords.get("prefix", "")
        return {name: value for name, value in whole.items() if name.removeprefix(prefix) in ours}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Take over what `state_dict` gave.

        Raises:
            RunError: something of ours is missing, or there is something that we do not have.
        """
        ours = set(self.state_dict())
        missing, unknown = sorted(ours - set(state_dict)), sorted(set(state_dict) - ours)
        if strict and (missing or unknown):
            raise RunError(
                f"These weights belong to another model: {len(missing)} are missing (such as {missing[:1]}) and "
                f"{len(unknown)} are not known (such as {unknown[:1]}). Use the recipe and the settings, above all "
                "backbone.lora, that they were saved with."
            )
        return super().load_state_dict(state_dict, strict=False, assign=assign)

    def _prompts(
        self, items: Int[np.ndarray, " events"], bounds: Int[np.ndarray, " bounds"], answers: Int[np.ndarray, " rows"]
    ) -> TokenRows:
        """What each row is told, the preamble apart, with room for an answer of so many tokens; the oldest events are
        left out where that does not fit. The vector of item i is read at a token -1 - i."""
        limits = self.trunk.context - len(self._ahead) - np.maximum(answers, self._room)
        asked = self._told(items, bounds)
        while (asked.lengths > limits).any():
            events, over = np.diff(bounds), asked.lengths - limits
            if (short := (over > 0) & (events <= 1)).any():
                raise self._too_long(items, bounds, asked, answers, int(short.argmax()))
            costs = self._responses.lengths[self._title_of[items]]
            sums = np.append(0, np.cumsum(costs))
            owners = np.repeat(np.arange(len(events)), events)
            dropped = sums[1:] - sums[bounds[owners]] < over[owners]  # and one more of each such row
            counts = np.bincount(owners[dropped], minlength=len(events)) + (over > 0)
            counts = np.minimum(counts, np.maximum(events - 1, 0))
            places, bounds = spans(bounds[:-1] + counts, events - counts)
            items = items[places]
            asked = self._told(items, bounds)
        return asked

    def _told(self, items: Int[np.ndarray, " events"], bounds: Int[np.ndarray, " bounds"]) -> TokenRows:
        texts = self.prompts.asked(self._told_titles.gather(self._title_of[items]), bounds)
        placeholder = self.prompts.placeholder
        if placeholder is None:
            return TokenRows(*self.trunk.numbers(texts))
        parts = texts.str.split(placeholder)
        if (parts.list.len().to_numpy() != np.diff(bounds) + 1).any():
            raise SettingsError(f"prompts: a prompt needs the placeholder {placeholder!r} once for each of its events.")
        # Behind each part of a row but its last one comes an item.
        followed = np.ones(len(items) + len(texts), dtype=np.int64)
        followed[bounds[1:] + np.arange(len(texts))] = 0
        between = TokenRows(-1 - items, np.append(0, np.cumsum(followed)))
        told = beside(TokenRows(*self.trunk.numbers(parts.explode())), between)
        return TokenRows(told.tokens, told.bounds[bounds + np.arange(len(bounds))])

    def _too_long(
        self,
        items: Int[np.ndarray, " events"],
        bounds: Int[np.ndarray, " bounds"],
        asked: TokenRows,
        answers: Int[np.ndarray, " rows"],
        row: int,
    ) -> DataError:
        room, context = max(int(answers[row]), self._room), self.trunk.context
        told = "nothing at all"
        if bounds[row + 1] > bounds[row]:
            title = self._title_of[items[bounds[row]]]
            told = f"the title {self.titles[int(title)]!r} ({self._responses.lengths[title]} tokens)"
        return DataError(
            f"A prompt that tells {told} does not fit: {len(self._ahead)} tokens of instruction, "
            f"{asked.lengths[row]} of history and {room} of answer are more than the {context} that the language model "
            "reads. Cut long titles (--set prompts.letters=200), shorten the instruction, or let the language model "
            "read more (--set backbone.length=...), if it can."
        )

    def _packed(self, rows: TokenRows) -> tuple[Float[Tensor, "tokens width"], Rows, int]:
        """The vectors of the preamble and of the rows behind it, the rows, and the tokens of the preamble."""
        tokens = self._on_device(np.append(self._ahead, rows.tokens))
        vectors = self.trunk.embedded(tokens.clamp_min(0))
        if self.projector is not None and self.behaviour is not None:
            places = (tokens < 0).nonzero().squeeze(1)
            known = self.projector(self.behaviour[-1 - tokens[places]])
            vectors = vectors.index_copy(0, places, known.to(vectors.dtype))
        return vectors, Rows(self._on_device(rows.bounds)), len(self._ahead)

    def _read(self, texts: pl.Series, run: Run) -> Float[Tensor, "texts width"]:
        """Where the frozen model places each text."""
        begin, count = np.array(self.trunk.begin, dtype=np.int64), len(texts)
        rows = TokenRows(*self.trunk.numbers(texts))
        rows = beside(TokenRows(np.tile(begin, count), np.arange(count + 1) * len(begin)), rows)
        rows = rows.first(self.trunk.context)
        if (empty := rows.lengths == 0).any():
            rows = beside(rows, TokenRows(np.full(empty.sum(), self.trunk.end), np.append(0, np.cumsum(empty))))
        places = torch.empty_like(self.places[:1]).expand(count, -1).contiguous()
        with self.trunk.frozen():
            for some in pieces(rows.lengths, tokens=self.part.tokens):
                piece = rows.take(some)
                packed = Rows(self._on_device(piece.bounds))
                states = self.trunk.states(self.trunk.embedded(self._on_device(piece.tokens)), packed)
                places[self._on_device(some)] = states[packed.last].to(places.dtype)
                run.advance(len(some))
        return places

    def _on_device(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.places.device)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Without dropout and gradients."""
        training = self.training
        self.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            self.train(training)


AT_ONCE = 4096
"""Rows whose prompts exist at once when texts are written."""
