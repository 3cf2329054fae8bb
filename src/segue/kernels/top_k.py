"""The k best of many scores, exact, with equal scores going to the lower column, and never all scores at once.

Scores come tile by tile, in order of columns. Each tile is cut into chunks, and only the largest score of a chunk is
compared with what a row already holds: one pass at the speed of memory, after which almost nothing is left to sort. A
later tile has higher columns, so a score that only equals the k-th best so far rightly loses to it.

Inside a tile the k best lie in the k chunks with the largest maxima (ties to the lower chunk). They are sorted by a key
of the score's bits in their order with the column below, so that no two are equal and the answer is always the same.
"""

from __future__ import annotations

import torch
from torch import Tensor

from segue.core.errors import diverged
from segue.core.shapes import Float, Int

CHUNK = 128
"""Scores that share one maximum."""
ROWS = 64
"""Rows of a whole tile sorted at once: bounds the memory of their keys."""


class TopK:
    """The k best so far of each row; what was never filled has score -inf."""

    def __init__(self, rows: int, k: int, device: torch.device) -> None:
        self.values: Float[Tensor, "rows k"] = torch.full((rows, k), -torch.inf, device=device)
        self.columns: Int[Tensor, "rows k"] = torch.zeros(rows, k, dtype=torch.int64, device=device)
        self.empty = True

    def add(self, scores: Float[Tensor, "rows padded"], first: int) -> None:
        """Look at a tile whose first column is `first`; its width is a multiple of `CHUNK`, filled up with -inf.

        Raises:
            RunError: a score is not a number: the model has diverged.
        """
        rows, k = self.values.shape
        chunks = scores.view(rows, -1, CHUNK)
        best = chunks.amax(2)
        if best.isnan().any():
            raise diverged("A score is not a number (NaN)")
        threshold = self.values[:, -1]
        row, chunk = (best > threshold[:, None]).nonzero(as_tuple=True)
        if len(row) > rows * k or self.empty:
            pieces = [_best_of(*some, k) for some in zip(chunks.split(ROWS), best.split(ROWS), strict=True)]
            values, columns = (torch.cat(parts) for parts in zip(*pieces, strict=True))
        else:
            values, columns = _above(chunks, row, chunk, threshold)
        if values.shape[1]:
            self._merge(values, columns + first)
        self.empty = False

    def _merge(self, values: Tensor, columns: Tensor) -> None:
        """Ours come first where scores are equal: their columns are lower."""
        values = torch.cat([self.values, values], dim=1)
        places = largest(values, self.values.shape[1])
        self.values = values.gather(1, places)
        self.columns = torch.cat([self.columns, columns], dim=1).gather(1, places)


def padded_scores(rows: int, items: int, device: torch.device) -> Float[Tensor, "rows items"]:
    """Room for a tile of scores in whole chunks, reused tile after tile; write the first `items` columns."""
    return torch.full((rows, -(-items // CHUNK) * CHUNK), -torch.inf, device=device)


def _best_of(chunks: Tensor, best: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best of each row of a whole tile and their columns, best first."""
    chosen = largest(best, min(k, best.shape[1])).sort(1).values
    scores = chunks.gather(1, chosen[:, :, None].expand(-1, -1, CHUNK)).flatten(1)
    columns = (chosen[:, :, None] * CHUNK + torch.arange(CHUNK, device=scores.device)).flatten(1)
    places = largest(scores, min(k, scores.shape[1]))  # ascending chunks keep the order of columns
    return scores.gather(1, places), columns.gather(1, places)


def _above(chunks: Tensor, row: Tensor, chunk: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor]:
    """All scores above their row's threshold, as rectangles filled up with -inf, in order of columns."""
    some = chunks[row, chunk]
    passing = some > threshold[row, None]
    which, place = passing.nonzero(as_tuple=True)
    owners = row[which]
    counts = torch.bincount(owners, minlength=len(chunks))
    widest = int(counts.max()) if len(owners) else 0
    cells = torch.arange(len(owners), device=row.device) - (counts.cumsum(0) - counts)[owners]
    values = chunks.new_full((len(chunks), widest), -torch.inf)
    columns = torch.zeros(len(chunks), widest, dtype=torch.int64, device=row.device)
    values[owners, cells] = some[passing]
    columns[owners, cells] = chunk[which] * CHUNK + place
    return values, columns


def largest(values: Tensor, k: int) -> Tensor:
    """Columns of the k largest values of each row, best first, ties to the lower column."""
    bits = (values.float() + 0.0).view(torch.int32).long()  # + 0.0 makes one zero of the two
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)  # as integers they compare as floats do
    last = values.shape[1] - 1
    keys = (ordered << 32) | (last - torch.arange(values.shape[1], device=values.device))
    return last - (keys.topk(k, dim=1).values & 0xFFFFFFFF)
