"""Writes a synthetic log as CSV (user_id,item_id,timestamp), of any length, in little memory.

Users are log-normally active, items Zipf popular, times uniform over ten years; the rows come in no order, as logs
do. With the defaults: 20 million rows, about 138,000 users and 27,000 items, 520 MB.
"""

import argparse
from pathlib import Path

import numpy as np
import polars as pl

FIRST_USER, FIRST_ITEM = 1_000_000, 100_000  # ids as wide as real ones
FIRST_SECOND, LAST_SECOND = 1_100_000_000, 1_415_000_000


def write_log(path: Path, rows: int, users: int, items: int, seed: int, chunk: int = 1_000_000) -> None:
    """Write the log, `chunk` rows at a time; the same seed and sizes give the same file."""
    rng = np.random.default_rng(seed)
    activity = np.cumsum(rng.lognormal(sigma=1.0, size=users))
    popularity = np.cumsum(1.0 / (np.arange(items) + 10.0))  # the offset keeps the top item under 2 % of the rows
    names = rng.permutation(items) + FIRST_ITEM  # so that an id says nothing about popularity
    with path.open("wb") as file:
        for start in range(0, rows, chunk):
            size = min(chunk, rows - start)
            part = pl.DataFrame(
                {
                    "user_id": draw(activity, size, rng) + FIRST_USER,
                    "item_id": names[draw(popularity, size, rng)],
                    "timestamp": rng.integers(FIRST_SECOND, LAST_SECOND, size),
                }
            )
            part.write_csv(file, include_header=start == 0)


def draw(cumulative: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Indices in proportion to the weights whose running sum is given."""
    return np.searchsorted(cumulative, rng.random(size) * cumulative[-1], side="right")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--users", type=int, default=138_000)
    parser.add_argument("--items", type=int, default=27_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    given.path.parent.mkdir(parents=True, exist_ok=True)
    write_log(given.path, given.rows, given.users, given.items, given.seed)
