"""Ask a run what a user should get."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segue.core.errors import RunError, SettingsError
from segue.core.ranking import NOTHING, Rules
from segue.core.tables import Catalog, Histories
from segue.core.text_recipe import FittedText
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
        RunError: the folder is not a finished run, or its data has changed.
    """
    if (user is None) == (history is None):
        raise SettingsError("give either --user or --history.")
    experiment, recommender = open_run(folder, device)
    catalog = recommender.catalog
    if history is not None:
        past = Histories.from_lists([catalog.rows(history).tolist()])
    else:
        dataset = dataset_of(experiment)
        if not dataset.catalog.ids.equals(catalog.ids):
            raise RunError(f"{folder}: the data at its source is no longer what it was fitted on; fit it again.")
        row = dataset.log.user_rows([str(user)])
        past = dataset.log.histories().take(row)
    if recommender.recipe.knows_target_time:
        past = replace(past, asked_at=np.full(len(past), int(time.time())))
    rules = Rules(seen=seen, allow=_rows(catalog, allow), deny=_rows(catalog, deny))
    ranking = recommender.recommend(past, k, rules)
    chosen = ranking.items[0] != NOTHING
    newest = past.latest(SHOWN).packed()[0]
    written = texts_for(recommender, past) if isinstance(recommender, FittedText) and len(newest) else None
    return {
        "system": recommender.recipe.name,
        "user": user,
        "history": _items(catalog, newest),
        **({} if written is None else {"written": written[0]}),
        "items": [
            item | {"score": float(score)}
            for item, score in zip(_items(catalog, ranking.items[0][chosen]), ranking.scores[0][chosen], strict=True)
        ],
    }


def _rows(catalog: Catalog, ids: Sequence[str] | None) -> np.ndarray | None:
    return None if ids is None else catalog.rows(ids)


def _items(catalog: Catalog, rows: np.ndarray) -> list[dict[str, Any]]:
    return [
        {"item_id": item, "title": title}
        for item, title in zip(catalog.ids.gather(rows).to_list(), catalog.titles(rows), strict=True)
    ]
