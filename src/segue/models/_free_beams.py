"""Half-written texts of a language model after contexts that are read once, and beam search over all it could write."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from segue.core.batches import Rows
from segue.core.shapes import Float, Int
from segue.layers.language import LanguageTrunk
from segue.layers.writing import Memory, Written


@dataclass(frozen=True)
class HalfWritten:
    """Some half-written texts of each user, users in the order of their contexts; see `core.forms.Prefixes`."""

    trunk: LanguageTrunk
    memory: Memory
    written: Written
    states: Float[Tensor, "users prefixes width"]
    level: int

    @classmethod
    def after(cls, trunk: LanguageTrunk, vectors: Float[Tensor, "tokens width"], rows: Rows, ahead: int) -> HalfWritten:
        """One empty text after each of the packed contexts."""
        memory = trunk.read(vectors, rows, ahead)
        states, written = trunk.write(memory, vectors.new_empty(len(rows), 1, 0, vectors.shape[1]), None)
        return cls(trunk, memory, written, states[:, :, -1], 0)

    def extended(self, parents: Int[Tensor, "users chosen"], codes: Int[Tensor, "users chosen"]) -> HalfWritten:
        """The texts `parents` of each user, each one token longer."""
        vectors = self.trunk.embedded(codes)[:, :, None]
        states, written = self.trunk.write(self.memory, vectors, self.written.take(parents))
        # Texts have many tokens: what they keep of each is put together, or each step would look at ever more pieces.
        layers = [[torch.cat(pieces, dim=2)] for pieces in written.layers]
        written = Written(layers, written.steps)
        return HalfWritten(self.trunk, self.memory, written, states[:, :, -1], self.level + 1)

    def only(self, users: Int[Tensor, " some"]) -> HalfWritten:
        """The texts of some of the users; what the others' contexts took is free again."""
        assert self.memory.first is not None
        offsets, lengths = self.memory.rows.offsets, self.memory.rows.lengths[users]
        rows = Rows(torch.cat([offsets[:1], lengths.cumsum(0)]))
        places = offsets[users][rows.owners] + rows.positions
        contexts = [(keys[places], values[places]) for keys, values in self.memory.layers]
        memory = Memory(rows, contexts, self.memory.first[users])
        layers = [[piece[users] for piece in layer] for layer in self.written.layers]
        return replace(self, memory=memory, written=Written(layers, self.written.steps), states=self.states[users])


@dataclass(frozen=True)
class InOrder:
    """The same texts with the users in another order than the one in which their contexts lie."""

    texts: HalfWritten
    order: Int[Tensor, " users"]
    """Which of the users each context is of."""
    places: Int[Tensor, " users"]
    """Where the context of each user lies."""

    @property
    def states(self) -> Float[Tensor, "users prefixes width"]:
        """A vector for what comes after each text, to be compared with the vocabulary."""
        return self.texts.states[self.places]

    @property
    def level(self) -> int:
        """Tokens that each text has so far."""
        return self.texts.level

    def extended(self, parents: Int[Tensor, "users chosen"], codes: Int[Tensor, "users chosen"]) -> InOrder:
        """The texts `parents` of each user, each one token longer."""
        return replace(self, texts=self.texts.extended(parents[self.order], codes[self.order]))


def search(
    texts: HalfWritten, vocabulary: Float[Tensor, "words width"], end: int, beams: int, limits: Int[Tensor, " users"]
) -> tuple[Int[Tensor, "users beams longest"], Float[Tensor, "users beams"]]:
    """The best texts of each user, ended and filled up by `end`, and the mean log probability (nats) of their tokens.

    At each step the 2 `beams` best continuations are looked at. Those among the first `beams` of them that end are
    finished, and the best `beams` that do not end go on. A user is done when the best of what goes on has no better
    mean than the worst of `beams` finished texts, or when the texts have as many tokens as `limits` says, ended or not.
    A place that no text got has -inf.

    This is what `generate` of transformers does with `num_beams`, `length_penalty=1` and `early_stopping=False`, user
    by user: there all users of a batch go on until the last of them is done.
    """
    device, users, longest = limits.device, len(limits), int(limits.max())
    found = torch.full((users, beams, longest), end, device=device)
    means = torch.full((users, beams), -torch.inf, device=device)
    rows = torch.arange(users, device=device)  # whose texts these still are
    going = torch.ones(users, dtype=torch.bool, device=device)
    sums = torch.zeros(users, 1, device=device)
    tokens = torch.empty(users, 1, 0, dtype=torch.int64, device=device)
    table = vocabulary.T
    for step in range(1, longest + 1):
        chances = (texts.states @ table.to(texts.states.dtype)).float()  # users prefixes words
        words = chances.shape[2]
        chances += (sums - chances.logsumexp(-1))[..., None]
        values, chosen = chances.flatten(1).topk(min(2 * beams, chances[0].numel()), dim=1)
        parents, codes = chosen // words, chosen % words
        longer = torch.cat([_of_each(tokens, parents), codes[..., None]], dim=2)
        ended = (codes == end) | (limits[rows] == step)[:, None]
        if ended.any():
            finished = values.masked_fill(~(ended & going[:, None]), -torch.inf)[:, :beams] / step
            means[rows], best = torch.cat([means[rows], finished], dim=1).topk(beams, dim=1)
            filled = torch.nn.functional.pad(longer[:, :beams], (0, longest - step), value=end)
            found[rows] = _of_each(torch.cat([found[rows], filled], dim=1), best)
        sums, kept = values.masked_fill(ended, -torch.inf).topk(min(beams, values.shape[1]), dim=1)
        going &= means[rows].amin(1) < sums[:, 0] / step
        left = going.nonzero().squeeze(1)
        if not len(left):
            break
        tokens, parents, codes = _of_each(longer, kept), parents.gather(1, kept), codes.gather(1, kept)
        if 2 * len(left) <= len(rows):  # not for one or two: their contexts are copied
            rows, going, sums, tokens, parents, codes = (
                part[left] for part in (rows, going, sums, tokens, parents, codes)
            )
            texts = texts.only(left)
        texts = texts.extended(parents, codes)
    return found.masked_fill(means.isneginf()[..., None], end), means


def _of_each(tokens: Tensor, chosen: Tensor) -> Tensor:
    """The chosen texts of each user."""
    return tokens.gather(1, chosen[..., None].expand(-1, -1, tokens.shape[2]))
