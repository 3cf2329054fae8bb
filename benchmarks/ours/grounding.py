"""Our grounding of generated texts: seconds to the nearest 50 of 100,000 titles of each, and those of cdist + topk.

Titles lie around a common middle, as a language model places them, and each text lies near a title. Both sides take
turns in one process; `--task plain` or `--task ours` runs one alone, which is how to read the peak memory.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.measuring import arguments, begin, report
from segue.core.ranking import Rules
from segue.core.tables import Histories
from segue.decoding._grounding import Space, nearest

ROWS = 256
"""Texts of one product on the plain side: 100 MB of distances."""


def plain(texts: torch.Tensor, places: torch.Tensor, k: int) -> torch.Tensor:
    """What one writes without a library: some texts with all titles, and the k least."""
    return torch.cat([torch.cdist(some, places).topk(k, largest=False).indices for some in texts.split(ROWS)])


def ours(texts: torch.Tensor, places: torch.Tensor, k: int) -> torch.Tensor:
    """The exact search of `NearestItems`; nobody has seen anything."""
    space = Space.of(texts, places, torch.arange(len(places)))
    found = nearest(space, Histories.from_lists([[]] * len(texts)), k, Rules(seen=True))
    return torch.from_numpy(found.items)


def main() -> None:
    parser = arguments(__doc__ or "", log=False)
    parser.add_argument("--task", choices=["both", "ours", "plain"], default="both")
    parser.add_argument("--texts", type=int, default=10_000)
    parser.add_argument("--titles", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--k", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=3)
    given = begin(parser)
    rng = np.random.default_rng(given.seed)
    places = 5 + rng.standard_normal((given.titles, given.width), dtype=np.float32)
    meant = rng.integers(given.titles, size=given.texts)
    texts = places[meant] + 0.5 * rng.standard_normal((given.texts, given.width), dtype=np.float32)
    texts[::4] = places[meant[::4]]  # every fourth is the title itself
    sides: dict[str, Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]] = {"ours": ours, "plain": plain}
    chosen = list(sides) if given.task == "both" else [given.task]
    seconds: dict[str, list[float]] = {name: [] for name in chosen}
    found: dict[str, torch.Tensor] = {}
    with torch.inference_mode():
        for _ in range(given.repeats):
            for name in chosen:
                start = time.perf_counter()
                found[name] = sides[name](torch.from_numpy(texts), torch.from_numpy(places), given.k)
                seconds[name].append(round(time.perf_counter() - start, 3))
    first = chosen[0]
    details: dict[str, Any] = {f"seconds_{name}": taken for name, taken in seconds.items()}
    if len(found) == 2:
        own, other = (np.sort(items.numpy(), axis=1) for items in found.values())
        details["rows_with_other_items"] = int((own != other).any(1).sum())
    report(
        given, f"grounding_{first}", "nearest titles of all texts", min(seconds[first]), "s", ["segue", "torch"],
        texts=given.texts, titles=given.titles, width=given.width, k=given.k, **details,
    )  # fmt: skip


if __name__ == "__main__":
    main()
