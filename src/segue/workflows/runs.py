"""A run folder: what was asked for, what was learnt, what was measured."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor

from segue.core import checkpoint, learnt
from segue.core.errors import RunError, diverged
from segue.core.reading import shortly
from segue.core.recipe import Recommender
from segue.core.tables import Catalog, Dataset, Split
from segue.core.whole import whole_file
from segue.data.cache import cache_folder
from segue.data.open import open_dataset
from segue.data.preparation import Preparation
from segue.workflows.experiment import Experiment, load

RECIPE, WEIGHTS, CATALOG, REPORT = "recipe.yaml", "weights.safetensors", "catalog.parquet", "report.json"
LEARNT = learnt.FILE
"""What the run has learnt from; there before anything is learnt."""


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


def save(folder: Path, recommender: Recommender, dataset: Dataset) -> None:
    """Write weights and catalogue; the weights come last, and a folder without them is not a finished run."""
    with whole_file(folder / CATALOG) as partial:
        recommender.catalog.table.write_parquet(partial)
    beside = {name: _digest(folder / name) for name in BESIDE if (folder / name).exists()}
    state = {
        "system": recommender.recipe.name,
        "dataset": dataset.digest,
        "items": len(recommender.catalog),
        "beside": beside,
    }
    checkpoint.write(folder / WEIGHTS, recommender.weights(), state)


def experiment_of(folder: Path, *, imports: bool = False) -> Experiment:
    """The experiment that a run folder holds.

    Args:
        imports: whether a system of the user's own (`recipe: MODULE:NAME`) may be imported for it. Who only lists
            folders that anybody may have written does not run code that they name.

    Raises:
        RunError: the folder is not a run.
        SettingsError: its recipe cannot be read.
    """
    if not (folder / RECIPE).exists():
        hint = f" Runs here: {', '.join(found)}." if (found := _runs_near(folder)) else ""
        raise RunError(f"{folder} is not a run folder: it has no {RECIPE}.{hint} 'segue fit' makes one.")
    return load(folder / RECIPE, imports=imports)


def open_run(folder: Path, device: torch.device | None = None) -> tuple[Experiment, Recommender]:
    """The experiment and the fitted system of a run folder.

    Raises:
        RunError: the folder is not a run, its training did not end, or its files are damaged or do not fit together.
    """
    experiment = experiment_of(folder, imports=True)
    if not (folder / WEIGHTS).exists():
        raise RunError(f"{folder} has no {WEIGHTS}: its training did not end. Continue it with: {resuming(folder)}")
    remedy = _remedy(folder)
    weights, state = checkpoint.read(folder / WEIGHTS, remedy=remedy)
    system = state.get("system", experiment.recipe.name)
    if system != experiment.recipe.name:
        raise RunError(
            f"{folder / WEIGHTS} holds the weights of {system}, and {RECIPE} beside it describes "
            f"{experiment.recipe.name}; {remedy}."
        )
    catalog = _catalog(folder, state.get("items"))
    _refuse_foreign(folder, state)
    with checkpoint.fits(folder / WEIGHTS, f"{RECIPE} and {CATALOG} beside it", remedy):
        _refuse_sizes(experiment, weights)
        recommender = experiment.recipe.restore(catalog, weights)
        if device is not None:
            recommender.to(device)
    model = getattr(recommender, "model", None)
    if isinstance(model, torch.nn.Module) and any(bool(one.isnan().any()) for one in model.parameters()):
        raise diverged(f"{folder / WEIGHTS} has weights that are not numbers (NaN)")
    return experiment, recommender


def resuming(folder: Path) -> str:
    """The command that goes on with the fit of a run folder."""
    return shlex.join(["segue", "fit", str(folder / RECIPE), "--out", str(folder), "--resume"])


def _runs_near(folder: Path) -> list[str]:
    return [str(recipe.parent) for recipe in sorted(folder.parent.glob(f"*/{RECIPE}"))[:5]]


def _remedy(folder: Path) -> str:
    """What to do about broken weights: the checkpoints of the fit give them again, where they are still there."""
    if any(folder.rglob("latest.safetensors")):
        return f"delete it and have it written again from the checkpoint: {resuming(folder)}"
    return f"fit it again: {resuming(folder).removesuffix('--resume')}--overwrite"


def _catalog(folder: Path, items: int | None) -> Catalog:
    """The catalogue of a run, which has so many `items` where its weights say how many.

    Raises:
        RunError: it is missing, damaged or another.
    """
    path = folder / CATALOG
    again = f"Put the file of this run back, or fit it again: {resuming(folder).removesuffix('--resume')}--overwrite"
    if not path.is_file():
        raise RunError(f"{path} is missing: without it nobody knows which item is which. {again}")
    try:
        scan = pl.scan_parquet(path, glob=False)
        if "item_id" not in (names := scan.collect_schema().names()):
            raise RunError(f"{path} has no column 'item_id'; it has: {', '.join(names[:10])}. {again}")
        height = int(scan.select(pl.len()).collect().item())  # before anything is unpacked
        if items is not None and height != items:
            raise RunError(f"{path} has {height:,} items, and the run was fitted on {items:,}. {again}")
        table = pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise RunError(f"{path} is not a catalogue that can be read ({shortly(error)}). {again}") from error
    if table.schema["item_id"] != pl.String or table["item_id"].null_count():
        raise RunError(f"{path}: the column 'item_id' must be text without gaps. {again}")
    return Catalog(table)


def _refuse_sizes(experiment: Experiment, weights: Mapping[str, Tensor]) -> None:
    """A trunk that is far from what the weights are of would be built for minutes, or take all memory, to no end."""
    backbone = getattr(experiment.recipe, "backbone", None)
    width, depth = getattr(backbone, "width", None), getattr(backbone, "depth", None)
    if isinstance(depth, int) and depth > len(weights):
        raise ValueError(f"a backbone of depth {depth:,} has more than {len(weights):,} tensors")
    if isinstance(width, int) and width > max((tensor.numel() for tensor in weights.values()), default=0):
        raise ValueError(f"a backbone of width {width:,} has a larger tensor than any here")


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
