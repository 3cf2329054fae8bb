"""The catalog: looked through, added to, and taken from while serving."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Path, Query

from segue.core.served import ItemNote
from segue.service.dependencies import ServiceOf
from segue.service.problems import not_found
from segue.service.schemas import AddedAnswer, AvailabilityBody, CatalogItem, ItemsAnswer, ItemsBody
from segue.service.warm import Warm

router = APIRouter(tags=["items"])
ItemId = Annotated[str, Path(min_length=1, max_length=200)]


@router.get("/items")
def list_items(
    service: ServiceOf,
    query: Annotated[str, Query(max_length=200)] = "",
    begins: Annotated[str, Query(max_length=200)] = "",
    system: Annotated[str | None, Query(max_length=200)] = None,
    offset: Annotated[int, Query(ge=0, le=1_000_000_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> ItemsAnswer:
    """Items that have the words of `query` in title or id, or whose id begins with `begins`, in the catalog's order."""
    warm = service.choose(system, "").host.warm
    table = warm.recommender.catalog.table.with_row_index("__row")
    ids, titles = pl.col("item_id").cast(pl.String), warm.recommender.catalog.names().alias("__title")
    table = table.with_columns(titles)
    if begins:
        table = table.filter(ids.str.starts_with(begins))
    for word in query.lower().split():
        there = pl.col("__title").str.to_lowercase().str.contains(word, literal=True)
        table = table.filter(there | ids.str.to_lowercase().str.contains(word, literal=True))
    page = table.slice(offset, limit)
    return ItemsAnswer(total=table.height, items=[_item(warm, row) for row in page["__row"].to_list()])


@router.get("/items/{item_id}")
def show_item(
    service: ServiceOf, item_id: ItemId, system: Annotated[str | None, Query(max_length=200)] = None
) -> CatalogItem:
    """All that is known of one item."""
    warm = service.choose(system, "").host.warm
    return _item(warm, warm.item(item_id))


@router.post("/items")
async def add_items(service: ServiceOf, body: ItemsBody) -> AddedAnswer:
    """Add items while serving. Systems that write codes or titles can recommend them at once; the answer says which
    cannot, and why. Items that are known already stay as they are, and are put back if they were withdrawn; it says
    that too."""
    notes = [ItemNote(one.item_id, True, one.model_dump(exclude={"item_id"})) for one in body.items]
    before = {name: host.warm.row_of for name, host in service.hosts.items()}
    withdrawn = frozenset[str]().union(*(host.warm.withdrawn for host in service.hosts.values()))
    await service.note_items(notes)
    ids = [note.item_id for note in notes]
    added = [one for one in dict.fromkeys(ids) if not any(one in rows for rows in before.values())]
    known = [one for one in dict.fromkeys(ids) if one not in added]
    reasons = {name: host.warm.reasons for name, host in service.hosts.items()}
    return AddedAnswer(
        added=added,
        returned=[one for one in known if one in withdrawn],
        unchanged=[one for one in known if one not in withdrawn],
        recommendable={name: [one for one in added if one not in why] for name, why in reasons.items()},
        not_recommendable={name: {one: why[one] for one in added if one in why} for name, why in reasons.items()},
    )


@router.put("/items/{item_id}/availability")
async def set_availability(service: ServiceOf, item_id: ItemId, body: AvailabilityBody) -> CatalogItem:
    """Withdraw an item from all systems, or put it back; from the next answer on, and for good."""
    hosts = [host for host in service.hosts.values() if item_id in host.warm.row_of]
    if not hosts:
        service.choose(None, "")
        raise not_found("item", item_id)
    await service.note_items([ItemNote(item_id, body.available)])
    return await asyncio.to_thread(_item, hosts[0].warm, hosts[0].warm.row_of[item_id])


def _item(warm: Warm, row: int) -> CatalogItem:
    facts: dict[str, Any] = warm.recommender.catalog.table.row(row, named=True)
    plain = {name: value for name, value in facts.items() if value is not None and _is_json(value)}
    own = {
        "item_id": warm.ids[row],
        "title": warm.titles[row],
        "available": warm.ids[row] not in warm.withdrawn,
        "added": warm.ids[row] in warm.added,
    }
    return CatalogItem.model_validate(plain | own)


def _is_json(value: Any) -> bool:
    """Whether it can be said in JSON: no infinite number, and no bytes."""
    if isinstance(value, float):
        return abs(value) < float("inf")
    return not isinstance(value, bytes)
