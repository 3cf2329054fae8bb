"""The items whose titles lie nearest to some texts, exact, tile by tile, under the rules of a ranking.

Candidates come from matrix products, whose error is some 1e-7 of the squared lengths and would drown a small distance.
The distances of the best are then computed from the differences, and where the error may have kept an item out, of four
times as many. So the ranking is that of the differences in float32, and a text that is a title has distance 0 to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from segue.core.ranking import NOTHING, Ranking, Rules
from segue.core.shapes import Bool, Float, Int
from segue.core.tables import Histories
from segue.decoding.top_scores import TILE, USERS, Scorer, rank
from segue.kernels.top_k import largest

SPARE = 16
"""Items looked at exactly beyond the k that are asked for."""
CELLS = 4 << 20
"""Numbers alive at once where items are looked at exactly."""
SURE = 8.0
"""The error of a sum of w products grows with sqrt(w) roundings; so many times this is allowed for."""
TINY = 1e-30
"""Keeps a division by nothing away."""


def nearest(space: Space, histories: Histories, k: int, rules: Rules) -> Ranking:
    """The k nearest allowed items of each text, nearest first; the score is minus the distance.

    Equal scores go to the lower item row.
    """
    items = np.full((len(histories), k), NOTHING, dtype=np.int64)
    scores = np.full((len(histories), k), -np.inf, dtype=np.float32)
    catalog, device = len(space.title_of), space.texts.device
    waiting, reach = np.arange(len(histories)), k + SPARE
    while len(waiting):
        reach = min(reach, catalog)
        unsure = []
        for some in np.array_split(waiting, -(-len(waiting) * reach // CELLS)):
            part = space.take(torch.from_numpy(some).to(device))
            found = rank(histories.take(some), reach, rules, items=catalog, scorer=_Cells(part), device=device)
            exact, sure = _looked_at(part, found, min(k, reach))
            items[some, : min(k, reach)], scores[some, : min(k, reach)] = exact.items, exact.scores
            unsure.append(some[~sure])
        waiting, reach = np.concatenate(unsure), reach * 4
    return Ranking(items, scores)


@dataclass(frozen=True)
class Space:
    """Some texts and all titles in one space, and how far each text is from the title of each item.

    Where distances come from products, all is moved by the mean of the titles: this changes no distance and makes the
    products, and so their error, small.
    """

    texts: Float[Tensor, "rows width"]
    places: Float[Tensor, "titles width"]
    title_of: Int[Tensor, " items"]
    middle: Float[Tensor, " width"]
    squares: Float[Tensor, " titles"]
    """|place - middle|^2."""
    weights: Weights | None = None

    @classmethod
    def of(
        cls, texts: Float[Tensor, "rows width"], places: Float[Tensor, "titles width"], title_of: Int[Tensor, " items"]
    ) -> Space:
        """Plain distances."""
        places = places.float()
        middle = places.mean(0)
        squares = torch.cat([(some - middle).square_().sum(1) for some in places.split(TILE)])
        return cls(texts.to(places), places, title_of.to(places.device), middle, squares)

    def take(self, rows: Int[Tensor, " some"]) -> Space:
        """The same for some of the texts."""
        weights = None if self.weights is None else self.weights.take(rows)
        return replace(self, texts=self.texts[rows], weights=weights)

    def nearness(
        self,
        rows: slice,
        centred: Float[Tensor, "some width"],
        squares: Float[Tensor, " some"],
        out: Float[Tensor, "rows some"] | None = None,
    ) -> Float[Tensor, "rows some"]:
        """2xy - y^2 for each of the rows and some titles, by a product: the squared distance is x^2 less."""
        return torch.addmm(squares, self.texts[rows] - self.middle, centred.T, beta=-1, alpha=2, out=out)

    def of_nearness(self, nearness: Float[Tensor, "rows some"], rows: slice) -> Float[Tensor, "rows some"]:
        """The distances that these say, in place."""
        lengths = (self.texts[rows] - self.middle).square_().sum(1)
        return nearness.neg_().add_(lengths[:, None]).clamp_min_(0).sqrt_()

    def apart(self, rows: Int[Tensor, " pairs"], titles: Int[Tensor, " pairs"]) -> Float[Tensor, " pairs"]:
        """The distance of one row to one title, by the difference."""
        at_once = max(1, CELLS // self.texts.shape[1])
        pairs = zip(rows.split(at_once), titles.split(at_once), strict=True)
        return torch.cat([(self.texts[row] - self.places[title]).square_().sum(1).sqrt_() for row, title in pairs])

    def farthest(self) -> Float[Tensor, " rows"]:
        """The distance of each row to the farthest title, by products."""

        def some(rows: slice, columns: slice) -> Tensor:
            nearness = self.nearness(rows, self.places[columns] - self.middle, self.squares[columns])
            return self.of_nearness(nearness, rows)

        return extremes(some, len(self.texts), len(self.places))[1]

    def error(self) -> Float[Tensor, " rows"]:
        """How far a squared distance that comes from products may be from the truth."""
        lengths = (self.texts - self.middle).square().sum(1).sqrt_() + self.squares.max().sqrt()
        return SURE * torch.finfo(torch.float32).eps * self.texts.shape[1] ** 0.5 * lengths.square_()


@dataclass(frozen=True)
class Weights:
    """Puts distances between 0 (`low`) and 1 in each row, and multiplies each by (1 + W)^-gamma.

    W is the product of a row's side (all rows share one where there is only one) and the item's, between 0 (`least`)
    and 1.
    """

    low: Float[Tensor, " rows"]
    span: Float[Tensor, " rows"]
    users: Float[Tensor, "users size"]
    items: Float[Tensor, "items size"]
    least: Float[Tensor, " users"]
    range: Float[Tensor, " users"]
    gamma: float

    @classmethod
    def of(
        cls,
        low: Float[Tensor, " rows"],
        high: Float[Tensor, " rows"],
        users: Float[Tensor, "users size"],
        items: Float[Tensor, "items size"],
        gamma: float,
    ) -> Weights:
        """Weights for texts whose nearest title is at `low` and whose farthest is at `high`."""
        least, most = extremes(lambda rows, some: users[rows] @ items[some].T, len(users), len(items))
        spans = (high - low).clamp_min_(TINY), (most - least).clamp_min_(TINY)
        return cls(low, spans[0], users, items, least, spans[1], gamma)

    def take(self, rows: Int[Tensor, " some"]) -> Weights:
        """Those of some rows."""
        own = rows if len(self.users) > 1 else torch.zeros_like(rows[:1])
        return replace(
            self, low=self.low[rows], span=self.span[rows],
            users=self.users[own], least=self.least[own], range=self.range[own],
        )  # fmt: skip

    def between(self, distances: Float[Tensor, "rows some"], rows: slice, items: Int[Tensor, " some"]) -> None:
        """Weigh each row's distance to each of the items, in place."""
        users = rows if len(self.users) > 1 else slice(None)
        products = self.users[users] @ self.items[items].T
        distances.sub_(self.low[rows, None]).clamp_min_(0).div_(self.span[rows, None])
        distances.mul_(self._factors(products, self.least[users, None], self.range[users, None]))

    def apart(
        self, distances: Float[Tensor, " pairs"], rows: Int[Tensor, " pairs"], items: Int[Tensor, " pairs"]
    ) -> Float[Tensor, " pairs"]:
        """The weighed distance of one row to one item."""
        users = rows if len(self.users) > 1 else torch.zeros_like(rows)
        at_once = max(1, CELLS // self.users.shape[1])
        pairs = zip(users.split(at_once), items.split(at_once), strict=True)
        products = torch.cat([(self.users[user] * self.items[item]).sum(1) for user, item in pairs])
        scaled = (distances - self.low[rows]).clamp_min_(0) / self.span[rows]
        return scaled * self._factors(products, self.least[users], self.range[users])

    def _factors(self, products: Tensor, least: Tensor, span: Tensor) -> Tensor:
        return (1 + ((products - least) / span).clamp_(0, 1)).pow_(-self.gamma)


class _Cells(Scorer):
    """A tile by products: how near, or with weights minus the weighed distances."""

    users = 256  # a fifth faster than 512 on two Zen 4 cores

    def __init__(self, space: Space) -> None:
        self.space = space
        self.choose(torch.arange(len(space.title_of), device=space.texts.device))

    def choose(self, items: Tensor) -> None:
        titles = self.space.title_of[items]
        self.items, self.squares = items, self.space.squares[titles]
        self.centred = self.space.places[titles].sub_(self.space.middle)  # gathered once and not once a tile

    def __call__(self, rows: slice, items: slice, out: Tensor) -> None:
        self.space.nearness(rows, self.centred[items], self.squares[items], out=out)
        if self.space.weights is not None:
            self.space.weights.between(self.space.of_nearness(out, rows), rows, self.items[items])
            out.neg_()


def _looked_at(space: Space, found: Ranking, k: int) -> tuple[Ranking, Bool[np.ndarray, " rows"]]:
    """The k best of what was found, by exact distances, and for which rows nothing better can have been missed."""
    device = space.texts.device
    items = torch.from_numpy(found.items).to(device).sort(1).values  # the lower column is the lower item
    rows, columns = (items != NOTHING).nonzero(as_tuple=True)
    named = items[rows, columns]
    distances = space.apart(rows, space.title_of[named])
    if space.weights is not None:
        distances = space.weights.apart(distances, rows, named)
    scores = torch.full(items.shape, -torch.inf, device=device)
    scores[rows, columns] = 0.0 - distances  # not -0.0
    best = largest(scores, k)
    items, scores = items.gather(1, best), scores.gather(1, best)
    # What was not found is, by products, at least as far as the last that was: by so much it may be nearer in truth.
    last = torch.from_numpy(found.scores[:, -1:]).to(device)
    last = (-last if space.weights is not None else space.of_nearness(last, slice(None)))[:, 0]
    floor = _floor(space, last)
    sure = (-scores[:, -1] < floor) | last.isinf()
    if found.items.shape[1] == len(space.title_of):
        sure = torch.ones_like(sure)
    return Ranking(items.cpu().numpy(), scores.cpu().numpy()), sure.cpu().numpy()


def _floor(space: Space, last: Float[Tensor, " rows"]) -> Float[Tensor, " rows"]:
    """What the exact distance of an item cannot be below when by products it is at least `last`."""
    error = space.error()
    weights = space.weights
    if weights is None:
        return last - error / torch.maximum(last, error.sqrt()).clamp_min_(TINY)
    # Weights are at most 1, so the distance itself is no nearer than this; and 1e-5 is for the rounding of W.
    distance = weights.low + last * weights.span
    off = error / torch.maximum(distance, error.sqrt()).clamp_min_(TINY)
    return last * (1 - 1e-5 * (1 + weights.gamma)) - off / weights.span


def extremes(
    values: Callable[[slice, slice], Tensor], rows: int, columns: int
) -> tuple[Float[Tensor, " rows"], Float[Tensor, " rows"]]:
    """The least and the largest value of each row of a matrix that is computed tile by tile."""
    pieces = []
    for begin in range(0, rows, USERS):
        some = slice(begin, min(begin + USERS, rows))
        tiles = [
            values(some, slice(first, min(first + TILE, columns))).aminmax(dim=1) for first in range(0, columns, TILE)
        ]
        least = torch.stack([tile.min for tile in tiles]).amin(0)
        pieces.append((least, torch.stack([tile.max for tile in tiles]).amax(0)))
    return torch.cat([least for least, _ in pieces]), torch.cat([most for _, most in pieces])
