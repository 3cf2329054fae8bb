"""A published number that a system is held against, and how to measure ours beside it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, PositiveInt


class Claim(BaseModel):
    """One row of the ledger, planned: which system on which data under which protocol, and what was published.

    Rows with the same `trained` share their run folders: they ask one fitted system different questions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    system: str
    """The recipe or variant."""
    row: str
    """The name of this row on the command line."""
    data: str
    """The data set's path inside the data folder."""
    settings: dict[str, Any] = {}
    """Changes of settings for this data set, chosen on its validation cases."""
    asked: dict[str, Any] = {}
    """Changes of the evaluation alone, such as `evaluation.seen`."""
    trained: str = ""
    """The row whose run folders this one asks; its own unless given."""
    published: dict[str, float] = {}
    """By metric; empty where nobody has published this number."""
    source: str = ""
    """Whose number it is and under which protocol."""
    evidence: Literal["read", "recalled", "inferred", ""] = ""
    """How we know the published number."""
    seeds: PositiveInt = 3
    """How many seeds the row wants."""

    @property
    def run_name(self) -> str:
        """The folder that its runs share."""
        return f"{self.system}--{self.trained or self.row}"
