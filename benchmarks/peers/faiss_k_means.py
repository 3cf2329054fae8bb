"""faiss's k-means and, level by level, residual k-means of it: seconds from vectors to codebooks and codes of all.

Its own defaults: 25 steps, a start from random vectors, 256 vectors a centroid learned from, and no early end. What is
left of the vectors is computed between the levels with numpy, in place and by tiles.
"""

import time

import faiss
import numpy as np

from benchmarks.clustered_vectors import clustered
from benchmarks.measuring import arguments, begin, report

TILE = 4096


def main() -> None:
    parser = arguments(__doc__ or "", log=False)
    parser.add_argument("--task", choices=["k_means", "residual"], default="k_means")
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--levels", type=int, default=4)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--iterations", type=int, default=25)
    given = begin(parser)
    faiss.omp_set_num_threads(given.threads)
    vectors = clustered(given.vectors, given.width, given.seed)
    start = time.perf_counter()
    rest = vectors if given.task == "k_means" else vectors.copy()
    distances, steps = [], 0
    for level in range(1 if given.task == "k_means" else given.levels):
        clusters = faiss.Kmeans(given.width, given.size, niter=given.iterations, seed=given.seed + level + 1)
        clusters.train(rest)
        found, codes = clusters.assign(rest)
        distances.append(float(found.mean(dtype=np.float64)))
        steps += len(clusters.obj)
        if given.task == "residual":
            for first in range(0, len(rest), TILE):
                rest[first : first + TILE] -= clusters.centroids[codes[first : first + TILE]]
    seconds = time.perf_counter() - start
    report(
        given, f"faiss_{given.task}", "codebooks and codes", round(seconds, 3), "s", ["faiss-cpu", "numpy"],
        vectors=given.vectors, width=given.width, size=given.size, iterations=given.iterations,
        vectors_mb=round(vectors.nbytes / 2**20), vectors_per_second=round(given.vectors / seconds),
        levels=given.levels, steps=steps, mean_distance=distances,
    )  # fmt: skip


if __name__ == "__main__":
    main()
