"""How fast this machine multiplies matrices, in GFLOP/s: fp32 and bf16, one thread and two.

The ceiling under every other figure. bf16 is measured because a CPU without the instructions is fifty times slower
in it than in fp32, and only a measurement tells.
"""

import time

import torch

from benchmarks.measuring import arguments, begin, report

SHAPES = {torch.float32: [(6400, 256, 256), (2048, 2048, 2048), (6400, 64, 3706)], torch.bfloat16: [(512, 512, 512)]}


def rate(shape: tuple[int, int, int], dtype: torch.dtype, seconds: float) -> float:
    """Best GFLOP/s of `rows x inner x columns` within `seconds`, the output written in place."""
    rows, inner, columns = shape
    left, right = torch.randn(rows, inner).to(dtype), torch.randn(inner, columns).to(dtype)
    out = left @ right
    best = float("inf")
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        torch.mm(left, right, out=out)
        best = min(best, time.perf_counter() - start)
    return 2 * rows * inner * columns / best / 1e9


def main() -> None:
    parser = arguments(__doc__ or "", log=False)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each shape")
    given = begin(parser)
    rates: dict[str, float] = {}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for dtype, shapes in SHAPES.items():
            for shape in shapes:
                key = f"{str(dtype).removeprefix('torch.')} {'x'.join(map(str, shape))} {threads} threads"
                rates[key] = round(rate(shape, dtype, given.seconds), 1)
    best = max(value for key, value in rates.items() if key.startswith("float32"))
    report(given, "matrix_rate", "best fp32 matrix product", best, "GFLOP/s", ["torch"], rates=rates)


if __name__ == "__main__":
    main()
