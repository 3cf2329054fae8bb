"""Small fitted systems of every form, by name: they learnt for a moment, so that their scores are far from equal."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import torch

from segue.core.recipe import Recommender
from segue.core.run import Run
from segue.core.tables import Histories
from segue.testing.requests import parity_requests
from segue.testing.worlds import ring
from segue.workflows import systems

SMALL = {
    "sasrec_small": {"backbone.width": 8, "backbone.inner": 16, "batches.history": 10},
    "gru4rec_small": {"backbone.width": 8, "batches.history": 10},
    "bert4rec_small": {"batches.history": 10},
    "hstu_tuned": {
        "backbone.width": 8, "backbone.head_width": 4, "batches.history": 10, "batches.target_time": True,
    },
    "tiger_small": {"batches.history": 6},
    "tiger_t5_small": {},
    "dfgr_small": {},
    "din_small": {"model.recent": 5},
}  # fmt: skip
CLICKS = ("deepfm_small", "dcn_v2_small", "dlrm_small", "din_small", "dien_small")
RANKERS = ("dfgr_small", "metagr_small", "gpsd_small", "item_rate", *CLICKS)
NAMES = (*SMALL, "item_knn", "item_knn_fading", "ease", "popularity", "item_rate")


@cache
def fitted(name: str, **settings: object) -> Recommender:
    """The system of that name, fitted on the ring, or a ranker on the parity requests."""
    systems.load_shelves()
    recipe = systems.find(name)
    paths = ("procedure.pretraining", "procedure.ranking.loop") if name.startswith("gpsd") else ("procedure.loop",)
    learns = {f"{path}.epochs": 1 for path in paths} if hasattr(recipe, "procedure") else {}
    recipe = recipe.changed({**learns, **SMALL.get(name, {}), **settings})
    world = parity_requests() if name in RANKERS else ring(users=60)
    found = recipe.fit(world, Run(seed=1))
    model = getattr(found, "model", None)
    if model is not None:
        _spread(model)
    return found


def past(*items: int, minutes: int = 7) -> Histories:
    """One history with times, of nobody the log knows, asked an hour after its newest event."""
    times = 1_700_000_000 + 60 * minutes * np.arange(len(items)) ** 2
    made = dataclasses.replace(Histories.from_lists([list(items)]), timestamps=times)
    return dataclasses.replace(made, asked_at=times[-1:] + 3600 if len(items) else np.zeros(1, dtype=np.int64))


def _spread(model: torch.nn.Module) -> None:
    """Larger weights, so that answers differ visibly; norms and biases stay."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(3)
    model.eval()
