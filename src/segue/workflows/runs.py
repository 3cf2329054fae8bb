"""A run folder: what was asked for, what was learnt, what was measured."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import polars as pl
import torch

from segue.core import checkpoint, learnt
from segue.core.errors import RunError
from segue.core.recipe import Recommender
from segue.core.tables import Catalog, Dataset, Split
from segue.data.open import open_dataset
from segue.data.preparation import Preparation
from segue.workflows.experiment import Experiment, load

RECIPE, WEIGHTS, CATALOG, REPORT = "recipe.yaml", "weights.safetensors", "catalog.parquet", "report.json"
LEARNT = learnt.FILE
"""What the run has learnt from; there before anything is learnt."""


def cache_folder() -> Path:
    """Where prepared logs are kept: SEGUE_CACHE, or the user's cache folder."""
    given = os.environ.get("SEGUE_CACHE")
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "segue"


def dataset_of(experiment: Experiment) -> Dataset:
    """The data of an experiment: the world is played, a log is prepared once and then mapped from the cache."""
    if isinstance(experiment.data, Preparation):
        return open_dataset(experiment.data, cache_folder() / "prepared")
    return experiment.data.simulate().dataset("world")


def split_of(experiment: Experiment) -> Split:
    """The data of an experiment, cut by its rule.

    The draws of a rule come from seed 0 whatever the seed of the run, so that seeds of one system share their test.
    """
    return experiment.split.cut(dataset_of(experiment), 0)


def write_text(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def save(folder: Path, recommender: Recommender, dataset: Dataset) -> None:
    """Write weights and catalogue; the weights come last, and a folder without them is not a finished run."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{CATALOG}.partial"
    recommender.catalog.table.write_parquet(partial)
    os.replace(partial, folder / CATALOG)
    beside = {name: _digest(folder / name) for name in BESIDE if (folder / name).exists()}
    state = {"system": recommender.recipe.name, "dataset": dataset.digest, "beside": beside}
    checkpoint.write(folder / WEIGHTS, recommender.weights(), state)


def experiment_of(folder: Path) -> Experiment:
    """The experiment that a run folder holds.

    Raises:
        RunError: the folder is not a run.
    """
    if not (folder / RECIPE).exists():
        hint = f" Runs here: {', '.join(found)}." if (found := _runs_near(folder)) else ""
        raise RunError(f"{folder} is not a run folder: it has no {RECIPE}.{hint} 'segue fit' makes one.")
    return load(folder / RECIPE)


def open_run(folder: Path, device: torch.device | None = None) -> tuple[Experiment, Recommender]:
    """The experiment and the fitted system of a run folder.

    Raises:
        RunError: the folder is not a run, its training did not end, or its catalogue is not that of its weights.
    """
    experiment = experiment_of(folder)
    if not (folder / WEIGHTS).exists():
        raise RunError(
            f"{folder} has no {WEIGHTS}: its training did not end. Continue it with: "
            f"segue fit {folder / RECIPE} --out {folder} --resume"
        )
    weights, state = checkpoint.read(folder / WEIGHTS)
    _refuse_foreign(folder, state)
    catalog = Catalog(pl.read_parquet(folder / CATALOG))
    recommender = experiment.recipe.restore(catalog, weights)
    if device is not None:
        recommender.to(device)
    return experiment, recommender


def _runs_near(folder: Path) -> list[str]:
    return [str(recipe.parent) for recipe in sorted(folder.parent.glob(f"*/{RECIPE}"))[:5]]


def _refuse_foreign(folder: Path, state: dict[str, Any]) -> None:
    """The files beside the weights have to be those they were written with; runs of before do not say which."""
    for name, digest in state.get("beside", {}).items():
        if (folder / name).exists() and _digest(folder / name) != digest:
            raise RunError(
                f"{folder / name} is not the file that was written with the weights: it was changed, or is that of "
                "another run, and items would get wrong names. Put it back, or fit the run again."
            )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


BESIDE = (CATALOG, LEARNT)
"""Files whose digest the weights keep."""
