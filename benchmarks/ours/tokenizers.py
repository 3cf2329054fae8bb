"""Our k-means, residual k-means and RQ-VAE: seconds from a matrix of vectors to codebooks and the codes of all.

As the peer's script does it: a start from random vectors, all steps taken, 256 vectors a code learned from and codes
found for everybody. `--task balanced` has no peer and learns from all. `--task rq_vae` is the seconds of one epoch.
`mean_distance` is the mean squared distance left, over all vectors; `vectors_mb` what the vectors themselves take.
"""

import time
from collections.abc import Mapping
from typing import Any

import torch

from benchmarks.clustered_vectors import clustered
from benchmarks.measuring import arguments, begin, report
from segue.core.run import Run
from segue.core.tokenizing import ItemEncoder
from segue.kernels.k_means import k_means
from segue.tokenizers._rq_vae_training import RqVaeTraining
from segue.tokenizers.residual_k_means import ResidualKMeans
from segue.tokenizers.rq_vae import RqVae


class Brought(ItemEncoder):
    """Stands for the encoder, which is not measured."""


class Clock:
    """Notes when each step was told."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def begin(self, what: str, steps: int) -> None: ...

    def advance(self, steps: int, note: str = "") -> None:
        self.times.append(time.perf_counter())

    def end(self) -> None: ...

    def log(self, step: int, values: Mapping[str, float]) -> None: ...


def main() -> None:
    parser = arguments(__doc__ or "", log=False)
    parser.add_argument("--task", choices=["k_means", "residual", "balanced", "rq_vae"], default="k_means")
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--levels", type=int, default=4)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--iterations", type=int, default=25)
    given = begin(parser)
    vectors = torch.from_numpy(clustered(given.vectors, given.width, given.seed))
    clock = Clock()
    run = Run(seed=given.seed, watches=(clock,))
    settings = {"levels": given.levels, "size": given.size, "encoder": Brought()}
    start = time.perf_counter()
    details: dict[str, Any]
    if given.task == "k_means":
        found = k_means(
            *(vectors, given.size, run.numpy_generator("k_means")),
            iterations=given.iterations, tolerance=0.0, sample=256, start="sample",
        )  # fmt: skip
        details = {"steps": len(found.steps), "mean_distance": [found.inertia / given.vectors]}
    elif given.task == "rq_vae":
        part = RqVae(**settings, warmup=0, epochs=2)
        network = part._network(given.width, run.torch_generator("network"))
        network.measure(vectors)
        RqVaeTraining(part, network, vectors, None, run).go()
        details = {"batch": part.batch, "epoch_with_start": round(clock.times[0] - start, 2)}
    else:
        balanced = given.task == "balanced"
        part = ResidualKMeans(
            **settings, iterations=given.iterations, tolerance=0.0, start="sample", balanced=balanced
        )  # fmt: skip
        learned = part.learn(vectors, run)
        distances = [inertia / given.vectors for inertia in learned.notes["inertia"]]
        details = {"levels": given.levels, "steps": len(clock.times), "mean_distance": distances}
    seconds = clock.times[1] - clock.times[0] if given.task == "rq_vae" else time.perf_counter() - start
    report(
        given, f"segue_{given.task}", "codebooks and codes", round(seconds, 3), "s", ["segue", "torch", "numpy"],
        vectors=given.vectors, width=given.width, size=given.size, iterations=given.iterations,
        vectors_mb=round(vectors.nbytes / 2**20), vectors_per_second=round(given.vectors / seconds), **details,
    )  # fmt: skip


if __name__ == "__main__":
    main()
