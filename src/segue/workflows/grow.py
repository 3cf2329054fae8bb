"""Items that come while a system is in use: those that it can recommend, and those that it cannot, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl
import torch
from torch import Tensor

from segue.core.errors import DataError
from segue.core.impressions import Impressions
from segue.core.ranking import NOTHING, Ranking, Rules
from segue.core.ranking_recipe import Ranker
from segue.core.recipe import Recommender
from segue.core.shapes import Float, Int
from segue.core.tables import Catalog, Histories

REQUIRED = ("item_id", "title")
NAMED = 3
"""Ids named in an error."""


def with_new_items(recommender: Recommender, items: pl.DataFrame) -> tuple[Recommender, dict[str, str]]:
    """The system with further items behind those of its catalog, and by item id why it cannot recommend some of them.

    A system that writes codes gives a new item those that its tokenizer finds, and one that writes titles reads the
    title; both then recommend it and read it in histories, and nothing is learnt. Who has no history gets what was
    popular before. All other systems, and tokenizers that only know what they were fitted on, have nothing to say of a
    new item: it is in the catalog, is never recommended, and is skipped in histories; a ranker refuses to judge it.

    What is answered about the other items stays as it was, with two exceptions that lie in the thing itself: where a
    new item shares a tuple of codes or a title with an old one, they share its probability; and `injection` scales
    distances between the nearest and the farthest title, which may be a new one.

    The result lives in memory and shares its weights with what it came from, so one of the two is to be moved to
    another device and used. Saving it with `weights()` is possible where no item was refused; a service replays its
    notes of items instead. Items are added before histories are kept (`service.kept_histories`).

    Args:
        items: `item_id` and `title`, and whatever else is known. Columns that the catalog does not have are left out,
            and values are cast to the types of those that it has.

    Raises:
        DataError: an id or a title is missing, an id comes twice or is known already, or a value cannot be cast.
    """
    if not items.height:
        return recommender, {}
    catalog = recommender.catalog
    new = _aligned(catalog, items)
    inner, known = recommender, np.arange(len(catalog))
    if isinstance(recommender, Enlarged):
        inner, known = recommender.inner, recommender.known
    inner, able, refused = _grown(inner, new)
    whole, known = catalog.extended(new), np.append(known, len(catalog) + able)
    if not refused and len(known) == len(whole):
        return inner, refused
    enlarged = EnlargedRanker(inner, whole, known) if isinstance(inner, Ranker) else Enlarged(inner, whole, known)
    return enlarged, refused


class Enlarged(Recommender):
    """A system in a catalog with items that it does not know: they are never recommended, and skipped in histories."""

    def __init__(self, inner: Recommender, catalog: Catalog, known: Int[np.ndarray, " known"]) -> None:
        """`known` are the rows of the catalog that hold the items of `inner`, ascending."""
        self.inner, self.recipe, self.catalog, self.known = inner, inner.recipe, catalog, known
        self.places = np.full(len(catalog), NOTHING, dtype=np.int64)
        self.places[known] = np.arange(len(known))

    def around(self, inner: Recommender) -> Enlarged:
        """The same around the same system in another form."""
        return type(self)(inner, self.catalog, self.known)

    def recommend(self, histories: Histories, k: int, rules: Rules = Rules()) -> Ranking:
        """The k best allowed items of those that the system knows."""
        allow, deny = self._inside(rules.allow), self._inside(rules.deny)
        found = self.inner.recommend(self._read(histories)[0], k, replace(rules, allow=allow, deny=deny))
        return replace(found, items=np.where(found.items == NOTHING, NOTHING, self.known[found.items]))

    def weights(self) -> Mapping[str, Tensor]:
        """Those of the system, which make it again in its own catalog."""
        return self.inner.weights()

    def to(self, device: torch.device) -> None:
        """Answer on this device from now on."""
        self.inner.to(device)

    def _inside(self, items: Int[np.ndarray, " items"] | None) -> Int[np.ndarray, " known"] | None:
        """The rows in the system's own catalog of those items that it knows."""
        if items is None:
            return None
        rows: np.ndarray = self.places[items]
        return rows[rows != NOTHING]

    def _read(self, histories: Histories) -> tuple[Histories, Int[np.ndarray, " events"]]:
        """The histories without what the system does not know, and which events are left."""
        events, bounds = histories.positions()
        items = self.places[histories.items[events]]
        left = items != NOTHING
        owners = np.repeat(np.arange(len(histories)), np.diff(bounds))[left]
        ends = np.cumsum(np.bincount(owners, minlength=len(histories)))
        events, times = events[left], histories.timestamps
        known = replace(
            histories,
            items=items[left],
            starts=np.append(0, ends[:-1])[: len(histories)],
            ends=ends,
            timestamps=None if times is None else times[events],
        )
        return known, events


