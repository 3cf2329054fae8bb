"""Our T5: users per second given their list by beam search over the trie, and prefix cases trained per second.

Beside the rate stands the arithmetic of the matrix products, counted from the shapes, as a share of what this process
multiplies matrices at, measured in the same run. `--verify` compares the lists with `transformers`' own.
"""

import time
from typing import Any

import numpy as np
import torch

from benchmarks.matrix_rate import rate
from benchmarks.measuring import begin, report
from benchmarks.peers.transformers_t5 import generate
from benchmarks.t5_workload import BACKBONE, asked, given_arguments, models, workload
from segue.core.codes import ItemCodes
from segue.core.ranking import Ranking, Rules
from segue.core.tables import Histories
from segue.data.sequences import EveryPrefix
from segue.decoding.beam_search import BeamSearch
from segue.objectives.next_code import NextCode
from segue.training.optim import AdamW
from segue.training.precision import autocast

PACKAGES = ("segue", "torch", "transformers")


def main() -> None:
    parser = given_arguments(__doc__ or "")
    parser.add_argument("--verify", type=int, default=64, help="users whose lists are compared with transformers'")
    parser.add_argument("--precision", choices=["float32", "auto"], default="float32")
    given = begin(parser)
    split, codes = workload(given)
    ours, theirs = models(given, codes)
    peak = rate((2048, 2048, 2048), torch.float32, 2.0)
    if given.task == "decode":
        past = split.test.histories.take(asked(split, given.users)).latest(ours.history)
        decoder = BeamSearch(beams=given.beams)
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            ranking = decoder(ours, past, given.k, Rules(seen=True))
            seconds.append(time.perf_counter() - start)
        work = decoding_gflop(codes, past, given.beams)
        equal, gap = verified(theirs, codes, past, ranking, given.verify, given.beams)
        report(
            given, "segue_t5_decode", "beam search", round(given.users / min(seconds), 2), "users/s", PACKAGES,
            seconds=[round(second, 3) for second in seconds], beams=given.beams, prefixes=decoder.prefixes, k=given.k,
            gflop_a_user=round(work / given.users, 3), gflop_s=round(work / min(seconds), 1),
            matrix_gflop_s=round(peak, 1), share_of_matrix_rate=round(work / min(seconds) / peak, 3),
            lists_equal_to_transformers=equal, largest_score_difference=gap,
        )  # fmt: skip
        return
    batches = EveryPrefix(history=ours.history, users=256)
    windows, chunks = batches.epoch(split.train, np.random.default_rng(0))
    ours.train()
    optimizer = AdamW(rate=5e-4, decay=0.01).build(ours)
    seconds = []
    for rows in chunks[: given.batches]:
        start = time.perf_counter()
        batch = batches.batch(windows, rows)
        with autocast(torch.device("cpu"), given.precision):
            loss = NextCode()(ours, batch, torch.Generator())
        optimizer.zero_grad()
        torch.autograd.backward(loss.mean)
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    cases = sum(len(rows) for rows in chunks[1 : given.batches])
    report(
        given, "segue_t5_train", "training", round(cases / sum(seconds[1:]), 1), "cases/s", PACKAGES,
        seconds=[round(second, 3) for second in seconds], batch=256, precision=given.precision,
        tokens_a_case=round(4 * float(windows.lengths.mean() - 1), 1), matrix_gflop_s=round(peak, 1),
    )  # fmt: skip


def decoding_gflop(codes: ItemCodes, past: Histories, beams: int) -> float:
    """Products that no implementation with shared contexts can save: 2 for each weight and each token it meets."""
    inner, width = BACKBONE.heads * BACKBONE.size, BACKBONE.width
    feed = 2 * width * BACKBONE.inner
    tokens = past.lengths * codes.levels
    # Prefixes that are written at each level: as many as the beam and the trie have.
    kept = [min(beams, codes.tree.nodes(depth)) for depth in range(codes.levels)]
    written = sum(kept)
    reading = (4 * width * inner + feed + 2 * width * inner) * tokens + 2 * inner * tokens**2
    own = sum(prefixes * (step + 1) for step, prefixes in enumerate(kept))
    writing = (6 * width * inner + feed) * written + 2 * inner * (tokens * written + own)
    logits = width * codes.vocabulary * written
    return float((2 * (BACKBONE.depth * (reading + writing) + logits)).sum() / 1e9)


def verified(
    theirs: Any, codes: ItemCodes, past: Histories, ranking: Ranking, users: int, beams: int
) -> tuple[float, float]:
    """The share of lists that are equal to those of `generate`, and the largest difference of two scores."""
    some = np.arange(min(users, len(past)))
    items, scores = generate(theirs, codes, past.take(some), beams, ranking.items.shape[1])
    equal = (items == ranking.items[some]).all(axis=1).mean()
    return float(equal), float(np.abs(scores - ranking.scores[some]).max())


if __name__ == "__main__":
    main()
