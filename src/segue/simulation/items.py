"""The items of a simulated world: what everybody can see of them, and what only the world knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from segue.core.shapes import Float, Int
from segue.core.tables import Catalog
from segue.simulation import words


@dataclass(frozen=True)
class Items:
    """The catalogue, and for each item its hidden position in the space of tastes."""

    catalog: Catalog
    category: Int[np.ndarray, " items"]
    centres: Float[np.ndarray, "categories width"]
    """Where each category lies; an item lies near its category."""
    vectors: Float[np.ndarray, "items width"]
    quality: Float[np.ndarray, " items"]
    """What everybody likes about it, added to the log odds of a click."""
    dearness: Float[np.ndarray, " items"]
    """Log price within its category, in standard deviations."""
    duration: Float[np.ndarray, " items"]
    """Median watch time of a user who is neither keen nor bored, in seconds."""
    popularity: Float[np.ndarray, " items"]
    """How much the shop pushes it: falls as a power of the item's popularity rank; the most popular has 1."""

    def __len__(self) -> int:
        return len(self.category)


def draw_items(count: int, *, categories: int, width: int, zipf: float, own: float, rng: np.random.Generator) -> Items:
    """Random items, spread evenly over the categories.

    `own` is the share of an item's position that its category does not explain.
    """
    names = words.categories(categories)
    category = rng.permutation(np.arange(count) % categories)
    centres = rng.normal(0, width**-0.5, (categories, width))
    vectors = np.sqrt(1 - own) * centres[category] + np.sqrt(own) * rng.normal(0, width**-0.5, (count, width))
    dearness = rng.normal(0, 1, count)
    typical = rng.uniform(np.log(8), np.log(120), categories)
    brand_of = rng.integers(0, 4, count)
    table = pl.DataFrame(
        {
            "item_id": [f"i{item:0{len(str(count - 1))}d}" for item in range(count)],
            "title": words.titles(category, names, rng),
            "categories": [[names[kind][0], names[kind][1]] for kind in category],
            "brand": [
                words.own_word(7 + 4 * kind + one).upper()
                for kind, one in zip(category.tolist(), brand_of.tolist(), strict=True)
            ],
            "price": np.round(np.exp(typical[category] + 0.5 * dearness), 2),
        }
    )
    return Items(
        catalog=Catalog(table),
        category=category,
        centres=centres,
        vectors=vectors,
        quality=rng.normal(0, 0.4, count),
        dearness=dearness,
        duration=np.exp(rng.normal(np.log(60), 0.5, count)),
        popularity=(1.0 + rng.permutation(count)) ** -zipf,
    )
