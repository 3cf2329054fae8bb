"""The definition, on any device: all rows and all candidates laid into padded rectangles, and a mask."""

from __future__ import annotations

import torch
from torch import Tensor

from segue.core.batches import Rows
from segue.core.impressions import Candidates
from segue.kernels.packed_attention.reference import rectangle


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
    shown = shown_rows(candidates, rows)
    places = torch.arange(int(rows.lengths.max()) if len(rows) else 0, device=queries.device)
    hidden = places >= rectangle(candidates.at, shown)[:, None, :, None]  # rows 1 shown tokens
    queries = queries * queries.shape[-1] ** -0.5
    own = (queries * own_keys).sum(-1, keepdim=True)  # shown heads 1
    asking, own_logits, own_seen = (
        rectangle(part, shown).transpose(1, 2) for part in (queries, own.to(queries.dtype), own_values)
    )
    logits = asking @ rectangle(keys, rows).permute(0, 2, 3, 1)  # rows heads shown tokens
    logits = torch.cat([logits.masked_fill(hidden, -torch.inf), own_logits], dim=-1)
    weights = torch.softmax(logits, dim=-1).to(values.dtype)
    mixed = weights[..., :-1] @ rectangle(values, rows).transpose(1, 2) + weights[..., -1:] * own_seen
    return mixed.transpose(1, 2)[shown.owners, shown.positions].flatten(1)


def shown_rows(candidates: Candidates, rows: Rows) -> Rows:
    """The candidates of each row as rows of their own."""
    counts = torch.bincount(candidates.owners, minlength=len(rows))
    return Rows(torch.cat([counts.new_zeros(1), counts.cumsum(0)]))
