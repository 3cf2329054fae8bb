"""A published number that a system is held against, and how to measure ours beside it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, PositiveInt, model_validator


class Claim(BaseModel):
    """One row of the ledger, planned: which system on which data under which protocol, and what was published.

    Rows with the same `trained` share their run folders: they ask one fitted system different questions. Rows with the
    same `group` are one published table, which `segue reproduce GROUP` makes; of those of one data set and protocol the
    first (or the `reference`) is what the others are held against, and rows that start from nothing come before those
    that start from a run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    system: str
    """The recipe or variant."""
    row: str
    """The name of this row on the command line."""
    data: str
    """The data set's path inside the data folder, or `world` for the simulated one."""
    settings: dict[str, Any] = {}
    """Changes of settings for this data set, chosen on its validation cases."""
    asked: dict[str, Any] = {}
    """Changes of the evaluation alone, such as `evaluation.seen`, and of a language model's `decoder`."""
    trained: str = ""
    """The row whose run folders this one asks; its own unless given."""
    published: dict[str, float] = {}
    """By metric; empty where nobody has published this number."""
    shown: tuple[str, ...] = ()
    """The metrics of its table; those published, or else HR@10 and NDCG@10, unless given."""
    source: str = ""
    """Whose number it is and under which protocol."""
    evidence: Literal["read", "recalled", "inferred", ""] = ""
    """How we know the published number."""
    seeds: PositiveInt = 3
    """How many seeds the row wants."""
    group: str = ""
    """The published table that this row belongs to."""
    reference: bool = False
    """Whether the others of its table are held against this row, where that is not the first."""
    beside: str = ""
    """The SYSTEM--ROW of its table that this row is also held against, both on the seeds that they share."""
    start: str = ""
    """The run name of the claim whose run of the same seed this one is fine-tuned from (the recipe's `start`)."""
    judge: str = ""
    """The run name of the claim whose first run is the collaborative model (`procedure.collaborative_run`)."""
    tuned: str = ""
    """The run name of the claim whose run of the same seed stands for the tuning (`procedure.tuned`)."""
    behaviour: str = ""
    """The run name of the claim whose first run has the vectors of the items (`behaviour.run`)."""
    drafts: str = ""
    """The run name of the claim whose run of the same seed wrote the drafts (`procedure.drafts`)."""
    sweep: str = ""
    """The quantity that is varied, where this row is one point of a sweep; such rows are drawn and in no table."""
    at: float | None = None
    """The value of that quantity. The point that shares its run with a row of the table is the default."""

    @model_validator(mode="after")
    def _check_sweep(self) -> Claim:
        if bool(self.sweep) != (self.at is not None):
            raise ValueError(f"{self.system} {self.row}: a point of a sweep needs both `sweep` and `at`.")
        return self

    @property
    def run_name(self) -> str:
        """The folder that its runs share."""
        return f"{self.system}--{self.trained or self.row}"
