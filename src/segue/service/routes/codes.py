"""The codes of a run's items: the tree of their prefixes, one item's place in it, and their health."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from segue.core.errors import DataError
from segue.core.recipe import TokenRecipe
from segue.core.tokenizing import FittedTokenizer
from segue.evaluation.code_health import CodeHealth
from segue.service.dependencies import ServiceOf
from segue.service.looks import Looks, LooksOf, stamp
from segue.service.problems import Problem, invalid
from segue.service.reading import reading
from segue.workflows.codes import Neighbour, Node, Place, browse, health_of, members, open_codes, place_of, search
from segue.workflows.runs import experiment_of

router = APIRouter(tags=["codes"])
T = TypeVar("T")
LARGEST = 1_000_000
"""No codebook is larger."""


class CodeNode(Node):
    """A prefix, its next codes with most items, and the first of its items."""

    levels: int = Field(description="Codes of a whole tuple.")
    members: list[Neighbour] = Field(description="Its items, as many as were asked for.")


class CodedItems(BaseModel):
    """Items with their codes."""

    items: list[Neighbour]
    total: int = Field(description="How many fit.")


Prefix = Annotated[
    str, Query(max_length=200, description="Codes with commas between them, such as 1,2; empty is the root.")
]
Most = Annotated[int, Query(ge=1, le=200, description="Children, or items, at most.")]


@router.get("/runs/{name}/codes")
def show_codes(name: str, service: ServiceOf, looks: LooksOf, prefix: Prefix = "", most: Most = 20) -> CodeNode:
    """The node of a prefix in the tree of codes, with its children and some of its items."""
    folder, codes = service.shelf.folder(name), _codes(prefix)

    def read() -> CodeNode:
        tokenizer = _tokenizer(name, folder, looks)
        try:
            node, found = browse(tokenizer, codes, depth=1, most=most), members(tokenizer, codes, most)
        except DataError as error:
            raise Problem(404, "not-found", "No such prefix", str(error)) from None
        return CodeNode(**node.model_dump(), levels=tokenizer.codes.levels, members=found)

    with reading(name, folder):
        return _kept(looks, ("node", stamp(folder), codes, most), read)


@router.get("/runs/{name}/codes/items")
def find_coded_items(
    name: str,
    service: ServiceOf,
    looks: LooksOf,
    query: Annotated[str, Query(max_length=200, description="What an id begins with, or a title contains.")] = "",
    most: Most = 20,
) -> CodedItems:
    """Items by id or title, with their codes."""
    folder = service.shelf.folder(name)
    with reading(name, folder):
        total, items = search(_tokenizer(name, folder, looks), query, most)
    return CodedItems(items=items, total=total)


@router.get("/runs/{name}/codes/items/{item_id:path}")
def show_place(name: str, item_id: str, service: ServiceOf, looks: LooksOf, most: Most = 10) -> Place:
    """Where an item is in the tree, and who shares its longest prefix."""
    folder = service.shelf.folder(name)

    def read() -> Place:
        try:
            return place_of(_tokenizer(name, folder, looks), item_id, most)
        except DataError as error:
            raise Problem(404, "not-found", "No such item", str(error)) from None

    with reading(name, folder):
        return _kept(looks, ("place", stamp(folder), item_id, most), read)


@router.get("/runs/{name}/health")
def show_health(name: str, service: ServiceOf, looks: LooksOf) -> CodeHealth:
    """How well the codes serve: are the codebooks used, do items collide, do like items begin alike."""
    folder = service.shelf.folder(name)

    def read() -> CodeHealth:
        _refuse_uncoded(name, folder)
        return health_of(folder)

    with reading(name, folder):
        return _kept(looks, ("health", stamp(folder)), read)


def _kept(looks: Looks, key: tuple[object, ...], read: Callable[[], T]) -> T:
    found: T = looks.answers.get(key, read)
    return found


def _tokenizer(name: str, folder: Path, looks: Looks) -> FittedTokenizer:
    def read() -> FittedTokenizer:
        _refuse_uncoded(name, folder)
        return open_codes(folder)

    with reading(name, folder):
        return looks.tokenizers.get(stamp(folder), read)


def _refuse_uncoded(name: str, folder: Path) -> None:
    recipe = experiment_of(folder).recipe
    if not isinstance(recipe, TokenRecipe):
        raise Problem(
            404,
            "no-codes",
            "This run has no codes",
            f"{name} is a run of {recipe.name}, which gives items no codes; choose a run of a system such as tiger.",
        )


def _codes(prefix: str) -> tuple[int, ...]:
    """The codes that a prefix is written as."""
    words = [word.strip() for word in prefix.split(",")] if prefix.strip() else []
    wrong = next((word for word in words if not re.fullmatch(r"[0-9]{1,7}", word) or int(word) > LARGEST), None)
    if wrong is not None:
        raise invalid(
            f"a prefix is codes with commas between them, such as 1,2; {wrong!r} is no code.", field="query.prefix"
        )
    return tuple(int(word) for word in words)
