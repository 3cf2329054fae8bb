"""Segue: generative recommendation, from a raw log to a measured, served recommender.

    import segue
    report = segue.fit(segue.experiment("sasrec_small", data="my_log.csv"), "runs/mine")

Names are loaded when first used, so that `import segue` stays quick.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PLACES = {
    "experiment": ("segue.workflows.experiment", "new"),
    "fit": ("segue.workflows.fit", "fit"),
    "evaluate": ("segue.workflows.evaluate", "evaluate_run"),
    "recommend": ("segue.workflows.recommend", "recommend"),
    "compare": ("segue.workflows.compare", "compare_runs"),
    "open_run": ("segue.workflows.runs", "open_run"),
}

__all__ = ["__version__", *sorted(_PLACES)]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'segue' has no attribute '{name}'")
    module, attribute = _PLACES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return __all__
