"""Small matrices learnt beside large frozen ones."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt

from segue.core.part import Part


class Lora(Part):
    """Low-rank adapters: W x becomes W x + (alpha / rank) B A x, and only A and B are learnt.

    Source: LoRA, arXiv:2106.09685; the defaults are BIGRec's and SOFT's. B begins at zero, so nothing changes at first.
    """

    rank: PositiveInt = 8
    """Columns of B."""
    alpha: PositiveFloat = 16.0
    """The adapters' weight, times the rank."""
    dropout: float = Field(default=0.05, ge=0, lt=1)
    """Share of what A reads that is zeroed in training."""
    targets: tuple[str, ...] = ("q_proj", "v_proj")
    """The layers that get adapters, by the last part of their names."""
