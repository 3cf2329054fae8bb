"""The k best of many scores, exact, with equal scores going to the lower index.

Scores are cut into chunks. The k best scores lie in the k chunks with the largest maxima (ties to the lower chunk), so
only those are sorted: one pass over all scores at the speed of memory, then a few thousand keys a row. A key is the
score's bits in their order with the index below, so that no two are equal and the answer is always the same.
"""

from __future__ import annotations

import torch
from torch import Tensor

from segue.core.shapes import Float, Int

CHUNK = 128
"""Scores that share one maximum."""


def padded_scores(rows: int, items: int, device: torch.device) -> Float[Tensor, "rows items"]:
    """Room for scores in whole chunks, reused block after block; write the first `items` columns."""
    return torch.full((rows, -(-items // CHUNK) * CHUNK), -torch.inf, device=device)


def top_k(scores: Float[Tensor, "rows padded"], k: int) -> tuple[Float[Tensor, "rows k"], Int[Tensor, "rows k"]]:
    """The k largest scores of each row, best first, and their columns; the row length is a multiple of `CHUNK`.

    Raises:
        FloatingPointError: a score is not a number: the model has diverged.
    """
    rows, width = scores.shape
    chunks = scores.view(rows, width // CHUNK, CHUNK)
    best = chunks.amax(2)
    if best.isnan().any():
        raise FloatingPointError("A score is not a number (NaN): the model has diverged. Lower the learning rate.")
    chosen = _largest(best, min(k, best.shape[1])).sort(1).values
    scores = chunks.gather(1, chosen[:, :, None].expand(-1, -1, CHUNK)).flatten(1)
    columns = (chosen[:, :, None] * CHUNK + torch.arange(CHUNK, device=scores.device)).flatten(1)
    places = _largest(scores, min(k, scores.shape[1]))  # ascending chunks keep index order
    return scores.gather(1, places), columns.gather(1, places)


def _largest(values: Tensor, k: int) -> Tensor:
    """Columns of the k largest values of each row, best first, ties to the lower column."""
    bits = (values.float() + 0.0).view(torch.int32).long()  # + 0.0 makes one zero of the two
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)  # as integers they compare as floats do
    last = values.shape[1] - 1
    keys = (ordered << 32) | (last - torch.arange(values.shape[1], device=values.device))
    return last - (keys.topk(k, dim=1).values & 0xFFFFFFFF)
