"""The definition over a few neighbouring rows at a time, so that weights stay small and little is padded.

Rows are sorted by length and hold very different numbers of candidates: one rectangle for all of them would be as wide
as the longest row times the most candidates.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from segue.core.batches import Rows
from segue.core.impressions import Candidates
from segue.kernels.candidate_attention import reference

CELLS = 1 << 20
"""Attention weights computed at once, where one row alone does not have more."""


def attention(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    rows: Rows,
    candidates: Candidates,
    own_keys: Tensor,
    own_values: Tensor,
) -> Tensor:
    """See `candidate_attention`."""
    shown = reference.shown_rows(candidates, rows)
    pieces = list(_pieces(rows, shown, queries.shape[1]))
    bounds, starts = rows.offsets.tolist(), shown.offsets.tolist()
    tokens = [bounds[last] - bounds[first] for first, last in pieces]
    counts = [starts[last] - starts[first] for first, last in pieces]
    split_by = [part.split(counts) for part in (queries, own_keys, own_values, candidates.owners, candidates.at)]
    mixed = [
        reference.attention(
            q, k, v, Rows(rows.offsets[first : last + 1] - bounds[first]), Candidates(owners - first, at, None), *own
        )
        for (first, last), k, v, q, *own, owners, at in zip(
            pieces, keys.split(tokens), values.split(tokens), *split_by, strict=True
        )
    ]
    return torch.cat(mixed) if mixed else queries.flatten(1)


def _pieces(rows: Rows, shown: Rows, heads: int) -> Iterator[tuple[int, int]]:
    """First and last (exclusive) row of pieces whose padded weights are at most `CELLS`."""
    lengths, counts = rows.lengths.tolist(), shown.lengths.tolist()
    first, longest, most = 0, 0, 0
    for row, (length, count) in enumerate(zip(lengths, counts, strict=True)):
        wider, taller = max(longest, length + 1), max(most, count)
        if row > first and (row - first + 1) * wider * taller * heads > CELLS:
            yield first, row
            first, wider, taller = row, length + 1, count
        longest, most = wider, taller
    if len(lengths):
        yield first, len(lengths)
