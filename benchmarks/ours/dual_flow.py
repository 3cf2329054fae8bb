"""DFGR's two flows beside MetaGR's interleaved one: one history of N events, turn about in one process.

For each N: how many times longer MetaGR takes, for attention alone and for a whole layer, to learn (forward and
backward, every event asked about) and to use (64 candidates, no gradients), beside what counting says of our kernels'
work; and how many candidates a second a DFGR trunk of two layers judges beside a cached history, and how many times
faster than when it is read anew. The value is the ratio of a layer's training step at the largest N. Published: 2 to
learn, 4 to use, counting attention alone and every pair of tokens, candidates with tokens for their actions among them.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.measuring import arguments, begin, report
from segue.backbones.hstu import Hstu
from segue.core.batches import Rows
from segue.core.impressions import Candidates
from segue.kernels.hstu_candidate_attention import hstu_candidate_attention
from segue.layers.judging import Judging

WIDTH, HEADS = 256, 4
LENGTHS = (256, 512, 1024, 2048, 4096)
CANDIDATES = 64


class History:
    """One row of N events as both layouts see it: `steps` tokens an event, and what is asked about."""

    def __init__(self, events: int, steps: int, learning: bool) -> None:
        self.tokens = events * steps
        self.rows = Rows(torch.tensor([0, self.tokens]))
        self.times = (torch.arange(events) * 977).repeat_interleave(steps)
        self.learning = learning
        if steps == 2 and learning:
            at = torch.zeros(0, dtype=torch.long)  # answers are read at the items' own tokens
        else:
            at = torch.arange(events) if learning else torch.full((CANDIDATES,), self.tokens)
        times = self.times[at.clamp_max(self.tokens - 1)]
        self.candidates = Candidates(torch.zeros_like(at), at, times)

    @property
    def pairs(self) -> int:
        """Queries and keys that meet."""
        return self.tokens * (self.tokens + 1) // 2 + int(self.candidates.at.sum())

    def flops(self, layer: bool) -> float:
        """Of the forward pass, by counting: 4 D a pair, and 10 D^2 a token where the whole layer counts."""
        tokens = self.tokens + len(self.candidates.at)
        return 4.0 * WIDTH * self.pairs + (10.0 * WIDTH**2 * tokens if layer else 0.0)

    def attention(self, parts: tuple[Tensor, ...], biases: tuple[Tensor, Tensor]) -> Tensor:
        """Both flows, without a layer around them."""
        places = self.rows.positions
        zeros = torch.zeros_like(places)
        total = parts[0].new_zeros(())
        for owners, at, at_place, times in (
            (zeros, places + 1, places, self.times),
            (self.candidates.owners, self.candidates.at, self.candidates.at, self.candidates.times),
        ):
            if len(at):
                total = total + hstu_candidate_attention(
                    parts[0][: len(at)], parts[1], parts[2], self.rows, owners, at, position_bias=biases[0],
                    time_bias=biases[1], query_times=times, key_times=self.times, constant=float(self.tokens + 1),
                    places=at_place,
                ).sum()  # fmt: skip
        return total

    def layer(self, trunk: Judging, vectors: Tensor) -> Tensor:
        """A whole layer for all tokens."""
        context = trunk.read(vectors[: self.tokens], self.rows, self.times, states=True)
        assert context.states is not None
        total = context.states.sum()
        if len(self.candidates.at):
            total = total + trunk.judge(context, vectors[: len(self.candidates.at)], self.candidates).sum()
        return total


def seconds(work: Callable[[], Tensor], learning: bool) -> float:
    """One step."""
    start = time.perf_counter()
    if learning:
        torch.autograd.backward(work())
    else:
        with torch.no_grad():
            work()
    return time.perf_counter() - start


def ratio(one: Callable[[], Tensor], other: Callable[[], Tensor], learning: bool, repeats: int) -> tuple[float, float]:
    """How many times longer `other` takes, and how long `one` does: medians of steps in turn."""
    found = [(seconds(one, learning), seconds(other, learning)) for _ in range(repeats + 1)][1:]
    return statistics.median(b / a for a, b in found), statistics.median(a for a, _ in found)


def built(depth: int, tokens: int, own: bool) -> Judging:
    trunk = Hstu(width=WIDTH, depth=depth, heads=HEADS, head_width=WIDTH // HEADS, dropout=0.0, own=own).build(
        tokens + 1
    )
    assert isinstance(trunk, Judging)
    return trunk


def measured(events: int, repeats: int) -> dict[str, float]:
    """All figures of one N."""
    line: dict[str, float] = {"N": events}
    for word, learning in (("learn", True), ("use", False)):
        sides = [History(events, steps, learning) for steps in (1, 2)]
        attentions, layers = [], []
        for steps, side in enumerate(sides, start=1):
            parts = tuple(torch.randn(side.tokens, HEADS, WIDTH // HEADS, requires_grad=True) for _ in "qkv")
            biases = torch.randn(side.tokens + 1, requires_grad=True), torch.randn(129, requires_grad=True)
            trunk, vectors = built(1, side.tokens, steps == 2), torch.randn(side.tokens + CANDIDATES, WIDTH)
            attentions.append(lambda side=side, parts=parts, biases=biases: side.attention(parts, biases))
            layers.append(lambda side=side, trunk=trunk, vectors=vectors: side.layer(trunk, vectors))
        for what, works in (("attention", attentions), ("layer", layers)):
            name = f"{word}_{what}"
            line[name], line[f"{name}_seconds"] = ratio(works[0], works[1], learning, repeats)
            line[f"{name}_counted"] = sides[1].flops(what == "layer") / sides[0].flops(what == "layer")
    line |= caching(events, repeats)
    return {name: float(f"{value:.4g}") for name, value in line.items()}


def caching(events: int, repeats: int) -> dict[str, float]:
    """Candidates a second by a DFGR trunk of two layers, the history kept and read anew."""
    side, trunk, vectors = History(events, 1, learning=False), built(2, events, own=False), torch.randn(events, WIDTH)
    asked = torch.randn(CANDIDATES, WIDTH)
    with torch.no_grad():
        context = trunk.read(vectors, side.rows, side.times)
    kept = lambda: trunk.judge(context, asked, side.candidates)  # noqa: E731 - two one-line works to time
    anew = lambda: trunk.judge(trunk.read(vectors, side.rows, side.times), asked, side.candidates)  # noqa: E731
    times, one = ratio(kept, anew, False, repeats)
    return {"cached_per_second": CANDIDATES / one, "cached_times_faster": times}


def main() -> None:
    parser = arguments(__doc__ or "", log=False)
    parser.add_argument("--quick", action="store_true", help="small sizes, to show that everything runs")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--longest", type=int, default=LENGTHS[-1], help="the largest N")
    given = begin(parser)
    lengths, repeats = [events for events in LENGTHS if events <= given.longest], given.repeats
    if given.quick:
        lengths, repeats = [128, 256], 1
    lines = [measured(events, repeats) for events in lengths]
    report(
        given, "segue_dfgr_layer", f"training step of a layer, N = {lengths[-1]}, D = {WIDTH}, {HEADS} heads",
        round(lines[-1]["learn_layer"], 2), "times DFGR's step", ("segue", "torch"), candidates=CANDIDATES, lines=lines,
    )  # fmt: skip


if __name__ == "__main__":
    main()
