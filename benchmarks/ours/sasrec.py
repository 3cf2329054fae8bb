"""Our SASRec on a log: sequences trained per second, or validation NDCG@10 by seconds of training.

The model is the recipe `sasrec_softmax` at the comparison's settings: 64 wide, 2 blocks, 2 heads, feed-forward 256,
length 50, batch 128, dropout 0.2, full softmax, rate 1e-3. It is trained by `segue.training.loop.train` and nothing
else; the seconds are the loop's own, which leave out evaluation. Products run in float32 unless `--precision auto`
asks for what the loop does by itself.
"""

import argparse
import contextlib
import statistics
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from benchmarks.matrix_rate import SHAPES, rate
from benchmarks.measuring import arguments, begin, report
from segue.core.forms import Batches
from segue.core.ranking import Rules
from segue.core.recipe import ScoringRecipe
from segue.core.run import Run
from segue.core.tables import Histories, Split
from segue.data.sequences import NextItem
from segue.evaluation.accuracy import Ndcg
from segue.evaluation.metric import Targets
from segue.training.loop import train
from segue.workflows.experiment import new, parse_setting
from segue.workflows.runs import split_of

PACKAGES = ["segue", "torch", "numpy", "polars"]
SETTINGS: dict[str, Any] = {"batches.history": 50, "batches.users": 128}
NEVER = 1_000_000


class FewBatches(NextItem):
    """Only the first `most` batches of each epoch, for smoke runs."""

    most: int = 0

    def epoch(self, histories: Histories, rng: np.random.Generator) -> tuple[Histories, list[np.ndarray]]:
        """The windows of an epoch, and its first batches."""
        windows, chunks = super().epoch(histories, rng)
        return windows, chunks[: self.most]


class Enough(Exception):
    """Raised by a clock when the seconds are used up."""


class Clock:
    """A watch that notes seconds of training and score after each epoch, and may end the training."""

    def __init__(self, most: float = float("inf")) -> None:
        self.most = most
        self.seconds: list[float] = []
        self.curve: list[tuple[float, float]] = []

    def begin(self, what: str, steps: int) -> None: ...

    def advance(self, steps: int, note: str = "") -> None: ...

    def end(self) -> None: ...

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Called by the loop after each epoch."""
        self.seconds.append(values["seconds"])
        if "score" in values:
            self.curve.append((round(values["seconds"], 2), round(values["score"], 5)))
        if values["seconds"] >= self.most:
            raise Enough


def main() -> None:
    given = begin(training_arguments(__doc__ or ""))
    recipe, split = planned("sasrec_softmax", given, SETTINGS)
    settings = {"width": 64, "blocks": 2, "heads": 2, "feed_forward": 256, "length": 50, "batch": 128, "dropout": 0.2}
    if given.mode == "rate":
        measure_rate(given, "segue_sasrec", recipe, split, settings, gflop=gflop_per_epoch)
    else:
        measure_quality(given, "segue_sasrec", recipe, split, settings)


def training_arguments(what: str) -> argparse.ArgumentParser:
    """The shared arguments and those of a training run."""
    parser = arguments(what)
    parser.add_argument("--mode", choices=["rate", "quality"], default="rate")
    parser.add_argument("--epochs", type=int, default=3, help="measured by --mode rate; the first warms up")
    parser.add_argument("--batches", type=int, help="stop each epoch after so many (smoke runs)")
    parser.add_argument("--seconds", type=float, default=600.0, help="of training, for --mode quality")
    parser.add_argument("--precision", choices=["float32", "bfloat16", "auto"], default="float32")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="change the recipe")
    return parser


def planned(name: str, given: argparse.Namespace, settings: Mapping[str, Any]) -> tuple[ScoringRecipe, Split]:
    """The recipe with this comparison's settings, and the log under leave-two-out."""
    changes = {"procedure.loop.precision": given.precision, "split": "leave_two_out", **settings}
    experiment = new(name, str(given.log), changes | dict(map(parse_setting, given.set)), given.seed)
    assert isinstance(experiment.recipe, ScoringRecipe)
    return experiment.recipe, split_of(experiment)


def batches_of(recipe: ScoringRecipe, most: int | None) -> Batches:
    """The recipe's batches, or only the first of each epoch."""
    if most is None:
        return recipe.batches
    assert isinstance(recipe.batches, NextItem)
    return FewBatches(**{name: getattr(recipe.batches, name) for name in NextItem.model_fields}, most=most)


