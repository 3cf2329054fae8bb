"""A balanced assignment of items to codes: Sinkhorn's iteration, for one batch or for many small groups at once.

Cuturi 2013, "Sinkhorn Distances", NeurIPS, arXiv:1306.0895.
"""

from __future__ import annotations

import torch
from torch import Tensor

from segue.core.shapes import Float, Int

TINY = 1e-300
"""Keeps divisions finite; the kernel below never falls under e^-700 or so for a sensible epsilon."""


def balanced_plan(
    costs: Float[Tensor, "rows codes"],
    epsilon: float,
    iterations: int,
    groups: Int[Tensor, " rows"] | None = None,
) -> Float[Tensor, "rows codes"]:
    """Which share of each row goes to each code when all codes of a group must get equally much; rows sum to 1.

    `epsilon` blurs the plan and is in units of half the spread of a group's costs. Each group is balanced for itself;
    without `groups` all rows are one. Runs in float64: the kernel's range is too wide for less.
    """
    exact = costs.double()
    if groups is None:
        groups = torch.zeros(len(costs), dtype=torch.int64, device=costs.device)
    count = int(groups.max()) + 1 if len(groups) else 0
    high = exact.new_full((count,), -torch.inf).scatter_reduce(0, groups, exact.amax(1), "amax")
    low = exact.new_full((count,), torch.inf).scatter_reduce(0, groups, exact.amin(1), "amin")
    spread = ((high - low) / 2).clamp_min(1e-12)[groups, None]
    # What is the same for all codes of a row cancels out, so every row may start from its nearest code.
    kernel = torch.exp(-(exact - exact.amin(1, keepdim=True)) / (spread * epsilon))
    wanted = torch.bincount(groups, minlength=count)[:, None] / costs.shape[1]  # of each code, by group
    columns = exact.new_ones(count, costs.shape[1])
    rows = exact.new_ones(len(costs), 1)
    for _ in range(iterations):
        if count == 1:
            rows = 1.0 / (kernel @ columns[0]).clamp_min(TINY)[:, None]
            columns = (wanted[0] / (rows[:, 0] @ kernel).clamp_min(TINY))[None]
        else:
            rows = 1.0 / (kernel * columns[groups]).sum(1, keepdim=True).clamp_min(TINY)
            columns = wanted / torch.zeros_like(columns).index_add_(0, groups, kernel * rows).clamp_min(TINY)
    plan = kernel * rows * columns[groups]
    return plan / plan.sum(1, keepdim=True).clamp_min(TINY)
