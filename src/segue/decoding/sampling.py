"""Draws items from a token model by walking down the trie at random: what roll-outs are made of."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from segue.core.forms import Prefixes, Sampler, TokenModel
from segue.core.ranking import NOTHING, Rules, Samples
from segue.core.tables import Histories
from segue.decoding._walk import batches, leaves, longer, step, tree_of


class Sampling(Sampler[TokenModel]):
    """Independent draws, code by code, always inside the trie of what may be recommended.

    At each step the children of a prefix are weighed by the model's probability to the power 1 / temperature; only the
    `top` most probable ones stay, then the smallest set whose share reaches `nucleus` (arXiv:1904.09751), and one is
    drawn. At temperature 1 without cuts these are draws from the model's distribution over all codes, divided at each
    step by what lies inside the trie.
    """

    temperature: PositiveFloat = 1.0
    """Above 1 draws are more various, below 1 they keep to what is probable."""
    top: NonNegativeInt = 0
    """Children that stay at each step; 0 means all."""
    nucleus: float = Field(default=1.0, gt=0, le=1)
    """Share of probability that stays at each step."""
    prefixes: PositiveInt = 2048
    """Draws of all users together that are written at once; bounds memory."""
    tokens: PositiveInt = 8192
    """Events of all contexts together that are read at once; bounds memory."""

    def __call__(
        self, model: TokenModel, histories: Histories, draws: int, rules: Rules, rng: torch.Generator
    ) -> Samples:
        """So many draws for each history; a history without events gets none."""
        items = np.full((len(histories), draws), NOTHING, dtype=np.int64)
        log_chances = np.full((len(histories), draws), -np.inf, dtype=np.float32)
        with torch.inference_mode():
            tree = tree_of(model, rules)
            asked = batches(model, histories, tree, rules, prefixes=self.prefixes // draws, tokens=self.tokens)
            for rows, batch, forbidden in asked if len(tree) else ():
                prefixes: Prefixes | None = model.begin(batch)
                nodes = torch.zeros(len(batch), 1, dtype=torch.int64, device=tree.items.device)
                total = torch.zeros(len(batch), draws, device=tree.items.device)
                parents = torch.zeros(len(batch), draws, dtype=torch.int64, device=tree.items.device)
                for depth in range(tree.levels + 1):
                    if depth < tree.levels:
                        below, chances = step(model, prefixes, tree, depth, nodes, renormalized=False)
                    else:
                        below, chances = leaves(tree, nodes)
                    forbidden.strike(depth, nodes, chances)
                    chosen, chance = self._draw(chances, parents, rng)
                    total += chance
                    nodes = below[torch.arange(len(batch), device=below.device)[:, None], parents, chosen]
                    if depth + 1 < tree.levels:
                        prefixes = longer(model, prefixes, parents, tree, depth + 1, nodes, total)
                    parents = torch.arange(draws, device=nodes.device).expand(len(batch), -1)
                found = torch.where(total.isneginf(), NOTHING, tree.items[nodes])
                items[rows], log_chances[rows] = found.cpu().numpy(), total.cpu().numpy()
        return Samples(items, log_chances)

    def _draw(self, chances: Tensor, parents: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """For each draw a child of its parent, and log P of it; of a parent without children the first, at -inf."""
        logits = chances / self.temperature
        if self.top and self.top < logits.shape[2]:
            least = logits.topk(self.top, dim=2).values[..., -1:]
            logits = logits.masked_fill(logits < least, -torch.inf)
        if self.nucleus < 1.0:
            ordered, order = torch.softmax(logits, dim=2).sort(dim=2, descending=True)
            beyond = (ordered.cumsum(2) - ordered) >= self.nucleus  # what lies before it is enough already
            logits = logits.masked_fill(torch.zeros_like(beyond).scatter(2, order, beyond), -torch.inf)
        # The largest of log P + Gumbel noise is a draw from P; the noise is fresh for each draw.
        log_p = torch.log_softmax(logits, dim=2)
        users = torch.arange(len(parents), device=parents.device)[:, None]
        each = log_p.masked_fill(logits.isneginf(), -torch.inf)[users, parents]
        noise = torch.empty_like(each).exponential_(generator=rng).log_().neg_()
        chosen = (each + noise).argmax(2)
        return chosen, each.gather(2, chosen[..., None]).squeeze(2)
