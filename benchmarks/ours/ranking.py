"""Our full ranking: users per second for NDCG and Recall at 5, 10 and 20, and the memory it takes beyond its inputs.

Scores come from 64-wide vectors and their product is part of the time. `extra_memory_mb` is the peak of resident
memory over what the process held when the two tables of vectors were there: answers and metrics count into it, and
so does the code that a first call of the libraries loads; `extra_after_warm_up_mb` leaves the latter out. Afterwards
a sample of the answers is checked against a full stable sort, with many ties among the scores.
"""

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.measuring import arguments, begin, report
from segue.core.ranking import Ranking, Rules
from segue.core.tables import Histories
from segue.decoding.top_scores import Scorer, rank
from segue.evaluation.accuracy import Ndcg, Recall
from segue.evaluation.metric import Targets, measure
from segue.kernels.top_k import CHUNK, padded_scores, top_k

WIDTH, KS = 64, (5, 10, 20)
AT_ONCE = 16_384
"""Users whose answers are scored together, as `segue.evaluation.evaluate` does it."""


class Product(Scorer):
    """Users by items, one matrix product into the buffer."""

    def __init__(self, users: Tensor, items: Tensor) -> None:
        self.users, self.items = users, items

    def __call__(self, rows: slice, chosen: Tensor | None, out: Tensor) -> None:
        torch.mm(self.users[rows], self.items.T, out=out)


def main() -> None:
    parser = arguments(__doc__ or "", log=False)
    parser.add_argument("--users", type=int, default=100_000, help="ranked")
    parser.add_argument("--items", type=int, default=100_000)
    given = begin(parser)
    users, items = torch.randn(given.users, WIDTH), torch.randn(given.items, WIDTH)
    targets = torch.randint(given.items, (given.users,)).numpy()
    metrics = [family(k=k) for k in KS for family in (Ndcg, Recall)]
    before = resident_mb("VmRSS")
    peak_is_reset = reset_peak()
    answer(users[:64], items)  # warm-up: threads and first calls
    warm = resident_mb("VmRSS")
    start = time.perf_counter()
    sums = dict.fromkeys((metric.name for metric in metrics), 0.0)
    for first in range(0, given.users, AT_ONCE):
        some = slice(first, first + AT_ONCE)
        ranking, held = answer(users[some], items), targets[some]
        for name, values in measure(metrics, ranking, Targets(held, np.arange(len(held) + 1))).items():
            sums[name] += float(values.sum())
    seconds = time.perf_counter() - start
    peak = resident_mb("VmHWM") if peak_is_reset else float("nan")
    check(users[:128], items)
    per_second = given.users / seconds
    report(
        given, "segue_ranking", "full ranking", round(per_second, 1), "users/s", ["segue", "torch", "numpy"],
        users=given.users, items=given.items, width=WIDTH, seconds=round(seconds, 2),
        seconds_for_100k_users=round(100_000 / per_second, 1),
        extra_memory_mb=round(peak - before, 1), extra_after_warm_up_mb=round(peak - warm, 1),
        exact="checked against a stable sort of 128 users",
        metrics={name: round(total / given.users, 6) for name, total in sums.items()},
    )  # fmt: skip


def answer(users: Tensor, items: Tensor) -> Ranking:
    """The best items of each user, nobody having seen anything."""
    nothing = np.zeros(len(users), dtype=np.int64)
    histories = Histories(items=nothing[:0], starts=nothing, ends=nothing, users=np.arange(len(users)))
    with torch.inference_mode():
        return rank(
            histories, max(KS), Rules(seen=True), items=len(items), scorer=Product(users, items), device=users.device
        )


def check(users: Tensor, items: Tensor) -> None:
    """The answers are those of a full sort, equal scores in the order of the items.

    Raises:
        AssertionError: they are not.
    """
    scores = padded_scores(len(users), len(items), users.device)
    scores[:, : len(items)] = users @ items.T
    for rounded in (scores, (scores * 2).round() / 2):  # the second is full of ties
        values, columns = top_k(rounded, max(KS))
        sure = torch.sort(rounded, dim=1, descending=True, stable=True)
        assert torch.equal(columns, sure.indices[:, : max(KS)]), f"not the items of a full sort (chunks of {CHUNK})"
        assert torch.equal(values, sure.values[:, : max(KS)])
    found = answer(users, items)
    own = scores.gather(1, torch.from_numpy(found.items)).numpy()
    assert np.allclose(own, found.scores, atol=1e-4), "the answers carry other scores than their items have"
    assert np.allclose(np.sort(own, axis=1), np.sort(scores.topk(max(KS), dim=1).values.numpy(), axis=1), atol=1e-4)


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
