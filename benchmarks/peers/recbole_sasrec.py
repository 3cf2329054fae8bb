"""RecBole's SASRec on a log: sequences trained per second, or validation NDCG@10 by seconds of training.

RecBole's defaults: full cross entropy on one target a sequence, every prefix of a user a sequence of its own, batch
2,048, dropout 0.5. One epoch of ML-1M is half a million sequences and takes over an hour here, so the rate is that
of a number of batches. The loop is the one of its trainer, written out so that it can be stopped by the clock.
"""

import argparse
import itertools
import math
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import torch
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed

from benchmarks.measuring import arguments, begin, leave_two_out, read_log, report
from benchmarks.peers.recbole_files import PACKAGES, configuration, copy_csv, workplace


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--mode", choices=["rate", "quality"], default="rate")
    parser.add_argument("--batches", type=int, default=6, help="measured by --mode rate; the first warms up")
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--seconds", type=float, default=600.0, help="of training, for --mode quality")
    parser.add_argument("--every", type=float, default=60.0, help="seconds of training between evaluations")
    given = begin(parser)
    log = read_log(given.log)
    with workplace() as folder:
        run = Run(log, folder, given)
        (measure_rate if given.mode == "rate" else measure_quality)(given, run)


class Run:
    """RecBole's data, model and optimizer for one log."""

    def __init__(self, log: pl.DataFrame, folder: Path, given: argparse.Namespace) -> None:
        csv = folder / "log.csv"
        log.rename({"position": "timestamp"}).write_csv(csv)
        copy_csv(csv, folder)
        config = configuration(folder, train_batch_size=given.batch, seed=given.seed)
        init_seed(config["seed"], config["reproducibility"])
        start = time.perf_counter()
        self.dataset = create_dataset(config)
        self.batches, self.validation, _ = data_preparation(config, self.dataset)
        self.preparation = time.perf_counter() - start
        self.model = get_model("SASRec")(config, self.batches.dataset)
        self.optimizer = get_trainer(config["MODEL_TYPE"], "SASRec")(config, self.model).optimizer
        self.endless = self.steps()
        self.seen, _ = leave_two_out(log)

    def steps(self) -> Iterator[float]:
        """Train step after step, epoch after epoch; the seconds of each, its batch included."""
        while True:
            batches = iter(self.batches)
            while True:
                start = time.perf_counter()
                batch = next(batches, None)
                if batch is None:
                    break
                self.model.train()
                self.optimizer.zero_grad()
                self.model.calculate_loss(batch).backward()
                self.optimizer.step()
                yield time.perf_counter() - start

    @torch.no_grad()
    def ndcg_at_10(self) -> float:
        """Full ranking of the second-last item, seen items removed (RecBole's sequential evaluation keeps them)."""
        self.model.eval()
        total = users = 0
        for batch, _, rows, targets in self.validation:
            scores = self.model.full_sort_predict(batch).view(len(batch), -1)
            truth = scores[rows, targets].clone()
            scores[:, 0] = -torch.inf  # padding
            scores[self.seen_pairs(batch["user_id"])] = -torch.inf
            above = (scores[rows] > truth[:, None]).sum(1)
            total += (1 / torch.log2(above[above < 10] + 2.0)).sum().item()
            users += len(targets)
        return total / users

    def seen_pairs(self, users: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(row of the batch, item) of everything these users have in training, in RecBole's ids."""
        if not hasattr(self, "history"):
            user_ids = self.dataset.token2id("user_id", self.seen["user_id"].cast(pl.String).to_numpy())
            item_ids = self.dataset.token2id("item_id", self.seen["item_id"].cast(pl.String).to_numpy())
            pairs = pl.DataFrame({"user": user_ids, "item": item_ids}).group_by("user").agg("item")
            self.history = {user: torch.tensor(items) for user, items in pairs.iter_rows()}
        lists = [self.history[user] for user in users.tolist()]
        rows = torch.repeat_interleave(torch.arange(len(lists)), torch.tensor([len(items) for items in lists]))
        return rows, torch.cat(lists)

    def settings(self) -> dict[str, Any]:
        """What the report says about the run."""
        return {
            "width": 64, "blocks": 2, "heads": 2, "length": 50, "batch": self.batches.step,
            "loss": "full softmax, one target a sequence", "preparation_seconds": round(self.preparation, 2),
            "sequences_per_epoch": len(self.batches.dataset),
        }  # fmt: skip


def measure_rate(given: argparse.Namespace, run: Run) -> None:
    """Report sequences per second over the median step."""
    seconds = list(itertools.islice(run.endless, given.batches))
    rate = given.batch / statistics.median(seconds[1:] or seconds)
    report(
        given, "recbole_sasrec", "training", round(rate, 1), "sequences/s", PACKAGES,
        seconds_per_epoch=round(len(run.batches.dataset) / rate, 1), extrapolated=True,
        seconds_per_step=[round(second, 3) for second in seconds], **run.settings(),
    )  # fmt: skip


def measure_quality(given: argparse.Namespace, run: Run) -> None:
    """Report the best validation NDCG@10 within the seconds given, and the whole curve."""
    trained, evaluated = 0.0, -math.inf
    curve: list[tuple[float, float]] = []
    while trained < given.seconds:
        trained += next(run.endless)
        if trained - evaluated >= given.every or trained >= given.seconds:
            curve.append((round(trained, 2), round(run.ndcg_at_10(), 5)))
            evaluated = trained
    best = max(value for _, value in curve)
    report(given, "recbole_sasrec", "validation NDCG@10", best, "NDCG@10", PACKAGES, curve=curve, **run.settings())


if __name__ == "__main__":
    main()
