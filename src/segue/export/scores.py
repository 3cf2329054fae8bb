"""Systems around a model that scores items: a padded history in, a vector of the user and all scores out."""

from __future__ import annotations

from typing import Any, cast, no_type_check

import torch
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan
from torch.nn.functional import gelu, linear, normalize

from segue.backbones import gru, hstu
from segue.core.errors import SettingsError
from segue.core.recipe import FittedModel, ScoringRecipe
from segue.export.padded import Newest, PaddedHstu, PaddedTransformer, at
from segue.layers.transformer import Transformer
from segue.models.item_scorer import ItemScorerModel


class ScoresGraph(nn.Module):
    """`ItemScorerModel` over padded rows; a row without events gets the popularity of the items."""

    counts: Tensor

    def __init__(self, fitted: FittedModel, *, timed: bool) -> None:
        super().__init__()
        model = fitted.model
        if not isinstance(model, ItemScorerModel):
            raise SettingsError(f"{fitted.recipe.name}: only models of the kind item_scorer can be exported.")
        self.model = model
        self.question = model.part.question == "mask"
        self.newest = Newest(model.history)
        self.trunk = _padded(model.trunk, fitted, model.history + self.question, timed)
        self.timed = isinstance(self.trunk, PaddedHstu) and self.trunk.timed
        self.told = self.timed and fitted.recipe.knows_target_time
        self.register_buffer("counts", fitted.counts.float())

    def forward(
        self,
        items: Tensor,
        lengths: Tensor,
        timestamps: Tensor | None = None,
        asked_at: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Vectors of the users, and the score of every item."""
        kept, places = self.newest(lengths, items.shape[1])
        items = items.gather(1, places)
        last = kept - 1
        if self.question:
            steps = torch.arange(items.shape[1] + 1, device=items.device)
            items = torch.cat([items, torch.zeros_like(items[:, :1])], dim=1)
            items = torch.where(steps == kept[:, None], self.model.mask, items)
            kept, last = kept + 1, kept
        vectors = self.model.table(items)
        if self.model.part.scaled:
            vectors = vectors * vectors.shape[-1] ** 0.5
        if isinstance(self.trunk, PaddedHstu):
            times = None if timestamps is None else timestamps.gather(1, places)
            hidden, _ = self.trunk(vectors, kept, self._asked(times, last, asked_at), times)
        else:
            hidden, _ = self.trunk(vectors, kept)
        users = at(hidden, last)
        users = torch.where(lengths[:, None] > 0, self._asking(users), 0.0)
        scores = users @ self.model.item_vectors().T
        return users, torch.where(lengths[:, None] > 0, scores, self.counts)

    def _asking(self, users: Tensor) -> Tensor:
        """What is compared with the vectors of items."""
        part, head = self.model.part, self.model.head
        if head is not None:
            users = head.norm(gelu(head.dense(users)))
        if part.normalized:
            users = normalize(users, dim=-1)
        elif head is not None:
            users = torch.cat([users, torch.ones_like(users[:, :1])], dim=1)  # meets the items' bias
        return users / part.temperature if part.temperature != 1.0 else users

    def _asked(self, times: Tensor | None, last: Tensor, asked_at: Tensor | None) -> Tensor | None:
        """The time that each event looks back from: its own, or where that is told, that of the event after it."""
        if times is None or asked_at is None:
            return times
        steps = torch.arange(times.shape[1], device=times.device)
        following = times.gather(1, torch.minimum(steps + 1, last.clamp_min(0)[:, None]))
        return torch.where(steps == last[:, None], asked_at[:, None], following)


class PaddedGru(nn.Module):
    """GRU over padded rows: what stands behind the newest event is read last and never asked for."""

    def __init__(self, recurrent: nn.GRU) -> None:
        super().__init__()
        self.gru = recurrent

    def forward(self, vectors: Tensor, lengths: Tensor) -> tuple[Tensor, list[Any]]:
        """The hidden vectors."""
        for layer in range(self.gru.num_layers):
            vectors = self._layer(vectors, layer)
        return vectors, []

    def _layer(self, vectors: Tensor, layer: int) -> Tensor:
        """One layer; what enters is multiplied at once, and only the recurrence goes step by step."""
        entering, recurring, bias, recurring_bias = (
            getattr(self.gru, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        entered = linear(vectors, entering, bias).transpose(0, 1).contiguous()  # width users gates
        begin = torch.zeros(vectors.shape[0], vectors.shape[2], device=vectors.device)

        @no_type_check  # a checker of shapes would be traced along with it
        def step(state: Tensor, gates: Tensor) -> tuple[Tensor, Tensor]:
            of_reset, of_update, of_new = linear(state, recurring, recurring_bias).chunk(3, dim=1)
            reset, update, new = gates.chunk(3, dim=1)
            reset, update = torch.sigmoid(reset + of_reset), torch.sigmoid(update + of_update)
            new = torch.tanh(new + reset * of_new)
            state = (1 - update) * new + update * state
            return state, state.clone()

        _, states = scan(step, begin, entered)
        return states.transpose(0, 1)


def _padded(trunk: nn.Module, fitted: FittedModel, length: int, timed: bool) -> nn.Module:
    """The same trunk over padded rows.

    Raises:
        SettingsError: there is no such form of it.
    """
    if isinstance(trunk, Transformer):
        return PaddedTransformer(trunk, length)
    assert isinstance(fitted.recipe, ScoringRecipe)
    backbone = fitted.recipe.backbone
    if isinstance(backbone, hstu.Hstu) and not backbone.candidates:
        return PaddedHstu(cast(hstu._Trunk, trunk), length, timed=timed and backbone.timed)
    if isinstance(backbone, gru.Gru):
        return PaddedGru(cast(gru._Trunk, trunk).gru)
    raise SettingsError(
        f"{fitted.recipe.name}: the trunk {backbone.kind()} cannot be exported with these settings; "
        "causal_transformer, bidirectional, hstu (without candidates) and gru can."
    )
