"""What stands beside a generator and says how much flow goes through a prefix."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from segue.core.shapes import Float


class FlowHead(nn.Module):
    """log F of a prefix from the state after it, by two layers, in float32 also under autocast.

    GFlowGR (arXiv:2506.16114) does not say how its flow estimator is built; this is ours. It begins near
    `begin_at` for everybody. At the empty prefix it is log Z of the user.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.widen = nn.Linear(width, width)
        self.narrow = nn.Linear(width, 1)
        nn.init.normal_(self.narrow.weight, std=0.1 * width**-0.5)
        self.begin_at(0.0)

    def begin_at(self, log_flow: float) -> None:
        """Let it say about this of every prefix."""
        nn.init.constant_(self.narrow.bias, log_flow)

    def forward(self, states: Float[Tensor, "*prefixes width"]) -> Float[Tensor, "*prefixes"]:
        """log F of each prefix (nats)."""
        with torch.autocast(states.device.type, enabled=False):
            flow: Tensor = self.narrow(silu(self.widen(states.float())))
        return flow.squeeze(-1)
