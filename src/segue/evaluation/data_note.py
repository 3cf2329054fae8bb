"""What a reader should know of the data before believing a number: how they were read, and what is wrong."""

from __future__ import annotations

from html import escape
from typing import Literal

from pydantic import Field

from segue.evaluation.note import Note

TOLD = ("own cut", "order read")
"""Findings that are said before learning though they are not serious."""
LEFT_OUT = "left out"
ROLES = ("user", "item", "time", "order", "rating", "request", "split")
"""The roles of columns that are said one by one."""
KINDS = {"number": "numbers", "word": "words", "text": "texts"}
"""The roles of the other columns, and how they are said."""


class ColumnNote(Note):
    """What a column of the source was taken for, and why."""

    column: str
    role: str
    why: str = ""


class FindingNote(Note):
    """What an audit found: how grave it is, the fact, what to do."""

    name: str
    severity: Literal["look", "serious"]
    fact: str
    advice: str = ""


class DataNote(Note):
    """The data as they were read, prepared and cut."""

    source: str = ""
    """Which data these are and as what they were read."""
    columns: list[ColumnNote] = Field(default_factory=list)
    rows: int = 0
    """Rows of the source; 0 where there was none."""
    dropped: dict[str, int] = Field(default_factory=dict)
    """Rows that were dropped, by reason."""
    chosen: list[str] = Field(default_factory=list)
    """What nobody had set and was decided by the data."""
    notes: list[str] = Field(default_factory=list)
    """What the reader of the source has to say."""
    findings: list[FindingNote] = Field(default_factory=list)
    """What could make numbers mislead, the serious first."""

    @property
    def serious(self) -> list[FindingNote]:
        """The findings that stand against any number on these data."""
        return [finding for finding in self.findings if finding.severity == "serious"]

    def lines(self) -> list[tuple[str, str]]:
        """All but most of what is only worth a look, line by line: what it is about, and the words."""
        lines = [("data", self.source)] if self.source else []
        lines += [("columns", self._columns())] if self.columns else []
        lines += [("dropped", self._dropped())] if any(self.dropped.values()) else []
        lines += [("note", note) for note in self.notes]
        lines += [("chosen", words) for words in self.chosen]
        lines += [("look", f"{one.fact} {one.advice}") for one in self.findings if one.name in TOLD]
        return lines + [("serious", f"{finding.fact} {finding.advice}".strip()) for finding in self.serious]

    def _columns(self) -> str:
        said = [f"{one.role} = {_reasoned(one)}" for role in ROLES for one in self.columns if one.role == role]
        for role, words in KINDS.items():
            names = [one.column for one in self.columns if one.role == role]
            said += [f"{words}: {', '.join(names)}"] if names else []
        out = [_reasoned(one) for one in self.columns if one.role == LEFT_OUT]
        return "; ".join([*said, *([f"left out: {', '.join(out)}"] if out else [])])

    def _dropped(self) -> str:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.dropped.items() if count)
        return f"{sum(self.dropped.values()):,} of {self.rows:,} rows: {reasons}"


def data_section(note: DataNote | None) -> str:
    """The top of a page: what stands against the numbers, then how the data were read."""
    if note is None or not (note.lines() or note.findings):
        return ""
    serious = "".join(
        f'<div class="card"><h3>Serious</h3><p>{escape(finding.fact)}</p>'
        f'<p class="soft">{escape(finding.advice)}</p></div>'
        for finding in note.serious
    )
    said = "".join(
        f"<dt>{label}</dt><dd>{escape(words)}</dd>" for label, words in note.lines() if label not in ("serious", "look")
    )
    look = "".join(
        f'<li>{escape(finding.fact)} <span class="soft">{escape(finding.advice)}</span></li>'
        for finding in note.findings
        if finding.severity == "look"
    )
    title = "Before you believe a number" if serious else "The data"
    return (
        f"<section><h2>{title}</h2>"
        + (f'<div class="grid2">{serious}</div>' if serious else "")
        + (f"<dl>{said}</dl>" if said else "")
        + (f"<details><summary>Worth a look</summary><ul>{look}</ul></details>" if look else "")
        + "</section>"
    )


def _reasoned(one: ColumnNote) -> str:
    return f"{one.column} ({one.why})" if one.why else one.column
