"""Our full ranking: users per second for NDCG and Recall at 5, 10 and 20, and the memory it takes beyond its inputs.

The decoder `top_scores` is given a model that only looks up 64-wide vectors; their product is part of the time.
`extra_memory_mb` is the peak of resident memory over what the process held when the two tables of vectors were there:
answers and metrics count into it, and so does the code that a first call of the libraries loads;
`extra_after_warm_up_mb` leaves the latter out. Afterwards a sample is checked against a full stable sort, with vectors
of small whole numbers, so that all sums are exact and the scores are full of ties.
"""

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.measuring import arguments, begin, report
from segue.core.batches import SequenceBatch
from segue.core.ranking import Ranking, Rules
from segue.core.tables import Histories
from segue.decoding.top_scores import TopScores
from segue.evaluation.accuracy import Ndcg, Recall
from segue.evaluation.metric import Targets, measure

WIDTH, KS = 64, (5, 10, 20)
AT_ONCE = 16_384
"""Users whose answers are scored together, as `segue.evaluation.evaluate` does it."""


class Vectors:
    """A scoring model that is two tables; the only event of user u's history is the number u."""

    history = 1

    def __init__(self, users: Tensor, items: Tensor) -> None:
        self.users, self.items = users, items

    def states(self, batch: SequenceBatch) -> Tensor:
        return self.users[batch.items]

    def user_vectors(self, batch: SequenceBatch) -> Tensor:
        return self.users[batch.items]

    def item_vectors(self) -> Tensor:
        return self.items


def main() -> None:
    parser = arguments(__doc__ or "", log=False)
    parser.add_argument("--users", type=int, default=100_000, help="ranked")
    parser.add_argument("--items", type=int, default=100_000)
    given = begin(parser)
    model = Vectors(torch.randn(given.users, WIDTH), torch.randn(given.items, WIDTH))
    targets = torch.randint(given.items, (given.users,)).numpy()
    metrics = [family(k=k) for k in KS for family in (Ndcg, Recall)]
    before = resident_mb("VmRSS")
    peak_is_reset = reset_peak()
    answer(model, slice(0, 64))  # warm-up: threads and first calls
    warm = resident_mb("VmRSS")
    start = time.perf_counter()
    sums = dict.fromkeys((metric.name for metric in metrics), 0.0)
    for first in range(0, given.users, AT_ONCE):
        some = slice(first, min(first + AT_ONCE, given.users))
        ranking, held = answer(model, some), targets[some]
        for name, values in measure(metrics, ranking, Targets(held, np.arange(len(held) + 1))).items():
            sums[name] += float(values.sum())
    seconds = time.perf_counter() - start
    peak = resident_mb("VmHWM") if peak_is_reset else float("nan")
    check(given.items)
    per_second = given.users / seconds
    report(
        given, "segue_ranking", "full ranking", round(per_second, 1), "users/s", ["segue", "torch", "numpy"],
        users=given.users, items=given.items, width=WIDTH, seconds=round(seconds, 2),
        seconds_for_100k_users=round(100_000 / per_second, 1),
        extra_memory_mb=round(peak - before, 1), extra_after_warm_up_mb=round(peak - warm, 1),
        exact="128 users equal to a stable sort, ties included",
        metrics={name: round(total / given.users, 6) for name, total in sums.items()},
    )  # fmt: skip


def answer(model: Vectors, users: slice) -> Ranking:
    """The best items of these users, nothing left out."""
    numbers = np.arange(users.start, min(users.stop, len(model.users)))
    places = np.arange(len(numbers))
    histories = Histories(items=numbers, starts=places, ends=places + 1, users=numbers)
    return TopScores()(model, histories, max(KS), Rules(seen=True))


def check(items: int) -> None:
    """The answers are those of a full sort, equal scores in the order of the items.

    Raises:
        AssertionError: they are not.
    """
    model = Vectors(torch.randint(-2, 3, (128, WIDTH)).float(), torch.randint(-2, 3, (items, WIDTH)).float())
    found = answer(model, slice(0, 128))
    sure = torch.sort(model.users @ model.items.T, dim=1, descending=True, stable=True)
    assert np.array_equal(found.items, sure.indices[:, : max(KS)].numpy()), "not the items of a full sort"
    assert np.array_equal(found.scores, sure.values[:, : max(KS)].numpy()), "not the scores of a full sort"


def resident_mb(what: str) -> float:
    """`VmRSS`, resident memory now, or `VmHWM`, its peak since the last reset; in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) / 1024


def reset_peak() -> bool:
    """Let the kernel forget the peak of resident memory so far; False where that is not allowed."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
