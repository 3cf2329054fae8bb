"""A tiny shop, as the split that encoders are fitted on."""

from dataclasses import replace

import polars as pl

from segue.core.tables import Catalog, Split
from segue.testing.worlds import two_tastes

TITLES = [
    "Red lipstick, matte",
    "Pink lipstick, glossy",
    "Lipstick brush",
    "Rose perfume for women",
    "Perfume for men",
    "Shampoo for dry hair",
    "Hair conditioner",
    "Hair brush, wooden",
]


def shop(titles: list[str | None] | None = None, **columns: pl.Series) -> Split:
    """Eight items (or those of these titles) and histories of two tastes over them."""
    titles = list(TITLES) if titles is None else titles
    table = pl.DataFrame({"item_id": [f"i{row}" for row in range(len(titles))]})
    table = table.with_columns(pl.Series("title", titles, dtype=pl.String), **columns)
    split = two_tastes(users=64, items=len(titles))
    return replace(split, dataset=replace(split.dataset, catalog=Catalog(table)))


def catalog(*titles: str | None) -> Catalog:
    """Further items with these titles."""
    ids = [f"new {row}" for row in range(len(titles))]
    return Catalog(
        pl.DataFrame({"item_id": ids, "title": list(titles)}, schema={"item_id": pl.String, "title": pl.String})
    )
