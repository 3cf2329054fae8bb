"""Click models over padded rows: a rectangle of events is a packed batch whose rows are all of one length.

So a model reads and judges with its own code, and only what it gathers from the events of a candidate is said anew.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from segue.core.batches import Rows, SequenceBatch
from segue.core.impressions import Candidates, RankingBatch
from segue.export.padded import Padded
from segue.layers.click_model import ClickModel
from segue.layers.target_attention import TargetAttention
from segue.recipes.dcn_v2 import DcnV2Model
from segue.recipes.deepfm import DeepFmModel
from segue.recipes.din import DinModel
from segue.recipes.dlrm import DlrmModel


def click_flow(model: ClickModel) -> nn.Module | None:
    """The click model over padded rows; None for those that go through the events of each candidate one by one."""
    return _Clicks(model) if isinstance(model, DeepFmModel | DcnV2Model | DlrmModel | DinModel) else None


class _Clicks(nn.Module):
    """Asks a copy of the model (of its own weights) whose means and interests are taken over rectangles."""

    def __init__(self, model: ClickModel) -> None:
        super().__init__()
        self.recent = model.recent
        self.model: Any = copy.copy(model)
        # Instance attributes go before methods; the model that was handed in keeps its own.
        vars(self.model)["mean"] = self._mean
        if isinstance(model, DinModel):
            vars(self.model)["interest"] = self._interest

    def forward(self, asked: Padded) -> Tensor:
        """The log odds, `users candidates tasks`."""
        items, lengths, actions, candidates, _, _, facts = asked
        users = torch.arange(items.shape[0], device=items.device)
        owners = users[:, None].expand(candidates.shape).flatten()
        rows = Rows(torch.arange(items.shape[0] + 1, device=items.device) * items.shape[1])
        of_user = {name.removeprefix("user_"): value for name, value in facts.items() if name.startswith("user_")}
        of_place = {name.removeprefix("place_"): value for name, value in facts.items() if name.startswith("place_")}
        batch = RankingBatch(
            events=SequenceBatch(items=items.flatten(), rows=rows, order=users),
            actions=actions.flatten(0, 1),
            items=candidates.flatten(),
            candidates=Candidates(owners, lengths[owners], None),
            places=owners,
            order=owners,
            features={name: values.flatten() for name, values in of_place.items()},
            users=of_user,
        )
        self.shape = (items.shape[0], items.shape[1])
        logits = self.model.judge(batch, self.model.read(batch))
        return logits.view(candidates.shape[0], candidates.shape[1], logits.shape[-1])

    def _seen(self, batch: RankingBatch) -> Tensor:
        """Which events each candidate sees, `shown length`: the newest of those before it."""
        steps, at = torch.arange(self.shape[1], device=batch.items.device), batch.candidates.at[:, None]
        return (steps < at) & (steps >= at - self.recent)

    def _mean(self, vectors: Tensor, batch: RankingBatch) -> Tensor:
        """The mean over the events that each candidate sees."""
        flat = vectors.reshape(self.shape[0], self.shape[1], -1)
        seen = self._seen(batch).to(flat.dtype)
        total = (seen[:, :, None] * flat[batch.candidates.owners]).sum(dim=1)
        mean = total / seen.sum(dim=1, keepdim=True).clamp_min(1)
        return mean.view(-1, *vectors.shape[1:])

    def _interest(self, candidates: Tensor, batch: RankingBatch, history: Tensor) -> Tensor:
        """What each candidate gathers from the events that it sees; see `recipes.din`."""
        events = history.view(self.shape[0], self.shape[1], -1)[batch.candidates.owners]  # shown length width
        seen = self._seen(batch)
        weights = _weights(self.model.attention, candidates, events)
        if self.model.softmax:
            # Somebody who sees nothing would divide by nothing.
            weights = torch.softmax(weights.masked_fill(~seen, torch.finfo(weights.dtype).min), dim=1)
        return (weights.masked_fill(~seen, 0.0)[:, :, None] * events).sum(dim=1)


def _weights(attention: TargetAttention, candidates: Tensor, events: Tensor) -> Tensor:
    """A number for each candidate and each of its events, `shown length`."""
    product = candidates[:, None] * events
    hidden = attention.of_product(product) + attention.of_candidate(candidates)[:, None] + attention.of_event(events)
    numbers = attention.rest(attention.activation(hidden.flatten(0, 1)))
    return numbers.view(events.shape[0], events.shape[1])
