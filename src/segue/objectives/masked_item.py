"""Guess the hidden events of a history from both sides: BERT4Rec's Cloze task."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch
from pydantic import Field

from segue.core.batches import SequenceBatch
from segue.core.errors import SettingsError
from segue.core.forms import Loss, Objective, ScoringModel
from segue.kernels.linear_cross_entropy import linear_cross_entropy


@runtime_checkable
class MaskingModel(ScoringModel, Protocol):
    """A scoring model that has a token for an item to be guessed."""

    @property
    def mask(self) -> int:
        """The token's number."""
        ...


class MaskedItem(Objective[ScoringModel]):
    """Cross entropy of the hidden items against the whole catalog.

    Each event is hidden with probability `share` and always replaced by the mask token. A share `last_only` of the
    histories hides just its newest event, which is the question asked at test time.

    Source: BERT4Rec, arXiv:1904.06690, section 3.6. Theirs writes ten masked copies of each sequence to disk once; ours
    masks afresh whenever a history comes by.
    """

    share: float = Field(default=0.2, gt=0, lt=1)
    """Probability that an event is hidden."""
    last_only: float = Field(default=0.1, ge=0, le=1)
    """Share of histories of which only the newest event is hidden."""

    def __call__(self, model: ScoringModel, batch: SequenceBatch, rng: torch.Generator) -> Loss:
        """The sum over hidden events, in nats.

        Raises:
            SettingsError: the model has no mask token.
        """
        if not isinstance(model, MaskingModel) or not hasattr(model, "mask"):  # a class may have one by settings only
            raise SettingsError("objective: MaskedItem needs a model that asks by mask; set model.question=mask.")
        rows = batch.rows
        hidden = torch.rand(len(batch.items), generator=rng, device=rng.device) < self.share
        only_last = (torch.rand(len(rows), generator=rng, device=rng.device) < self.last_only)[rows.owners]
        newest = torch.zeros_like(hidden).index_fill_(0, rows.last[rows.lengths > 0], True)
        hidden = torch.where(only_last, newest, hidden)
        asked = replace(batch, items=torch.where(hidden, model.mask, batch.items), targets=None)
        states = model.states(asked)[hidden]
        total = linear_cross_entropy(states, model.item_vectors(), batch.items[hidden])
        return Loss(total, hidden.sum().float())
