"""Our SASRec recommending: users per second for the top 20, seen items removed, from raw ids to raw ids.

The model is part of the time: each repeat looks up the users, runs the trunk over their newest 50 events, scores the
whole catalog, removes every item of the whole history, and names the items by the ids of the log.
"""

import time
from typing import Any

import numpy as np

from benchmarks.measuring import begin, report
from benchmarks.ours.sasrec import PACKAGES, SETTINGS, batches_of, planned, training_arguments
from segue.core.ranking import NOTHING, Rules
from segue.core.run import Run


def main() -> None:
    parser = training_arguments(__doc__ or "")
    parser.add_argument("--k", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    given = begin(parser)
    recipe, split = planned("sasrec_softmax", given, SETTINGS)
    # Speed does not depend on what was learned: a few batches are enough.
    few: dict[str, Any] = {"batches": batches_of(recipe, given.batches or 5), "procedure.loop.epochs": 1}
    fitted = recipe.changed(few).fit(split, Run(seed=given.seed))
    log, ids = split.dataset.log, split.catalog.ids
    users = log.users["user_id"].to_list()
    seconds, missing = [], 0
    for _ in range(given.repeats):
        start = time.perf_counter()
        histories = log.histories().take(log.user_rows(users))
        ranking = fitted.recommend(histories, given.k, Rules(seen=False))
        named = ids.gather(np.maximum(ranking.items, 0).ravel())
        seconds.append(time.perf_counter() - start)
        missing = int((ranking.items == NOTHING).sum())
        assert len(named) == len(users) * given.k
    report(
        given, "segue_recommend", "recommending", round(len(users) / min(seconds), 1), "users/s", PACKAGES,
        seconds=[round(second, 3) for second in seconds], users=len(users), k=given.k, width=64, length=50,
        empty_places=missing,
    )  # fmt: skip


if __name__ == "__main__":
    main()
