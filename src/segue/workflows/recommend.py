"""Ask a run what a user should get."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segue.core.errors import SettingsError
from segue.core.ranking import NOTHING, Rules
from segue.core.recipe import Recommender
from segue.core.tables import Catalog, Histories
from segue.core.text_recipe import FittedText
from segue.workflows.belonging import check_data
from segue.workflows.experiment import Experiment
from segue.workflows.runs import dataset_of, open_run
from segue.workflows.written import texts_for

SHOWN = 5
"""Newest events of the history that the answer repeats."""


def recommend(
    folder: Path,
    *,
    user: str | None = None,
    history: Sequence[str] | None = None,
    k: int = 10,
    seen: bool = False,
    allow: Sequence[str] | None = None,
    deny: Sequence[str] | None = None,
    device: torch.device | None = None,
) -> dict[str, Any]:
    """The k best items for a user of the run's log, or after a history given as item ids, oldest first.

    Raises:
        SettingsError: neither or both of `user` and `history` are given.
        DataError: a user or item is unknown.
        RunError: the folder is not a finished run, or its data has other items by now.
    """
    if (user is None) == (history is None):
        raise SettingsError("give either --user or --history.")
    experiment, recommender = open_run(folder, device)
    past = past_of(folder, experiment, recommender, user=user, history=history)
    catalog = recommender.catalog
    rules = Rules(seen=seen, allow=_rows(catalog, allow), deny=_rows(catalog, deny))
    return {"system": recommender.recipe.name, "user": user, **answer(recommender, past, k, rules)}


def answer(recommender: Recommender, histories: Histories, k: int, rules: Rules) -> dict[str, Any]:
    """What one history (the only row) gets: its newest events, and the k best allowed items with titles and scores."""
    return answers(recommender, histories, k, rules)[0]


def answers(recommender: Recommender, histories: Histories, k: int, rules: Rules) -> list[dict[str, Any]]:
    """`answer` for each of some histories, asked together."""
    ranking = recommender.recommend(histories, k, rules)
    catalog, newest = recommender.catalog, histories.latest(SHOWN)
    written = _written(recommender, histories)
    found = []
    for row in range(len(histories)):
        chosen = ranking.items[row] != NOTHING
        named = named_items(catalog, ranking.items[row][chosen])
        found.append(
            {
                "history": named_items(catalog, newest.take(slice(row, row + 1)).packed()[0]),
                **({} if row not in written else {"written": written[row]}),
                "items": [
                    item | {"score": float(score)}
                    for item, score in zip(named, ranking.scores[row][chosen], strict=True)
                ],
            }
        )
    return found


def past_of(
    folder: Path, experiment: Experiment, recommender: Recommender, *, user: str | None, history: Sequence[str] | None
) -> Histories:
    """The past of a user of the run's log, or one given as item ids, which asks now.

    Raises:
        DataError: the user or an item is unknown.
        RunError: the data has other items since the fit.
    """
    catalog = recommender.catalog
    if history is not None:
        past = Histories.from_lists([catalog.rows(history).tolist()])
    else:
        dataset = dataset_of(experiment)
        check_data(folder, dataset, catalog)
        row = dataset.log.user_rows([str(user)])
        past = dataset.log.histories().take(row)
    return asking_now(recommender, past)


def asking_now(recommender: Recommender, histories: Histories) -> Histories:
    """The same histories, with the time of asking where the system may know it."""
    if not recommender.recipe.knows_target_time:
        return histories
    return replace(histories, asked_at=np.full(len(histories), int(time.time())))


def named_items(catalog: Catalog, rows: np.ndarray) -> list[dict[str, Any]]:
    """Ids and titles of some items."""
    return [
        {"item_id": item, "title": title}
        for item, title in zip(catalog.ids.gather(rows).to_list(), catalog.titles(rows), strict=True)
    ]


def _written(recommender: Recommender, histories: Histories) -> dict[int, str | None]:
    """What a language model wrote after each row that has a history, before it was grounded."""
    filled = np.flatnonzero(histories.lengths > 0)
    if not isinstance(recommender, FittedText) or not len(filled):
        return {}
    texts = texts_for(recommender, histories.take(filled))
    return {} if texts is None else dict(zip(filled.tolist(), texts.to_list(), strict=True))


def _rows(catalog: Catalog, ids: Sequence[str] | None) -> np.ndarray | None:
    return None if ids is None else catalog.rows(ids)
