"""RecBole's full ranking: users per second for NDCG and Recall at 5, 10 and 20 over 100,000 items.

Scores come from 64-wide vectors and their product is part of the time, as it is of ours. Speed does not depend on
the number of users once there are some, so a sample of them is ranked.
"""

import time

import torch
from recbole.evaluator import Collector, Evaluator

from benchmarks.measuring import arguments, begin, report
from benchmarks.peers.recbole_files import PACKAGES, configuration, workplace


def main() -> None:
    parser = arguments(__doc__ or "", log=False)
    parser.add_argument("--users", type=int, default=6144, help="ranked")
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=512)
    given = begin(parser)
    users, items = torch.randn(given.users, 64), torch.randn(given.items, 64)
    targets = torch.randint(given.items, (given.users,))
    with workplace() as folder:
        config = configuration(folder)
        collector, evaluator = Collector(config), Evaluator(config)
        rank(collector, users[: given.batch], items, targets)  # warm-up; what it collected is cleared
        collector.get_data_struct()
        start = time.perf_counter()
        for first in range(0, given.users, given.batch):
            batch = slice(first, first + given.batch)
            rank(collector, users[batch], items, targets[batch])
        metrics = evaluator.evaluate(collector.get_data_struct())
        seconds = time.perf_counter() - start
    rate = given.users / seconds
    report(
        given, "recbole_ranking", "full ranking", round(rate, 1), "users/s", PACKAGES, users=given.users,
        items=given.items, batch=given.batch, width=64, seconds=round(seconds, 2),
        seconds_for_100k_users=round(100_000 / rate, 1), metrics={key: float(value) for key, value in metrics.items()},
    )  # fmt: skip


def rank(collector: Collector, users: torch.Tensor, items: torch.Tensor, targets: torch.Tensor) -> None:
    """Score one batch and hand it to RecBole."""
    rows = torch.arange(len(users))
    collector.eval_batch_collect(users @ items.T, None, rows, targets[: len(users)])


if __name__ == "__main__":
    main()
