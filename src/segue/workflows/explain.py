"""Why was this item recommended: which past events moved it, and the way to it through the code tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field

from segue.core.errors import DataError, SettingsError
from segue.core.ranking import Rules
from segue.core.ranking_recipe import FittedRanker, Ranker, shown
from segue.core.recipe import FittedModel, Recommender
from segue.core.shapes import Float
from segue.core.tables import Histories
from segue.core.text_recipe import FittedText
from segue.decoding._path import nodes_of, path_chances
from segue.decoding.beam_search import BeamSearch
from segue.decoding.exact_likelihood import ExactLikelihood
from segue.decoding.nearest_items import NearestItems
from segue.decoding.title_search import TitleSearch
from segue.evaluation.code_words import ItemTerms, under
from segue.evaluation.note import Note
from segue.workflows.recommend import named_items, past_of
from segue.workflows.runs import open_run

LISTED = 100
"""How far down its list an item is looked for."""
LEFT_OUT = 100
"""The newest events that are left out in turn."""


class Item(Note):
    """An item by id and title."""

    item_id: str
    title: str


class Effect(Item):
    """What an event of the history adds to the score."""

    position: int
    """Its place in the part of the history that the system looks at, the oldest at 0."""
    effect: float
    """The score with the event minus the score without it."""


class Step(Note):
    """A code of the item, and what was probable before it was written."""

    level: int
    """From 1."""
    code: int
    probability: float
    """P(code | history, the codes before it)."""
    items: int
    """How many items share the codes up to this one."""
    words: list[str]
    """What is typical of them, against the whole catalog."""


class Explanation(Note):
    """Why an item stands where it does in what a system recommends after a history."""

    system: str
    item: Item
    score: float
    place: int | None
    """In the user's list, from 1; none where it is not among the first hundred, or is not to be recommended."""
    events: list[Effect]
    """Those that were left out in turn, the one that moves the score most first."""
    path: list[Step] | None = None
    """The way through the code tree, for systems that write codes."""
    share: float | None = None
    """P(item | its codes): below 1 where several items share them."""
    note: str = Field(description="How to read it, in words.")
    """How to read it, in words."""


def explain_run(
    folder: Path,
    item: str,
    *,
    user: str | None = None,
    history: Sequence[str] | None = None,
    device: torch.device | None = None,
) -> Explanation:
    """Why a run would, or would not, recommend an item to a user of its log, or after a history given as item ids.

    Raises:
        SettingsError: neither or both of `user` and `history` are given.
        DataError: the user or an item is unknown.
        RunError: the folder is not a finished run, or its data has other items by now.
    """
    if (user is None) == (history is None):
        raise SettingsError("give either --user or --history.")
    experiment, recommender = open_run(folder, device)
    row = int(recommender.catalog.rows([item])[0])
    return explain(recommender, past_of(folder, experiment, recommender, user=user, history=history), row)


def explain(
    recommender: Recommender,
    history: Histories,
    item: int,
    *,
    rules: Rules = Rules(),
    most: int = LEFT_OUT,
    terms: ItemTerms | None = None,
) -> Explanation:
    """Why an item (its row) stands where it does after one history, by leaving out one event after the other.

    Scores are those that the system recommends by, and `rules` those of its list. `terms` are the words of the catalog,
    for who explains often.

    Raises:
        DataError: there is not exactly one history.
    """
    if len(history) != 1:
        raise DataError(f"an explanation is for one history; {len(history)} came.")
    looked_at = history.latest(window(recommender, history))
    tried = _tried(recommender, looked_at, most)
    variants = _without_each(looked_at, tried)
    if _walks(recommender) and looked_at.lengths[0]:
        model, renormalized = _model(recommender), _renormalized(recommender)
        chances = path_chances(model, variants, item, rules, renormalized=renormalized)
        scores = chances.sum(axis=1, dtype=np.float32) / _tokens(recommender, item)
    else:
        chances = None
        only = Rules(seen=True, allow=np.array([item]))
        scores = recommender.recommend(variants, 1, only).scores[:, 0]
    effects = (scores[0] - scores[1:]).astype(float)
    place = _place(recommender, history, item, rules)
    names = named_items(recommender.catalog, looked_at.packed()[0][tried])
    order = np.argsort(-np.abs(effects), kind="stable")
    codes = chances is not None and isinstance(recommender, FittedModel)
    return Explanation(
        system=recommender.recipe.name,
        item=Item(**named_items(recommender.catalog, np.array([item]))[0]),
        score=float(scores[0]),
        place=place,
        events=[Effect(**names[one], position=int(tried[one]), effect=float(effects[one])) for one in order],
        path=_path(recommender, chances[0], item, terms) if codes and chances is not None else None,
        share=float(np.exp(chances[0, -1])) if codes and chances is not None else None,
        note=_note(recommender, history, looked_at, item, effects, place),
    )


def window(recommender: Recommender, history: Histories) -> int:
    """How many of the newest events of one history the system looks at; without those before them it says the same."""
    length = int(history.lengths[0])
    if isinstance(recommender, FittedRanker):
        request = shown(history, [np.zeros(1, dtype=np.int64)], recommender.schema)
        passes, _ = recommender.recipe.batches.in_order(request)
        return min(int(passes.windows.lengths[0]), getattr(recommender.model, "recent", length))
    if isinstance(recommender, FittedModel | FittedText):
        return min(length, int(recommender.model.history))
    limit = recommender.recipe.history
    return length if limit is None else min(length, limit)


def _tried(recommender: Recommender, looked_at: Histories, most: int) -> np.ndarray:
    """The events that are left out in turn, by their places."""
    length = int(looked_at.lengths[0])
    if length == 1 and _falls_back(recommender):
        return np.zeros(0, dtype=np.int64)
    return np.arange(max(0, length - most), length)