class EnlargedRanker(Enlarged, Ranker):
    """A ranker in a catalog with items that it cannot judge."""

    def __init__(self, inner: Ranker, catalog: Catalog, known: Int[np.ndarray, " known"]) -> None:
        super().__init__(inner, catalog, known)
        self.schema, self.ranker = inner.schema, inner

    def probabilities(self, impressions: Impressions) -> Float[np.ndarray, "shown tasks"]:
        """P(action) of every shown item.

        Raises:
            DataError: one of them came after the ranker was fitted.
        """
        items = self.places[impressions.items]
        if (items == NOTHING).any():
            new = self.catalog.ids.gather(np.unique(impressions.items[items == NOTHING])).to_list()
            raise DataError(
                f"{self.recipe.name} cannot judge {_some(new)}: it learnt of each item before it was fitted, and of "
                "none that came later. Leave them out of the candidates, or fit it again."
            )
        histories, events = self._read(impressions.histories)
        nowhere = np.full(len(items), -1)  # where a shown item lies in the log matters while learning alone
        return self.ranker.probabilities(
            replace(impressions, histories=histories, actions=impressions.actions[events], items=items, events=nowhere)
        )


def _grown(inner: Recommender, new: Catalog) -> tuple[Recommender, Int[np.ndarray, " able"], dict[str, str]]:
    """The system with those of the new items that it can recommend, which these are, and why not the others."""
    every, nobody = np.arange(len(new)), np.zeros(0, dtype=np.int64)
    refused: dict[str, str] = {}
    while len(every):
        try:
            return inner.grown(Catalog(new.table[every])), every, refused
        except DataError as error:
            together = {new.ids[int(row)]: str(error) for row in every}
        alone = {new.ids[int(row)]: reason for row in every if (reason := _refusal(inner, new, int(row))) is not None}
        refused |= alone or together  # each has room alone, and there is not enough for all
        every = np.array([row for row in every if new.ids[int(row)] not in refused], dtype=np.int64)
    return inner, nobody, refused


def _refusal(inner: Recommender, new: Catalog, row: int) -> str | None:
    """Why the system cannot recommend this item, or None where it can."""
    try:
        inner.grown(Catalog(new.table[[row]]))
    except DataError as error:
        return str(error)
    return None


def _aligned(catalog: Catalog, items: pl.DataFrame) -> Catalog:
    """The items with the columns and types of a catalog."""
    absent = [name for name in REQUIRED if name not in items.columns]
    if absent:
        raise DataError(f"new items have no {' and no '.join(absent)}; they have {', '.join(items.columns)}.")
    for name in REQUIRED:
        empty = items[name].is_null() | (items[name].cast(pl.String).str.strip_chars() == "")
        if empty.any():
            raise DataError(f"new item {int(empty.arg_max() or 0) + 1} of {len(items)} has no {name}.")
    ids = items["item_id"].cast(pl.String)
    twice, known = ids.filter(ids.is_duplicated()), ids.filter(ids.is_in(catalog.ids.cast(pl.String).implode()))
    if len(twice):
        raise DataError(f"new items come twice: {_some(twice.unique(maintain_order=True).to_list())}.")
    if len(known):
        raise DataError(f"items are in the catalog already: {_some(known.to_list())}; an item is added once.")
    schema = catalog.table.schema
    try:
        return Catalog(
            items.select(pl.col(name).cast(schema[name]) for name in catalog.table.columns if name in items.columns)
        )
    except pl.exceptions.PolarsError as error:
        types = ", ".join(f"{name} {schema[name]}" for name in catalog.table.columns)
        raise DataError(f"new items do not fit the columns of the catalog ({types}): {error}") from None


def _some(ids: list[str]) -> str:
    more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    return ", ".join(repr(one) for one in ids[:NAMED]) + more
