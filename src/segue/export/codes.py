"""Systems that write codes: the history is read once and a beam search goes down the tree, level by level, unrolled."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from segue.core.errors import SettingsError
from segue.core.ranking import NOTHING
from segue.core.recipe import FittedModel, TokenRecipe
from segue.decoding.beam_search import BeamSearch
from segue.export.padded import (
    KeysValues,
    Newest,
    PaddedTransformer,
    at,
    filled,
    sees,
    softmax_attention,
)
from segue.layers.encoder_decoder import EncoderDecoderTrunk, _Reader, _Writer
from segue.layers.transformer import Transformer
from segue.models.token_generator import TokenGeneratorModel


class CodesGraph(nn.Module):
    """`BeamSearch` with `TokenGeneratorModel` over padded rows; a row without events gets the most popular items.

    What a user must not get is said item by item. A prefix under which nothing is allowed is struck before it takes the
    place of another, as our own search does.
    """

    counts: Tensor
    popular: Tensor

    def __init__(self, fitted: FittedModel, k: int) -> None:
        super().__init__()
        recipe, model = fitted.recipe, fitted.model
        assert isinstance(recipe, TokenRecipe)
        if not isinstance(model, TokenGeneratorModel) or not isinstance(fitted.decoder, BeamSearch):
            raise SettingsError(
                f"{recipe.name}: only a token_generator that is searched by beam_search can be exported; this one has "
                f"{recipe.model.kind()} and {fitted.decoder.kind()}."
            )
        self.model, self.k = model, k
        self.widths = [max(width, k) for width in fitted.decoder._widths(model.levels)]
        self.renormalized = fitted.decoder.renormalized
        self.newest = Newest(model.history)
        self.trunk = _trunk(model, model.history)
        self.tree = _Tree(model)
        self.register_buffer("counts", fitted.counts.float())
        self.register_buffer("popular", torch.argsort(-fitted.counts, stable=True))

    def forward(
        self, items: Tensor, lengths: Tensor, allowed: Tensor, users: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The k best items of each row, and log P of each; NOTHING and -inf where fewer are allowed."""
        tree, dead = self.tree, self.tree.dead(allowed)
        memory, states = self.trunk.begin(*self._context(items, lengths, users))
        scores = torch.zeros_like(states[..., 0])  # users 1
        nodes = torch.zeros_like(scores, dtype=torch.int64)
        for depth, width in enumerate(self.widths):
            below, missing = tree.below(depth, nodes)
            chances = self._chances(states, depth).gather(2, tree.codes(depth)[below]).masked_fill(missing, -torch.inf)
            if self.renormalized:
                chances = torch.log_softmax(chances, dim=-1).masked_fill(missing, -torch.inf)
            values = scores[..., None] + chances.masked_fill(tree.struck(dead, depth, below), -torch.inf)
            asked, widest = values.shape[1], values.shape[2]
            scores, chosen = values.flatten(1).topk(min(width, asked * widest), dim=1)
            nodes = below.flatten(1).gather(1, chosen)
            parents = torch.div(chosen, widest, rounding_mode="floor")
            if depth + 1 < tree.levels:
                token = self.model.table(tree.codes(depth)[nodes] + self.model.codes.offsets[depth])
                memory, states = self.trunk.extended(memory, parents, token)
        below, missing = tree.below(tree.levels, nodes)
        values = (scores[..., None] + tree.log_shares[below]).masked_fill(missing, -torch.inf)
        values = values.masked_fill(tree.struck(dead, tree.levels, below), -torch.inf)
        return self._best(tree.items[below].flatten(1), values.flatten(1), lengths, allowed)

    def _context(self, items: Tensor, lengths: Tensor, users: Tensor | None) -> tuple[Tensor, Tensor]:
        """The vectors of all tokens of the newest events, and how many each row has."""
        model = self.model
        kept, places = self.newest(lengths, items.shape[1])
        codes = model.item_codes[items.gather(1, places)] + model.offsets
        vectors = model.table(codes).flatten(1, 2)
        count = kept * model.levels
        if model.user_table is not None and users is not None:
            buckets = torch.remainder(users * 2_654_435_761, model.part.user_tokens)
            own = model.user_table(buckets) * (users >= 0)[:, None]
            vectors, count = torch.cat([own[:, None], vectors], dim=1), count + 1
        if model.end is not None:
            vectors = torch.cat([vectors, torch.zeros_like(vectors[:, :1])], dim=1)
            steps = torch.arange(vectors.shape[1], device=vectors.device)
            vectors = torch.where((steps == count[:, None])[..., None], model.end, vectors)
            count = count + 1
        return vectors, count

    def _chances(self, states: Tensor, level: int) -> Tensor:
        """log P of every code of the level."""
        table, begin = self.model.codebook(level)
        if self.model.part.scaled:
            states = states * states.shape[-1] ** -0.5
        chances = torch.log_softmax(states @ table.T, dim=-1)
        return chances[..., begin : begin + self.model.codes.sizes[level]]

    def _best(self, items: Tensor, values: Tensor, lengths: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
        """The k best, and of a stranger the most popular; equal scores go to the lower item row where they can."""
        items, order = items.sort(dim=1)
        k = min(self.k, values.shape[1])
        scores, chosen = values.gather(1, order).topk(k, dim=1)
        found = items.gather(1, chosen)
        # The popular ones are ranked by their place among all, so that no two are equal.
        places = torch.arange(len(self.counts), device=lengths.device)
        first = torch.where(allowed[:, self.popular], -places.float(), -torch.inf).topk(k, dim=1)
        named = self.popular[first.indices]
        popular = torch.where(first.values == -torch.inf, -torch.inf, self.counts[named])
        known = lengths[:, None] > 0
        scores, found = torch.where(known, scores, popular), torch.where(known, found, named)
        return torch.where(scores == -torch.inf, NOTHING, found), scores


class _Tree(nn.Module):
    """The trie in flat arrays, as `core.codes.CodeTree` has them, and what is struck from it."""

    items: Tensor
    log_shares: Tensor

    def __init__(self, model: TokenGeneratorModel) -> None:
        super().__init__()
        tree = model.tree
        self.levels, self.widest = tree.levels, tree.widest
        self.counts = [tree.nodes(depth) for depth in range(tree.levels + 2)]
        self.register_buffer("items", tree.items)
        self.register_buffer("log_shares", tree.log_shares)
        for depth, bounds in enumerate(tree.children):
            self.register_buffer(f"children_{depth}", bounds)
        for depth, codes in enumerate(tree.codes):
            self.register_buffer(f"codes_{depth}", codes)
        for depth, firsts in enumerate(tree.firsts[1:], start=1):
            bounds = torch.cat([firsts, torch.tensor([len(tree.items)])])
            self.register_buffer(f"firsts_{depth}", bounds)

    def codes(self, depth: int) -> Tensor:
        """The codes that lead to the nodes of depth + 1."""
        return self.get_buffer(f"codes_{depth}")

    def below(self, depth: int, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """The children of each node, in a rectangle, and where the rectangle is wider than their number."""
        bounds = self.get_buffer(f"children_{depth}")
        below = bounds[nodes][..., None] + torch.arange(self.widest[depth], device=nodes.device)
        return below.clamp_max(self.counts[depth + 1] - 1), below >= bounds[nodes + 1][..., None]

    def dead(self, allowed: Tensor) -> list[Tensor]:
        """By depth from 1: the nodes of each user under which nothing is allowed. The last are places of items."""
        inside = allowed[:, self.items].long()
        before = torch.cat([torch.zeros_like(inside[:, :1]), inside.cumsum(1)], dim=1)
        bounds = [self.get_buffer(f"firsts_{depth}") for depth in range(1, self.levels + 2)]
        return [before[:, bound[1:]] == before[:, bound[:-1]] for bound in bounds]

    def struck(self, dead: list[Tensor], depth: int, below: Tensor) -> Tensor:
        """Which of these children (of nodes at `depth`) are dead."""
        return dead[depth].gather(1, below.flatten(1)).view(below.shape)


class _Causal(nn.Module):
    """Writing with a causal trunk: the state after the context says what comes first."""

    def __init__(self, trunk: Transformer, length: int) -> None:
        super().__init__()
        self.padded, self.length = PaddedTransformer(trunk, length), length

    def begin(self, vectors: Tensor, lengths: Tensor) -> tuple[tuple, Tensor]:
        """What is kept of the context, and the state before the first code, `users 1 width`."""
        hidden, context = self.padded(vectors, lengths)
        own: list[list[KeysValues]] = [[] for _ in context]
        seen = filled(lengths, vectors.shape[1])
        return (context, seen, lengths, own), at(hidden, lengths - 1)[:, None]

    def extended(self, memory: tuple, parents: Tensor, vectors: Tensor) -> tuple[tuple, Tensor]:
        """The chosen prefixes with one token more, and the states after it."""
        context, seen, lengths, own = memory
        taken = [[_taken(piece, parents) for piece in pieces] for pieces in own]
        written = len(own[0]) if own else 0
        positions = (lengths + written).clamp_max(self.length - 1)[:, None].expand(parents.shape)
        states = self.padded.beside(vectors, positions, context, seen, taken)
        return (context, seen, lengths, taken), states


class _EncoderDecoder(nn.Module):
    """Writing with T5's trunk: the encoder reads once, the decoder begins with its start vector.

    Which bucket a distance has is worked out here and kept as a table, because a logarithm that falls on the edge of a
    bucket may be rounded otherwise elsewhere.
    """

    near: Tensor

    def __init__(self, trunk: EncoderDecoderTrunk, levels: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.farthest = trunk.reading_bias.farthest
        distances = torch.arange(-self.farthest, self.farthest + 1)
        self.register_buffer("near", trunk.reading_bias._bucket(distances))
        for steps in range(1, levels + 1):
            distance = torch.arange(steps) - (steps - 1)
            self.register_buffer(f"own_{steps}", trunk.writing_bias._bucket(distance))

    def begin(self, vectors: Tensor, lengths: Tensor) -> tuple[tuple, Tensor]:
        """What is kept of the context, and the state after the start vector, `users 1 width`."""
        trunk, width = self.trunk, vectors.shape[1]
        steps = torch.arange(width, device=lengths.device)
        apart = (steps[None, :] - steps[:, None]).clamp(-self.farthest, self.farthest) + self.farthest
        bias = trunk.reading_bias.table(self.near[apart]).permute(2, 0, 1)
        seen, hidden = sees(lengths, width, causal=False)[:, None], vectors
        for reader in cast(list[_Reader], list(trunk.reading)):
            query, key, value = reader.attention.qkv_of(hidden).permute(2, 0, 3, 1, 4).unbind(0)
            mixed = softmax_attention(query, key, value, seen, 1.0, bias)
            hidden = hidden + reader.attention.out(mixed.transpose(1, 2).flatten(2))
            hidden = hidden + reader.feed(hidden)
        hidden = trunk.read_norm(hidden)
        context = []
        for writer in self.writers:
            keys, values = writer.context.keys_values(hidden)
            context.append((keys.transpose(1, 2), values.transpose(1, 2)))
        memory: tuple = (context, filled(lengths, width), [[] for _ in context])
        start = trunk.start.expand(vectors.shape[0], 1, -1)
        return self._written(memory, start)

    def extended(self, memory: tuple, parents: Tensor, vectors: Tensor) -> tuple[tuple, Tensor]:
        """The chosen prefixes with one token more, and the states after it."""
        context, seen, own = memory
        taken = [[_taken(piece, parents) for piece in pieces] for pieces in own]
        return self._written((context, seen, taken), vectors)

    @property
    def writers(self) -> list[_Writer]:
        """The blocks of the decoder, the lowest first."""
        return cast(list[_Writer], list(self.trunk.writing))

    def _written(self, memory: tuple, hidden: Tensor) -> tuple[tuple, Tensor]:
        context, seen, own = memory
        steps = len(own[0]) + 1
        bias = self.trunk.writing_bias.table(self.get_buffer(f"own_{steps}")).T[None, :, None, :]
        for writer, (keys, values), before in zip(self.writers, context, own, strict=True):
            query, key, value = writer.attention.qkv_of(hidden).unbind(2)  # users asked heads size
            before.append((key, value))
            logits = torch.stack([(query * one).sum(-1) for one, _ in before], dim=-1).transpose(1, 2)
            weights = torch.softmax(logits + bias, dim=-1).transpose(1, 2)
            mixed = sum(weights[..., place, None] * value for place, (_, value) in enumerate(before))
            hidden = hidden + writer.attention.out(cast(Tensor, mixed).flatten(2))
            asking = writer.context.queries(hidden).transpose(1, 2)
            found = softmax_attention(asking, keys, values, seen[:, None, None, :], 1.0)
            hidden = hidden + writer.context.out(found.transpose(1, 2).flatten(2))
            hidden = hidden + writer.feed(hidden)
        return memory, self.trunk.write_norm(hidden)


def _taken(piece: KeysValues, parents: Tensor) -> KeysValues:
    """The rows of the chosen prefixes, of keys and values `users asked heads size`."""
    index = parents[:, :, None, None].expand(-1, -1, piece[0].shape[2], piece[0].shape[3])
    return piece[0].gather(1, index), piece[1].gather(1, index)


def _trunk(model: TokenGeneratorModel, history: int) -> _Causal | _EncoderDecoder:
    if isinstance(model.trunk, Transformer):
        return _Causal(model.trunk, (history + 1) * model.levels + (model.part.user_tokens > 0) + model.part.ended)
    if isinstance(model.trunk, EncoderDecoderTrunk):
        return _EncoderDecoder(model.trunk, model.levels)
    raise SettingsError(
        f"a {type(model.trunk).__name__} cannot be exported; causal_transformer and encoder_decoder can."
    )
