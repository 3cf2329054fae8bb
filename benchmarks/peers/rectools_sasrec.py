"""RecTools' SASRec on a log: sequences trained per second, or validation NDCG@10 by seconds of training.

Only the time inside Lightning's epochs counts. Preparing the data, starting the trainer and evaluating do not, which
is in the peer's favour.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import pandas as pd
import polars as pl
from pytorch_lightning import Callback, LightningModule, Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel
from rectools.models.nn.transformers.base import TransformerModelBase

from benchmarks.measuring import arguments, begin, leave_two_out, read_log, report

PACKAGES = ["rectools", "torch", "pytorch-lightning", "numpy", "pandas"]


class EpochClock(Callback):
    """Seconds of each training epoch, in order."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.seconds.append(time.perf_counter() - self.started)


def main() -> None:
    parser = training_arguments(__doc__ or "")
    given = begin(parser)
    train, targets = leave_two_out(read_log(given.log))
    model = sasrec(given.batches)
    settings = {"width": 64, "blocks": 2, "heads": 2, "length": 50, "batch": 128, "loss": "full softmax"}
    if given.mode == "rate":
        measure_rate(given, "rectools_sasrec", model, train, settings)
    else:
        measure_quality(given, "rectools_sasrec", model, train, targets, settings)


def training_arguments(what: str) -> argparse.ArgumentParser:
    """The shared arguments and those of a training run."""
    parser = arguments(what)
    parser.add_argument("--mode", choices=["rate", "quality"], default="rate")
    parser.add_argument("--epochs", type=int, default=3, help="measured by --mode rate; the first warms up")
    parser.add_argument("--batches", type=int, help="stop each epoch after so many (smoke runs)")
    parser.add_argument("--seconds", type=float, default=600.0, help="of training, for --mode quality")
    parser.add_argument("--every", type=float, default=0.0, help="least seconds of training between evaluations")
    return parser


def sasrec(batches: int | None) -> SASRecModel:
    """The model of the comparison, RecTools' own choices where it leaves none to us."""
    return SASRecModel(
        n_blocks=2, n_heads=2, n_factors=64, session_max_len=50, batch_size=128, lr=1e-3, loss="softmax",
        dropout_rate=0.2, recommend_torch_device="cpu", get_trainer_func=trainer_with_clock(batches),
    )  # fmt: skip


def trainer_with_clock(batches: int | None) -> Callable[[], Trainer]:
    """RecTools' own trainer plus the clock; `batches` shortens every epoch."""

    def trainer() -> Trainer:
        return Trainer(
            max_epochs=1, enable_progress_bar=False, enable_model_summary=False, logger=False,
            enable_checkpointing=False, devices=1, accelerator="cpu", callbacks=[EpochClock()],
            limit_train_batches=batches,
        )  # fmt: skip

    return trainer


def dataset_of(log: pl.DataFrame) -> Dataset:
    """A RecTools dataset; only the order matters to SASRec, so positions stand in for times."""
    return Dataset.construct(
        pd.DataFrame(
            {
                Columns.User: log["user_id"].to_numpy(),
                Columns.Item: log["item_id"].to_numpy(),
                Columns.Weight: 1.0,
                Columns.Datetime: pd.to_datetime(log["position"].to_numpy(), unit="s"),
            }
        )
    )


def measure_rate(
    given: argparse.Namespace, name: str, model: TransformerModelBase, train: pl.DataFrame, settings: dict[str, Any]
) -> None:
    """Report sequences per second over the median epoch."""
    dataset = dataset_of(train)
    seconds = [train_epoch(model, dataset) for _ in range(given.epochs)]
    sequences = train["user_id"].n_unique()
    if given.batches:
        sequences = min(sequences, given.batches * model.batch_size)
    typical = statistics.median(seconds[1:] or seconds)
    report(
        given, name, "training", round(sequences / typical, 1), "sequences/s", PACKAGES,
        seconds_per_epoch=[round(second, 3) for second in seconds], sequences_per_epoch=sequences, **settings,
    )  # fmt: skip


def measure_quality(
    given: argparse.Namespace,
    name: str,
    model: TransformerModelBase,
    train: pl.DataFrame,
    targets: pl.DataFrame,
    settings: dict[str, Any],
) -> None:
    """Report the best validation NDCG@10 within the seconds given, and the whole curve."""
    dataset = dataset_of(train)
    trained, evaluated = 0.0, -math.inf
    curve: list[tuple[float, float]] = []
    while trained < given.seconds:
        trained += train_epoch(model, dataset)
        if trained - evaluated >= given.every or trained >= given.seconds:
            curve.append((round(trained, 2), round(ndcg_at_10(model, dataset, targets), 5)))
            evaluated = trained
    best = max(value for _, value in curve)
    report(given, name, "validation NDCG@10", best, "NDCG@10", PACKAGES, curve=curve, **settings)


def train_epoch(model: TransformerModelBase, dataset: Dataset) -> float:
    """Train one more epoch; its seconds."""
    model.fit_partial(dataset, min_epochs=1, max_epochs=1)
    clock = next(callback for callback in model.fit_trainer.callbacks if isinstance(callback, EpochClock))
    return clock.seconds[-1]


def ndcg_at_10(model: TransformerModelBase, dataset: Dataset, targets: pl.DataFrame) -> float:
    """Full ranking, seen items removed; a target that training never saw counts as a miss."""
    lists = model.recommend(users=targets["user_id"].to_numpy(), dataset=dataset, k=10, filter_viewed=True)
    hits = lists.merge(frame(targets), on=[Columns.User, Columns.Item])
    return float((1 / (hits[Columns.Rank] + 1).map(math.log2)).sum() / len(targets))


def frame(targets: pl.DataFrame) -> pd.DataFrame:
    """The (user, item) pairs under RecTools' column names."""
    return pd.DataFrame({Columns.User: targets["user_id"].to_numpy(), Columns.Item: targets["item_id"].to_numpy()})


if __name__ == "__main__":
    main()
