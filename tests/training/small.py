"""A system so small that a step takes a millisecond; as a script, it trains and says so step by step."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from segue.backbones.causal_transformer import CausalTransformer
from segue.core.recipe import ScoringRecipe
from segue.core.run import Run
from segue.core.tables import Split
from segue.recipes import sasrec
from segue.testing import ring
from segue.training.loop import Loop
from segue.training.optim import AdamW

EPOCHS, STEPS = 4, 16


def system(changes: Mapping[str, Any] | None = None) -> ScoringRecipe:
    """SASRec at its smallest, four steps an epoch on `world()`; dropout is on, so that random numbers matter."""
    small = {
        "backbone": CausalTransformer(width=8, depth=1, heads=1, inner=8, dropout=0.2),
        "batches.users": 8,
        "batches.history": 20,
        "objective": "full_softmax",
        "procedure.seen": True,
        "procedure.loop": Loop(epochs=EPOCHS, optimizer=AdamW(rate=1e-2, schedule="linear"), precision="float32"),
    }
    return sasrec.RECIPE.changed(small).changed(changes or {})


def world(users: int = 32) -> Split:
    return ring(users=users, longest=10)


class Watching:
    """Collects the numbers of each look; `when[n]` is called after step n."""

    def __init__(self, when: Mapping[int, Any] | None = None) -> None:
        self.when, self.steps = dict(when or {}), 0
        self.rows: list[dict[str, float]] = []

    def begin(self, what: str, steps: int) -> None: ...

    def end(self) -> None: ...

    def advance(self, steps: int, note: str = "") -> None:
        self.steps += steps
        if steps and self.steps in self.when:
            self.when[self.steps]()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.rows.append({"step": step, **values})

    @property
    def losses(self) -> list[float]:
        return [row["loss"] for row in self.rows]


class Telling(Watching):
    """Prints each step as soon as it is done."""

    def advance(self, steps: int, note: str = "") -> None:
        self.steps += steps
        print(self.steps, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    run = Run(seed=3, folder=Path(sys.argv[1]), watches=(Telling(),))
    system({"procedure.loop.checkpoint_every": 0.0}).fit(world(), run)
