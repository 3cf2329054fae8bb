"""How well codes serve: are the codebooks used, do items collide, is the tree balanced, do like items begin alike."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from segue.core.codes import ItemCodes
from segue.core.errors import RunError
from segue.core.reading import read_json, shortly
from segue.core.shapes import Float, Int, Num
from segue.core.tables import Catalog, Histories
from segue.core.tokenizing import FittedTokenizer
from segue.core.whole import write_text
from segue.evaluation.code_agreement import likeness_by_depth, of_neighbours, of_successors, prefixes
from segue.evaluation.code_words import ItemTerms, examples, under
from segue.evaluation.note import Note

log = logging.getLogger(__name__)

POINTS = 256
"""Codes of a level whose counts are kept for the drawing."""
BRANCHES = 12
"""First codes that are described in words."""
USED = 0.95
"""A codebook of which a smaller share is used has dead codes."""
COLLAPSED = 0.5
"""A codebook of which a smaller share is used has collapsed,"""
WORTH = 0.1
"""and so has one whose perplexity is a smaller share of what it could be."""
EVEN = 0.25
"""Below this share the codes are used very unevenly."""
COLLIDING = 0.05
"""Share of items without a tuple of their own that is too much."""
CROWDED = 0.2
"""Share of tuples that the collision policy may have to make up before the codebooks are too small."""


class LevelHealth(Note):
    """One place of the tuple, and the codebook that it draws from."""

    size: int
    """Codes there are."""
    used: int
    """Codes that some item has."""
    perplexity: float
    """The number of evenly used codes that would have the same entropy; at most `size`."""
    weighted_perplexity: float | None = None
    """The same with each item counted as often as it occurs in training."""
    counting: bool = False
    """The last level only tells items apart that share all codes before it: 0, 1, 2, ..."""
    profile: list[int] = Field(default_factory=list)
    """Items of each code, the most frequent first; of a large codebook some, evenly spaced."""

    @property
    def utilisation(self) -> float:
        """Share of the codes that some item has."""
        return self.used / self.size


class DepthHealth(Note):
    """The tuples cut after so many codes. Shares are of items or of pairs of items, between 0 and 1."""

    depth: int
    prefixes: int
    """Different beginnings of this length."""
    collisions: float
    """1 - beginnings / items: 0 when each item has its own."""
    colliding: float
    """Items that have this beginning in common with another."""
    largest: float
    """Items under the most frequent beginning."""
    gini: float
    """Inequality between the beginnings: 0 all alike, near 1 one has all items."""
    efficiency: float
    """Entropy of the beginnings over the most that so many codes and items allow; 1 is even."""
    likeness: float | None = None
    """Mean cosine between the vectors of two items with this beginning."""
    neighbours: float | None = None
    """Of the ten nearest items by vector, those with this beginning too."""
    neighbours_chance: float | None = None
    """The same of any ten items."""
    successors: float | None = None
    """Of the items taken next in training, those with this beginning too."""
    successors_chance: float | None = None
    """The same if what comes next depended on popularity only."""


class Branch(Note):
    """The items under one first code, in words."""

    code: int
    items: int
    share: float
    words: list[str]
    """What is typical of them, against the whole catalog."""
    titles: list[str]


class CodeHealth(Note):
    """What can be said of codes without a model, and in `alarms` what should be seen to."""

    items: int
    levels: list[LevelHealth]
    depths: list[DepthHealth]
    shared: bool = False
    """All levels draw from one codebook, such as the words of titles."""
    likeness: float | None = None
    """Mean cosine between the vectors of any two items."""
    collisions_before: list[float] | None = None
    """1 - beginnings / items by depth, before the collision policy parted items; a level that it added is left out."""
    reconstruction: float | None = None
    """Squared distance of the vectors from what their codes say, over their variance: 0 is exact, 1 says nothing."""
    branches: list[Branch] = Field(default_factory=list)
    """The most frequent first codes."""
    notes: dict[str, Any] = Field(default_factory=dict)
    """What the tokenizer had to say of its fit."""
    alarms: list[str] = Field(default_factory=list)
    """What is wrong and what to do, a sentence each."""
    origin: dict[str, Any] = Field(default_factory=dict)
    """How the codes came about: tokenizer, data, seed, seconds, versions."""

    @property
    def colliding(self) -> float:
        """Items without a tuple of their own."""
        return self.depths[-1].colliding

    def save(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        write_text(path, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> CodeHealth:
        """What `save` wrote.

        Raises:
            RunError: there is no such file, or it is not one of these.
        """
        try:
            return cls.model_validate(read_json(path))
        except (ValueError, RecursionError) as error:
            raise RunError(f"{path} is not a code health report of this version of segue: {shortly(error)}.") from None


def examine(tokenizer: FittedTokenizer, histories: Histories | None, rng: np.random.Generator) -> CodeHealth:
    """The health of a tokenizer's codes; each alarm goes to the log as a warning as well.

    `histories` are the training ones; without them nothing is said of popularity and of what is taken next.
    """
    health = code_health(
        tokenizer.codes,
        rng,
        vectors=tokenizer.vectors(),
        reconstructed=tokenizer.reconstructed(),
        histories=histories,
        notes=tokenizer.notes(),
    )
    for alarm in health.alarms:
        log.warning("codes: %s", alarm)
    return health.model_copy(update={"branches": _branches(tokenizer.codes, tokenizer.catalog)})


def code_health(
    codes: ItemCodes,
    rng: np.random.Generator,
    *,
    vectors: Float[np.ndarray, "items width"] | None = None,
    reconstructed: Float[np.ndarray, "items width"] | None = None,
    histories: Histories | None = None,
    notes: Mapping[str, Any] | None = None,
) -> CodeHealth:
    """The health of codes from what is known of them."""
    counts = None
    if histories is not None:
        counts = np.bincount(histories.packed()[0], minlength=len(codes))
    plain = {name: _plain(value) for name, value in (notes or {}).items()}
    tree_rows = prefixes(codes)
    near = of_neighbours(tree_rows, vectors, rng) if vectors is not None else None
    alike = likeness_by_depth(codes, vectors, rng) if vectors is not None else [None] * (codes.levels + 1)
    next_ones = of_successors(tree_rows, histories) if histories is not None else None
    agreements: dict[str, Float[np.ndarray, " depths"]] = {}
    for name, agreement in (("neighbours", near), ("successors", next_ones)):
        if agreement is not None:
            agreements |= {name: agreement.shared, f"{name}_chance": agreement.chance}
    depths = [
        _depth(np.bincount(row), math.prod(codes.sizes[: place + 1]), place + 1).model_copy(
            update={"likeness": alike[place + 1], **{name: float(one[place]) for name, one in agreements.items()}}
        )
        for place, row in enumerate(tree_rows)
    ]
    added = _noted(plain, ADDED)
    counting = _only_counts(codes) if added is None else added[0] > 0
    before = _noted(plain, BEFORE)
    if before is None and counting:
        before = [depth.collisions for depth in depths[:-1]]
    health = CodeHealth(
        items=len(codes),
        levels=[
            _level(codes.codes[:, level], size, counts, counting=counting and level == codes.levels - 1)
            for level, size in enumerate(codes.sizes)
        ],
        depths=depths,
        shared=codes.shared,
        likeness=alike[0],
        collisions_before=before,
        reconstruction=_unexplained(vectors, reconstructed),
        notes=plain,
    )
    return health.model_copy(update={"alarms": alarms(health)})


def alarms(health: CodeHealth) -> list[str]:
    """What is wrong with these codes and what to do about it."""
    found = []
    for place, level in enumerate(health.levels, start=1):
        reachable = min(level.size, health.items)
        if level.counting or health.shared or level.size == 1:
            continue
        worth = f"its {level.size} codes are worth {level.perplexity:.1f} evenly used ones"
        if level.used < COLLAPSED * reachable or level.perplexity < WORTH * reachable:
            found.append(
                f"the codebook of level {place} has collapsed: {worth}, and {level.used} are used at all. Choose a "
                "smaller size, rq_vae with more warmup or restart_every=1, or residual_k_means, perhaps balanced=true; "
                "and look for equal texts."
            )
        elif level.perplexity < EVEN * reachable:
            found.append(
                f"level {place} is used very unevenly: {worth}. A smaller size would do nearly as well; "
                "residual_k_means with balanced=true spreads items evenly."
            )
        elif level.used < USED * reachable:
            found.append(
                f"level {place} uses {level.used} of {level.size} codes ({level.utilisation:.0%}). A smaller codebook "
                "would do as well, or one whose dead codes are restarted."
            )
    if health.colliding > COLLIDING:
        found.append(
            f"{health.colliding:.1%} of the items have no tuple of their own, and among those of one tuple popularity "
            "alone decides. Choose a collision policy that parts them, a larger codebook, or one level more."
        )
    before = health.collisions_before[-1] if health.collisions_before else 0.0
    if before > max(CROWDED, health.depths[-1].collisions):
        found.append(
            f"before the collision policy parted them, tuples were missing for {before:.1%} of the items: much of what "
            "tells items apart is arbitrary. Choose a larger codebook or one level more, and look for equal texts."
        )
    for depth in health.depths[:-1]:
        even = 1.0 / min(math.prod(level.size for level in health.levels[: depth.depth]), health.items)
        if depth.largest > max(0.1, 5.0 * even):
            codes = "code" if depth.depth == 1 else f"{depth.depth} codes"
            found.append(
                f"{depth.largest:.0%} of the items begin with the same {codes}. Look at them with 'segue codes "
                "inspect'; a balanced tokenizer spreads them, and items without text end up in one place."
            )
            break
    first = health.depths[0]
    if first.neighbours is not None and first.neighbours_chance is not None and first.prefixes > 1:
        reach = first.neighbours_chance + 0.05 * (1.0 - first.neighbours_chance)
        if first.neighbours < reach:
            found.append(
                f"items with near vectors share their first code no more than others do ({first.neighbours:.1%}, "
                f"by chance {first.neighbours_chance:.1%}): the codes carry none of what the vectors say. Random codes "
                "are so on purpose; of learnt ones it means that the fit went wrong."
            )
    return found


BEFORE = "collision_rate_before"
"""The note in which a tokenizer says what its collisions were, by depth, before its policy was applied."""
ADDED = "levels_added"
"""The note in which a tokenizer says how many levels its policy put behind those of the codebooks."""


def _level(
    codes: Int[np.ndarray, " items"], size: int, counts: Num[np.ndarray, " items"] | None, *, counting: bool
) -> LevelHealth:
    used = np.bincount(codes, minlength=size)
    ranked = np.sort(used)[::-1]
    shown = np.linspace(0, size - 1, min(size, POINTS)).round().astype(np.int64)
    weighted = None
    if counts is not None and counts.any():
        weighted = math.exp(_entropy(np.bincount(codes, counts, minlength=size)))
    return LevelHealth(
        size=size,
        used=int((used > 0).sum()),
        perplexity=math.exp(_entropy(used)),
        weighted_perplexity=weighted,
        counting=counting,
        profile=ranked[shown].tolist(),
    )


def _depth(sizes: Int[np.ndarray, " prefixes"], possible: int, depth: int) -> DepthHealth:
    items = int(sizes.sum())
    ranked = np.sort(sizes)
    places = np.arange(1, len(ranked) + 1)
    most = math.log(min(possible, items))
    return DepthHealth(
        depth=depth,
        prefixes=len(sizes),
        collisions=1.0 - len(sizes) / items,
        colliding=float(sizes[sizes > 1].sum()) / items,
        largest=float(ranked[-1]) / items,
        gini=float(((2 * places - len(ranked) - 1) * ranked).sum()) / (len(ranked) * items),
        efficiency=min(_entropy(sizes) / most, 1.0) if most > 0 else 1.0,
    )


def _entropy(counts: Num[np.ndarray, " codes"]) -> float:
    """In nats."""
    shares = counts[counts > 0] / counts.sum()
    return max(-float((shares * np.log(shares)).sum()), 0.0)


def _branches(codes: ItemCodes, catalog: Catalog) -> list[Branch]:
    """The most frequent first codes; none where each item has one of its own."""
    tree = codes.tree
    sizes = np.diff(tree.firsts[1].numpy(), append=len(codes))
    nodes = np.argsort(-sizes, kind="stable")[:BRANCHES]
    if sizes.max() < 2:
        return []
    words = ItemTerms.of(catalog).typical(under(tree, 1, nodes)[0], len(nodes))
    titles = examples(catalog, tree, 1, nodes)
    return [
        Branch(
            code=int(tree.codes[0][node]),
            items=int(sizes[node]),
            share=float(sizes[node]) / len(codes),
            words=words[place],
            titles=titles[place],
        )
        for place, node in enumerate(nodes)
    ]


def _only_counts(codes: ItemCodes) -> bool:
    """Whether the last level merely numbers the items of each prefix: 0, 1, 2, ... and not everywhere as far."""
    tree = codes.tree
    if codes.levels < 2 or tree.nodes(codes.levels) < len(codes):
        return False
    bounds, last = tree.children[codes.levels - 1].numpy(), tree.codes[-1].numpy()
    below = np.diff(bounds)
    counted = np.arange(len(last)) - np.repeat(bounds[:-1], below)
    return bool(below.min() < below.max() and (last == counted).all())


def _unexplained(
    vectors: Float[np.ndarray, "items width"] | None, reconstructed: Float[np.ndarray, "items width"] | None
) -> float | None:
    if vectors is None or reconstructed is None:
        return None
    spread = float(np.square(vectors - vectors.mean(0)).sum(dtype=np.float64))
    return float(np.square(vectors - reconstructed).sum(dtype=np.float64)) / spread if spread > 0 else None


def _noted(notes: Mapping[str, Any], name: str) -> list[float] | None:
    """A number or a list of numbers among the notes, perhaps in a part of theirs."""
    found = notes.get(name)
    found = [found] if isinstance(found, int | float) else found
    if isinstance(found, list) and all(isinstance(one, int | float) for one in found):
        return [float(one) for one in found] or None
    parts = (inner for inner in notes.values() if isinstance(inner, Mapping))
    return next((one for inner in parts if (one := _noted(inner, name)) is not None), None)


def _plain(value: Any) -> Any:
    """As JSON can hold it."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | None) else str(value)