def measure_rate(
    given: argparse.Namespace,
    name: str,
    recipe: ScoringRecipe,
    split: Split,
    settings: dict[str, Any],
    gflop: Callable[[np.ndarray, int], float] | None = None,
) -> None:
    """Report sequences per second over the median epoch after the first."""
    model = recipe.model.build(recipe.backbone, items=len(split.catalog), length=recipe.batches.history)
    batches, clock = batches_of(recipe, given.batches), Clock()
    loop = loop_of(recipe, epochs=given.epochs, evaluate_every=NEVER)
    run = Run(seed=given.seed, watches=(clock,))
    train(model, batches, recipe.objective, split.train, split.item_counts(), loop, run, lambda: 0.0)
    seconds = np.diff([0.0, *clock.seconds]).tolist()
    typical = statistics.median(seconds[1:] or seconds)
    windows, chunks = batches.epoch(split.train, np.random.default_rng(0))
    trained = windows.take(np.concatenate(chunks))
    details: dict[str, Any] = {}
    if gflop is not None:
        work = gflop(trained.lengths - 1, len(split.catalog))
        ceiling = max(rate(shape, torch.float32, 0.7) for shape in SHAPES[torch.float32])
        details = {
            "gflop_per_sequence": round(work / len(trained), 4),
            "gflop_per_second": round(work / typical, 1),
            "matrix_rate": round(ceiling, 1),
            "share_of_matrix_rate": round(work / typical / ceiling, 3),
        }
    report(
        given, name, f"training, products in {given.precision}", round(len(trained) / typical, 1), "sequences/s",
        PACKAGES, seconds_per_epoch=[round(second, 3) for second in seconds], sequences_per_epoch=len(trained),
        targets_per_second=round(float((trained.lengths - 1).sum()) / typical), precision=given.precision,
        **details, **settings,
    )  # fmt: skip


def measure_quality(
    given: argparse.Namespace, name: str, recipe: ScoringRecipe, split: Split, settings: dict[str, Any]
) -> None:
    """Report the best validation NDCG@10 within the seconds given, and the whole curve."""
    model = recipe.model.build(recipe.backbone, items=len(split.catalog), length=recipe.batches.history)
    counts, cases, metric = split.item_counts(), split.validation, Ndcg(k=10)
    # The rule of the comparison: a target that training never saw is a miss.
    trained = counts[cases.targets.packed()[0]] > 0

    def evaluate() -> float:
        ranking = recipe.decoder(model, cases.histories, 10, Rules(seen=False))
        return float((metric(ranking, Targets.of(cases)) * trained).mean())

    clock = Clock(most=given.seconds)
    loop = loop_of(recipe, epochs=NEVER, evaluate_every=1)
    run = Run(seed=given.seed, watches=(clock,))
    with contextlib.suppress(Enough):
        train(model, batches_of(recipe, given.batches), recipe.objective, split.train, counts, loop, run, evaluate)
    report(
        given, name, f"validation NDCG@10, products in {given.precision}", max(value for _, value in clock.curve),
        "NDCG@10", PACKAGES, curve=clock.curve, precision=given.precision, **settings,
    )  # fmt: skip


def loop_of(recipe: ScoringRecipe, **changes: Any) -> Any:
    """The recipe's training loop with some settings changed, and without early stopping."""
    return recipe.procedure.loop.changed({"patience": 0, **changes})  # type: ignore[attr-defined]


def gflop_per_epoch(lengths: np.ndarray, items: int, width: int = 64, inner: int = 256, blocks: int = 2) -> float:
    """Arithmetic of the matrix products of one epoch: 2 m k n a product, times three for forward and backward.

    `lengths` are input tokens a row. Attention counts the pairs that a causal mask lets through, not the square.
    """
    tokens, pairs = float(lengths.sum()), float((lengths * (lengths + 1) / 2).sum())
    linear = 2 * tokens * (4 * width * width + 2 * width * inner)  # q, k, v and out; both of feed-forward
    attention = 2 * 2 * pairs * width  # q k' and weights v
    softmax = 2 * tokens * width * items
    return 3 * (blocks * (linear + attention) + softmax) / 1e9


if __name__ == "__main__":
    main()
