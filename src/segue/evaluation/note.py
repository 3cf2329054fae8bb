"""The pieces that reports are made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Note(BaseModel):
    """A frozen part of a report; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
