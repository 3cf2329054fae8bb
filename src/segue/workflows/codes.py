"""Look into codes: the tree of their prefixes in words, one item's place in it, and room for new items."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from pydantic import Field

from segue.core.codes import CodeTree
from segue.core.errors import DataError, RunError
from segue.core.seeding import numpy_generator
from segue.core.tables import Catalog
from segue.core.tokenizing import FittedTokenizer
from segue.core.whole import whole_folder
from segue.data.sources.files import read_items
from segue.evaluation.code_health import CodeHealth, examine
from segue.evaluation.code_page import write_code_page
from segue.evaluation.code_words import ItemTerms, examples, under
from segue.evaluation.note import Note
from segue.evaluation.report import REPORT, read_report
from segue.tokenizers import saved_codes
from segue.workflows import runs, systems
from segue.workflows.place import check_place
from segue.workflows.tokenize import HEALTH, PAGE

LISTED = 20
"""Codes named in an error."""
COMPARED = 20_000
"""Ids that an unknown one is compared with."""


class Node(Note):
    """A prefix and what lies under it."""

    prefix: list[int]
    items: int
    share: float
    """Of all items."""
    words: list[str]
    """What is typical of its items, against the whole catalog."""
    titles: list[str]
    """Some of its items."""
    children: list[Node] = Field(default_factory=list)
    """The next codes with most items, where they were asked for."""
    more: int = 0
    """Further next codes that are not shown."""


class Neighbour(Note):
    """Another item, by id and title."""

    item_id: str
    title: str
    codes: list[int]


class Place(Note):
    """Where an item is in the tree."""

    item_id: str
    title: str
    codes: list[int]
    path: list[Node]
    """From the first code to the whole tuple."""
    together: int
    """How many first codes it has in common with those beside it."""
    beside: list[Neighbour]
    """The items that share its longest prefix."""
    more: int
    """Further such items."""


def open_codes(folder: Path) -> FittedTokenizer:
    """The tokenizer of a folder of codes, or of a run folder of a system that writes codes.

    Raises:
        RunError: it is neither.
    """
    if (folder / runs.RECIPE).exists():
        experiment, recommender = runs.open_run(folder)
        tokenizer: FittedTokenizer | None = getattr(recommender, "tokenizer", None)
        if tokenizer is None:
            raise RunError(f"{folder} is a run of {experiment.recipe.name}, which gives items no codes.")
        return tokenizer
    if not (folder / saved_codes.PART).is_file():
        near = [str(found.parent) for found in sorted(folder.parent.glob(f"*/{saved_codes.PART}"))[:5]]
        hint = f" Codes near here: {', '.join(near)}." if near else ""
        raise RunError(f"{folder} holds no codes and is no run.{hint} 'segue tokenize' makes codes.")
    systems.load_shelves()
    return saved_codes.load(folder)


def health_of(folder: Path) -> CodeHealth:
    """The health that was written with the codes or with the run; measured anew where there is none.

    Raises:
        RunError: the folder holds no codes.
    """
    if (folder / HEALTH).exists():
        return CodeHealth.read(folder / HEALTH)
    if (folder / REPORT).exists() and (found := read_report(folder).codes) is not None:
        return found
    return examine(open_codes(folder), None, numpy_generator(0, "code health"))


def browse(tokenizer: FittedTokenizer, prefix: Sequence[int] = (), depth: int = 1, most: int = 10) -> Node:
    """The node of a prefix with so many depths below it, and at each node the children with most items.

    Raises:
        DataError: no item has this prefix; says which codes there are.
    """
    terms, number = ItemTerms.of(tokenizer.catalog), _find(tokenizer.codes.tree, prefix)
    node = _nodes(tokenizer, terms, len(prefix), np.array([number]), [list(prefix)])[0]
    return _grown(tokenizer, terms, node, number, depth, most)


def place_of(tokenizer: FittedTokenizer, item_id: str, most: int = 10) -> Place:
    """The codes of an item, what each of its prefixes is about, and who shares the longest of them.

    Raises:
        DataError: no item has this id; says which are near.
    """
    catalog, codes = tokenizer.catalog, tokenizer.codes
    rows = catalog.ids.cast(pl.String).index_of(item_id)
    if rows is None:
        raise DataError(f"no item has the id {item_id!r}{_near(tokenizer, item_id)}")
    own = codes.codes[rows].tolist()
    tree, terms = codes.tree, ItemTerms.of(catalog)
    path, beside, together = [], np.empty(0, dtype=np.int64), 0
    for depth in range(1, codes.levels + 1):
        node = _find(tree, own[:depth])
        path += _nodes(tokenizer, terms, depth, np.array([node]), [own[:depth]])
        bounds = np.append(tree.firsts[depth].numpy(), len(tree.items))
        members = tree.items.numpy()[bounds[node] : bounds[node + 1]]
        if len(members) > 1:
            beside, together = members[members != rows], depth
    shown = beside[:most]
    return Place(
        item_id=item_id,
        title=catalog.titles(np.array([rows]))[0],
        codes=own,
        path=path,
        together=together,
        beside=_neighbours(tokenizer, shown),
        more=len(beside) - len(shown),
    )


def members(tokenizer: FittedTokenizer, prefix: Sequence[int] = (), most: int = 10) -> list[Neighbour]:
    """The first items under a prefix, in the order of their codes.

    Raises:
        DataError: no item has this prefix; says which codes there are.
    """
    tree, node = tokenizer.codes.tree, _find(tokenizer.codes.tree, prefix)
    bounds = np.append(tree.firsts[len(prefix)].numpy(), len(tree.items))
    return _neighbours(tokenizer, tree.items.numpy()[bounds[node] : bounds[node + 1]][:most])


def search(tokenizer: FittedTokenizer, words: str, most: int = 10) -> tuple[int, list[Neighbour]]:
    """How many items have an id that begins with these words or a title that contains them, and the first of them."""
    ids = tokenizer.catalog.ids.cast(pl.String)
    titled = tokenizer.catalog.names().str.to_lowercase().str.contains(words.lower(), literal=True)
    found = np.flatnonzero((ids.str.starts_with(words) | titled).to_numpy())
    return len(found), _neighbours(tokenizer, found[:most])


def add_items(folder: Path, items: Path, out: Path, *, overwrite: bool = False) -> tuple[int, CodeHealth]:
    """Codes with further items behind those of `folder`, whose own do not change; how many came, and their health.

    Of items that are known already the row of the file is not looked at.

    Raises:
        DataError: the file holds no new item, or one that this tokenizer cannot give codes.
        RunError: `folder` holds no codes, or `out` is not to be replaced.
    """
    check_place(out, saved_codes.PART, "codes", overwrite=overwrite)
    tokenizer = open_codes(folder)
    known = tokenizer.catalog.table
    table = read_items(items, "item_id", None)
    new = table.filter(~pl.col("item_id").is_in(known["item_id"].cast(pl.String).implode()))
    if not new.height:
        raise DataError(f"{items}: all of its {table.height:,} items have codes already.")
    shared = [name for name in known.columns if name in new.columns]
    new = new.select(pl.col(name).cast(known.schema[name], strict=False) for name in shared)
    grown = tokenizer.extended(Catalog(new))
    origin = {"kind": tokenizer.part.kind(), "codes of": str(folder), "new items from": str(items), "added": new.height}
    with whole_folder(out) as draft:
        saved_codes.save(draft, grown)
        if (folder / runs.LEARNT).exists():
            shutil.copyfile(folder / runs.LEARNT, draft / runs.LEARNT)
        health = examine(saved_codes.load(draft), None, numpy_generator(0, "code health"))
        health = health.model_copy(update={"origin": origin})
        health.save(draft / HEALTH)
        write_code_page(draft / PAGE, health, out.name)
    return new.height, health


def _grown(tokenizer: FittedTokenizer, terms: ItemTerms, node: Node, number: int, depth: int, most: int) -> Node:
    """The node with so many depths below it; what has one item only needs no further words."""
    tree, level = tokenizer.codes.tree, len(node.prefix)
    if depth == 0 or level == tree.levels or (node.items == 1 and node.prefix):
        return node
    children, more = _largest(tree, level, number, most)
    prefixes = [[*node.prefix, code] for code in tree.codes[level].numpy()[children].tolist()]
    found = zip(_nodes(tokenizer, terms, level + 1, children, prefixes), children.tolist(), strict=True)
    grown = [_grown(tokenizer, terms, child, place, depth - 1, most) for child, place in found]
    return node.model_copy(update={"children": grown, "more": more})


def _nodes(
    tokenizer: FittedTokenizer, terms: ItemTerms, depth: int, nodes: np.ndarray, prefixes: Sequence[list[int]]
) -> list[Node]:
    tree = tokenizer.codes.tree
    groups, sizes = under(tree, depth, nodes)
    words = terms.typical(groups, len(nodes))
    titles = examples(tokenizer.catalog, tree, depth, nodes)
    return [
        Node(
            prefix=prefix,
            items=int(sizes[place]),
            share=float(sizes[place]) / len(tokenizer.codes),
            words=words[place],
            titles=titles[place],
        )
        for place, prefix in enumerate(prefixes)
    ]


def _neighbours(tokenizer: FittedTokenizer, rows: np.ndarray) -> list[Neighbour]:
    catalog, codes = tokenizer.catalog, tokenizer.codes.codes
    named = zip(catalog.ids.gather(rows), catalog.titles(rows), codes[rows].tolist(), strict=True)
    return [Neighbour(item_id=str(one), title=title, codes=own) for one, title, own in named]


def _find(tree: CodeTree, prefix: Sequence[int]) -> int:
    """The node of a prefix."""
    if len(prefix) > tree.levels:
        raise DataError(f"the prefix {_joined(prefix)} is longer than a tuple, which has {tree.levels} codes.")
    node = 0
    for depth, code in enumerate(prefix):
        begin, end = (int(bound) for bound in tree.children[depth][node : node + 2])
        codes = tree.codes[depth][begin:end].numpy()
        place = int(np.searchsorted(codes, code))
        if place == len(codes) or codes[place] != code:
            there = ", ".join(str(known) for known in codes[:LISTED]) + (", ..." if len(codes) > LISTED else "")
            where = f"under {_joined(prefix[:depth])}" if depth else "as first codes"
            raise DataError(
                f"no item begins with {_joined(prefix[: depth + 1])}; {where} there are {len(codes)}: {there}."
            )
        node = begin + place
    return node


def _largest(tree: CodeTree, depth: int, node: int, most: int) -> tuple[np.ndarray, int]:
    """The children of a node that have most items, and how many others it has."""
    begin, end = (int(bound) for bound in tree.children[depth][node : node + 2])
    bounds = np.append(tree.firsts[depth + 1].numpy(), len(tree.items))
    sizes = np.diff(bounds[begin : end + 1])
    return begin + np.argsort(-sizes, kind="stable")[:most], max(end - begin - most, 0)


def _joined(prefix: Sequence[int]) -> str:
    return ",".join(map(str, prefix))


def _near(tokenizer: FittedTokenizer, item_id: str) -> str:
    """The end of a sentence that names items with such an id, or with such words in the title."""
    ids = tokenizer.catalog.ids.cast(pl.String)
    titles = pl.Series("title", tokenizer.catalog.titles(np.arange(len(ids))))
    titled = ids.filter(titles.str.to_lowercase().str.contains(item_id.lower(), literal=True))[:3].to_list()
    alike = ids.filter(ids.str.starts_with(item_id[:2]))[:COMPARED].to_list() or ids[:COMPARED].to_list()
    near = titled or difflib.get_close_matches(item_id, alike, n=3, cutoff=0.5)
    what = "titles with these words" if titled else "near"
    return f"; {what}: {', '.join(near)}." if near else f"; there are {len(ids)} items, such as {ids[0]!r}."
