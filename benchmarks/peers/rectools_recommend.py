"""RecTools' SASRec recommending: users per second for the top 20, seen items removed, from raw ids to raw ids."""

import time

from benchmarks.measuring import begin, read_log, report
from benchmarks.peers.rectools_sasrec import PACKAGES, dataset_of, sasrec, training_arguments


def main() -> None:
    parser = training_arguments(__doc__ or "")
    parser.add_argument("--k", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    given = begin(parser)
    log = read_log(given.log)
    dataset = dataset_of(log)
    users = log["user_id"].unique(maintain_order=True).to_numpy()
    # Speed does not depend on what was learned: a few batches are enough to make RecTools willing to recommend.
    model = sasrec(given.batches or 5)
    model.fit(dataset)
    seconds = []
    for _ in range(given.repeats):
        start = time.perf_counter()
        model.recommend(users=users, dataset=dataset, k=given.k, filter_viewed=True)
        seconds.append(time.perf_counter() - start)
    report(
        given, "rectools_recommend", "recommending", round(len(users) / min(seconds), 1), "users/s", PACKAGES,
        seconds=[round(second, 3) for second in seconds], users=len(users), k=given.k, width=64, length=50,
    )  # fmt: skip


if __name__ == "__main__":
    main()
