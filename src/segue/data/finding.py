"""One fact about data and split that could make numbers mean something else than they seem to."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Severity = Literal["info", "look", "serious"]
MANY = 0.1
"""The share of the test from which on a fault of it is serious."""


class Finding(BaseModel):
    """One fact, how grave it is, and what to do about it."""

    model_config = ConfigDict(frozen=True)

    name: str
    severity: Severity
    count: int
    of: int
    fact: str
    advice: str = ""


def grave(count: int, of: int, share: float = MANY) -> Severity:
    """Serious from this share on, worth a look where there is any."""
    return "serious" if count > share * of else "look" if count else "info"
