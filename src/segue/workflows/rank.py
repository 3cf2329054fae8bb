"""Ask a run how likely a user is to act on some candidates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from segue.core.errors import DataError, SettingsError
from segue.core.ranking_recipe import Ranker
from segue.data.request_split import RequestRule
from segue.workflows.belonging import check_data
from segue.workflows.recommend import SHOWN, named_items
from segue.workflows.runs import dataset_of, open_run


def rank(
    folder: Path,
    candidates: Sequence[str],
    *,
    user: str,
    by: str | None = None,
    at: int | None = None,
    device: torch.device | None = None,
) -> dict[str, Any]:
    """The candidates (item ids), the likeliest first, with the probability of every action.

    Args:
        by: the action to sort by; the first one that the run predicts unless given.
        at: when they are asked about (Unix seconds); right after the user's last event unless given.

    Raises:
        SettingsError: the run does not rank, or `by` is none of its actions.
        DataError: the user or a candidate is unknown, there is no candidate, or `at` lies before the user's last event.
        RunError: the folder is not a finished run, or its data has other items by now.
    """
    experiment, ranker = open_run(folder, device)
    if not isinstance(ranker, Ranker) or not isinstance(experiment.split, RequestRule):
        raise SettingsError(
            f"{folder} is a run of {experiment.recipe.name}, which does not judge candidates. Ask it with "
            "'segue recommend', or fit a ranker such as dfgr."
        )
    tasks = ranker.schema.tasks
    if by is not None and by not in tasks:
        raise SettingsError(f"--by {by}: the run predicts {', '.join(tasks)}.")
    if not candidates:
        raise DataError("there are no candidates; give at least one item id.")
    dataset = dataset_of(experiment)
    check_data(folder, dataset, ranker.catalog)
    items = ranker.catalog.rows(list(candidates))
    request = experiment.split.now(dataset, int(dataset.log.user_rows([user])[0]), items, at)
    chances = ranker.probabilities(request)
    order = np.argsort(-chances[:, tasks.index(by) if by else 0], kind="stable")
    past = request.histories.latest(SHOWN).packed()[0]
    return {
        "system": experiment.recipe.name,
        "user": user,
        "history": named_items(ranker.catalog, past),
        "by": by or tasks[0],
        "items": [
            item | {"probabilities": {task: float(chance) for task, chance in zip(tasks, chances[place], strict=True)}}
            for item, place in zip(named_items(ranker.catalog, items[order]), order, strict=True)
        ],
    }


def read_candidates(file: Path) -> list[str]:
    """Item ids from a file: one a line, a JSON list, or a CSV or Parquet table with the column `item_id`.

    Raises:
        DataError: the file cannot be read, or holds no ids.
    """
    try:
        if file.suffix == ".parquet":
            return _column(pl.read_parquet(file), file)
        if file.suffix == ".csv":
            return _column(pl.read_csv(file, infer_schema=False), file)
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".json":
            return _listed(json.loads(text), file)
    except (OSError, UnicodeDecodeError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{file} cannot be read as {file.suffix.lstrip('.') or 'text'}: {error}") from None
    ids = [line.strip() for line in text.splitlines() if line.strip()]
    if not ids:
        raise DataError(f"{file} holds no item ids; write one a line.")
    return ids


def _column(table: pl.DataFrame, file: Path) -> list[str]:
    if "item_id" not in table.columns:
        raise DataError(f"{file} has the columns {', '.join(table.columns)}; expected one called item_id.")
    ids = table["item_id"].cast(pl.String)
    if ids.null_count():
        raise DataError(f"{file}, data row {int(ids.is_null().arg_max() or 0) + 1}: item_id is empty.")
    return ids.to_list()


def _listed(values: Any, file: Path) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(one, str | int) for one in values):
        raise DataError(f'{file}: expected a JSON list of item ids, such as ["242", "302"].')
    return [str(one) for one in values]
