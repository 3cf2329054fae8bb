"""Answering users again after one new event each, with their histories kept and read anew, turn about in one process.

For each system, length of history and number of users asked at once: how many times faster the whole answer is (the top
20 of 3,706 items, or 64 candidates judged) when the event is read on behind the kept history, and when nothing has
happened since. Weights are random. Histories have between three quarters of the length and all of it, and the window
has room for more. The value is the smallest of the ratios after one event.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import torch

from benchmarks.measuring import arguments, begin, report
from segue.core.codes import ItemCodes
from segue.core.impressions import UNKNOWN, Impressions, Schema
from segue.core.ranking_recipe import FittedRanker
from segue.core.recipe import FittedModel, Recommender
from segue.core.tables import Catalog, Histories
from segue.recipes import dfgr, hstu, sasrec, tiger
from segue.service.kept_histories import SHORT, memory_of, with_kept_histories

ITEMS, CANDIDATES, K = 3_706, 64, 20
LENGTHS, USERS = (50, 200), (1, 32)
EVENTS = 12
"""Steps of each measurement, one new event a user in each."""
ROOM = 2 * EVENTS + 2


def scorer(recipe: Any, length: int) -> FittedModel:
    """A system that scores items, with random weights."""
    recipe = recipe.changed({"batches.history": length + ROOM})
    return FittedModel(recipe, CATALOG, recipe._build(CATALOG, 0).eval(), torch.ones(ITEMS))


def writer(length: int) -> FittedModel:
    """A decoder-only token generator."""
    recipe = tiger.VARIANTS["tuned"].changed({"batches.history": length + ROOM})
    codes = ItemCodes(np.random.default_rng(0).integers(0, 256, (ITEMS, 4)), (256,) * 4)
    model = recipe.model.build(recipe.backbone, codes, length + ROOM).eval()
    return FittedModel(recipe, CATALOG, model, torch.ones(ITEMS))


def ranker(length: int) -> FittedRanker:
    """DFGR, whose windows hold all of these histories."""
    recipe = dfgr.RECIPE.changed({"batches": {"history": length + ROOM, "slack": 0}})
    schema = Schema(ITEMS, ("click", "like"), ("click", "like"))
    return FittedRanker(recipe, CATALOG, recipe._build(schema, {}, 0).eval())


CATALOG = Catalog(pl.DataFrame({"item_id": [str(item) for item in range(ITEMS)]}))
SYSTEMS: dict[str, Callable[[int], Recommender]] = {
    "sasrec": lambda length: scorer(sasrec.VARIANTS["tuned"], length),
    "hstu": lambda length: scorer(hstu.VARIANTS["tuned"], length),
    "tokens": writer,
    "dfgr": ranker,
}


class People:
    """Users to whom one event after another happens."""

    def __init__(self, users: int, length: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.items = [
            list(self.rng.integers(0, ITEMS, n)) for n in self.rng.integers(length * 3 // 4, length + 1, users)
        ]

    def happen(self) -> None:
        for past in self.items:
            past.append(int(self.rng.integers(ITEMS)))

    def ask(self, system: Recommender) -> Callable[[], Any]:
        """The question about all of them, as a request brings it."""
        lengths = np.array([len(past) for past in self.items])
        ends = np.cumsum(lengths)
        items = np.concatenate([np.array(past, dtype=np.int64) for past in self.items])
        times = np.concatenate([np.arange(n) * 977 for n in lengths])
        nobody = np.full(len(lengths), -1)
        histories = Histories(items, ends - lengths, ends, nobody, times)
        if not isinstance(system, FittedRanker):
            return lambda: system.recommend(histories, K)
        shown = len(lengths) * CANDIDATES
        asked = Impressions(
            histories=Histories(items, ends - lengths, ends, nobody, times, asked_at=np.full(len(lengths), 10**6)),
            actions=(items[:, None] % np.array([2, 3]) == 0).astype(np.int8),
            items=np.arange(shown) % ITEMS,
            bounds=np.arange(len(lengths) + 1) * CANDIDATES,
            labels=np.full((shown, 2), UNKNOWN, dtype=np.int8),
            events=np.full(shown, -1),
        )
        return lambda: system.probabilities(asked)


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measured(name: str, length: int, users: int, events: int, seed: int) -> dict[str, Any]:
    """Medians over the steps, and their ratios."""
    torch.manual_seed(seed)
    plain = SYSTEMS[name](length)
    keeping = with_kept_histories(plain, 1024.0)
    people = People(users, length, seed)
    times: dict[str, list[float]] = {"anew": [], "one_event": [], "nothing_new": []}
    for step in range(events + 1):
        one = seconds(people.ask(keeping))
        again = seconds(people.ask(keeping))
        anew = seconds(people.ask(plain))
        if step:  # the first one reads from the start on both sides
            for what, value in zip(times, (anew, one, again), strict=True):
                times[what].append(value)
        people.happen()
    memory = memory_of(keeping)
    assert memory is not None
    short = length * 3 // 4 < SHORT  # then some may have been read anew
    assert short or memory.extended == events * users, "a history was read anew"
    took = {what: statistics.median(values) for what, values in times.items()}
    return {
        "system": name,
        "length": length,
        "users": users,
        "one_event": round(took["anew"] / took["one_event"], 2),
        "nothing_new": round(took["anew"] / took["nothing_new"], 2),
        "anew_ms": round(1e3 * took["anew"], 2),
        "kept_kb_a_user": round(memory.nbytes / users / 1024),
    }


def main() -> None:
    parser = arguments(__doc__ or "", log=False)
    parser.add_argument("--quick", action="store_true", help="small sizes, to show that everything runs")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--systems", nargs="*", default=list(SYSTEMS), choices=list(SYSTEMS))
    parser.add_argument("--lengths", type=int, nargs="*", default=LENGTHS)
    parser.add_argument("--users", type=int, nargs="*", default=USERS)
    given = begin(parser)
    lengths, many = ((32,), (1, 2)) if given.quick else (given.lengths, given.users)
    lines = [
        measured(name, length, users, 2 if given.quick else given.events, given.seed)
        for name in given.systems
        for length in lengths
        for users in many
    ]
    report(
        given, "segue_kept_histories", "answers after one new event a user, histories kept",
        min(line["one_event"] for line in lines), "times reading anew", ("segue", "torch"), k=K, items=ITEMS,
        candidates=CANDIDATES, lines=lines,
    )  # fmt: skip


if __name__ == "__main__":
    main()