def _falls_back(recommender: Recommender) -> bool:
    """Whether somebody without a history is answered by something else, whose scores cannot be compared."""
    return isinstance(recommender, FittedModel | FittedText)


def _without_each(history: Histories, tried: np.ndarray) -> Histories:
    """One history as it is, then without each of some of its events; times stay with their events."""
    length, rows = int(history.lengths[0]), len(tried) + 1
    keep = np.ones((rows, length), dtype=bool)
    keep[np.arange(1, rows), tried] = False
    places = history.starts[0] + np.nonzero(keep)[1]
    ends = np.cumsum(keep.sum(axis=1))
    return replace(
        history,
        items=history.items[places],
        timestamps=None if history.timestamps is None else history.timestamps[places],
        starts=np.append(0, ends[:-1]),
        ends=ends,
        users=np.repeat(history.users, rows),
        asked_at=None if history.asked_at is None else np.repeat(history.asked_at, rows),
    )


def _walks(recommender: Recommender) -> bool:
    """Whether the score is read off the way to the item, and not asked for.

    A search that divides by what lies beside a code would find nothing there, were only one item allowed.
    """
    decoder = _decoder(recommender)
    if isinstance(recommender, FittedModel):
        return isinstance(decoder, BeamSearch | ExactLikelihood)
    return isinstance(decoder, TitleSearch) and decoder.search.renormalized


def _decoder(recommender: Recommender) -> object:
    if isinstance(recommender, FittedModel):
        return recommender.decoder
    return recommender.recipe.decoder if isinstance(recommender, FittedText) else None


def _model(recommender: Recommender) -> Any:
    assert isinstance(recommender, FittedModel | FittedText)
    return recommender.model


def _renormalized(recommender: Recommender) -> bool:
    decoder = _decoder(recommender)
    return bool(getattr(getattr(decoder, "search", decoder), "renormalized", False))


def _tokens(recommender: Recommender, item: int) -> int:
    """What the score of a path is divided by."""
    decoder = _decoder(recommender)
    per_token = isinstance(decoder, TitleSearch) and decoder.per_token
    return int(_model(recommender).codes.lengths[item]) if per_token else 1


def _place(recommender: Recommender, history: Histories, item: int, rules: Rules) -> int | None:
    """Where the item stands in the list, from 1; None where it does not."""
    listed = recommender.recommend(history, min(LISTED, len(recommender.catalog)), rules).items[0]
    found = np.flatnonzero(listed == item)
    return int(found[0]) + 1 if len(found) else None


def _path(
    recommender: Recommender, chances: Float[np.ndarray, " steps"], item: int, terms: ItemTerms | None
) -> list[Step]:
    """Each code with its probability, and what the items that share it are about."""
    assert isinstance(recommender, FittedModel)
    assert recommender.tokenizer is not None
    codes = recommender.tokenizer.codes
    tree, own = codes.tree, codes.codes[item].tolist()
    terms = terms or ItemTerms.of(recommender.catalog)
    steps = []
    for depth, node in enumerate(nodes_of(tree, item)[1:-1], start=1):
        groups, sizes = under(tree, depth, np.array([node]))
        steps.append(
            Step(
                level=depth,
                code=own[depth - 1],
                probability=float(np.exp(chances[depth - 1])),
                items=int(sizes[0]),
                words=terms.typical(groups, 1)[0],
            )
        )
    return steps


def _note(
    recommender: Recommender,
    history: Histories,
    looked_at: Histories,
    item: int,
    effects: Float[np.ndarray, " events"],
    place: int | None,
) -> str:
    """How to read it, in words."""
    length = int(looked_at.lengths[0])
    words = [_unit(recommender, length)]
    if len(effects):
        words.append(
            "An effect is the score with an event minus the score without it; effects need not add up to the score, "
            "because events act together."
        )
    if len(effects) and not effects.any():
        words.append("None of these events changes it: what the system says of this item does not depend on them.")
    if length == 1 and not len(effects):
        words.append("There is one event, and without any the system names what is popular, so it is not left out.")
    if not length:
        words.append("There is no event to leave out.")
    if 0 < len(effects) < length:
        words.append(f"Only the newest {len(effects)} of {length} events were left out in turn.")
    if length < history.lengths[0]:
        words.append(f"The system looks at the newest {length} of {int(history.lengths[0])} events.")
    if place is None and (history.packed()[0] == item).any():
        words.append("The item is in the history, so it is not recommended.")
    elif place is None:
        words.append(f"It is not among the first {LISTED} of the list, or is not to be recommended.")
    return " ".join(words)


def _unit(recommender: Recommender, length: int) -> str:
    """What the score is."""
    if _falls_back(recommender) and not length:
        return "The score is how often the item occurs in training: without a history the system names what is popular."
    if isinstance(recommender, Ranker):
        schema = recommender.schema
        done = f", each event counting as one with '{schema.actions[0]}'" if schema.actions else ""
        return f"The score is the probability of '{schema.tasks[0]}'{done}."
    decoder = _decoder(recommender)
    if isinstance(decoder, NearestItems):
        return (
            "The score is minus the distance of the item's title to what the language model writes; each effect comes "
            "from writing anew."
        )
    if isinstance(decoder, TitleSearch):
        whole = "mean log probability of a token of the title" if decoder.per_token else "log probability of the title"
        return f"The score is the {whole}, in nats."
    if isinstance(recommender, FittedModel) and recommender.tokenizer is not None:
        beside = ", each among the codes that exist there" if _renormalized(recommender) else ""
        return f"The score is the log probability of the item's codes{beside}, in nats."
    return "The score has no unit of its own; it is what items are sorted by."
