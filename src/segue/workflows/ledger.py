"""The ledger: one JSON file a row, and the pages made from it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from segue.core.errors import RunError
from segue.core.reading import read_json, shortly
from segue.core.whole import write_text
from segue.evaluation.protocol import Protocol
from segue.evaluation.report import DatasetNote

BEGIN, END = "<!-- ledger: written by `make docs` -->", "<!-- /ledger -->"
BEST = 5
"""Rows of each table that the README shows, beside those with a published number."""


class SeedNote(BaseModel):
    """What one seed gave and what it took."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    seed: int
    metrics: dict[str, float]
    standard_error: dict[str, float]
    """Over users."""
    seconds: float
    cpu_seconds: float
    peak_memory_mb: float


class Entry(BaseModel):
    """One measured row."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    system: str
    row: str
    dataset: DatasetNote
    protocol: Protocol
    fingerprint: str
    users: int
    seeds: list[SeedNote]
    published: dict[str, float]
    source: str
    evidence: str
    hardware: dict[str, str]
    versions: dict[str, str]
    command: str
    commit: str
    settings: dict[str, Any]
    """The resolved recipe."""
    group: str = ""
    """The published table that the row belongs to."""
    language: str = ""
    """The size of the language model, of systems that have one."""

    def headline(self) -> tuple[str, ...]:
        """What tables show, the deciding one last: hits of ten items, or of a ranker how well it tells and sorts."""
        known = self.seeds[0].metrics
        if "NDCG@10" in known:
            return "HR@10", "NDCG@10"
        tasks = [name.removeprefix("AUC ") for name in known if name.startswith("AUC ")]
        return f"LogLoss {tasks[0]}", f"GAUC {tasks[0]}", *(f"AUC {task}" for task in reversed(tasks))

    def file_name(self) -> str:
        """SYSTEM--DATASET--PROTOCOL.json"""
        return f"{self.system}--{self.row}--{self.fingerprint}.json"

    def mean(self, metric: str) -> float:
        """Over seeds."""
        return float(np.mean([seed.metrics[metric] for seed in self.seeds]))

    def spread(self, metric: str) -> str:
        """Between seeds, or over users where there is one seed; says which."""
        values = [seed.metrics[metric] for seed in self.seeds]
        if len(values) > 1:
            return f"± {np.std(values, ddof=1):.4f} ({len(values)} seeds)"
        return f"± {self.seeds[0].standard_error[metric]:.4f} (1 seed; error over users)"

    def words(self) -> str:
        """The row in one line."""
        numbers = ", ".join(f"{metric} {self.mean(metric):.4f} {self.spread(metric)}" for metric in self.headline())
        published = ", ".join(f"{metric} {value:.4f}" for metric, value in self.published.items()) or "nothing"
        return f"{numbers}; published: {published}"


def read_all(folder: Path) -> list[Entry]:
    """All rows of a ledger, by data set, protocol, and falling quality.

    Raises:
        RunError: a file is not a row.
    """
    return in_order([read_entry(path) for path in sorted(folder.glob("*.json"))])


def read_entry(path: Path) -> Entry:
    """One row.

    Raises:
        RunError: the file is not a row.
    """
    try:
        entry = Entry.model_validate(read_json(path))
    except (ValueError, RecursionError, OSError) as error:
        raise RunError(f"{path} is not a ledger row: {shortly(error)}") from None
    if path.name != entry.file_name():
        raise RunError(f"{path} should be called {entry.file_name()}.")
    return entry


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """By data set, protocol, and falling quality."""
    return sorted(entries, key=lambda entry: (entry.dataset.name, entry.fingerprint, -entry.mean(entry.headline()[-1])))


def write(entry: Entry, folder: Path) -> None:
    """Put a row into the ledger, in the place of an earlier measurement of the same row."""
    write_text(folder / entry.file_name(), json.dumps(entry.model_dump(mode="json"), indent=1, sort_keys=True) + "\n")


def table(entries: Sequence[Entry], among: Sequence[Entry] | None = None) -> str:
    """Rows as a Markdown table; a system that occurs twice among these, or `among` others, is named with its row."""
    systems = [entry.system for entry in among or entries]
    metrics = entries[0].headline()
    deciding = metrics[-1]
    lines = [
        f"| system | {' | '.join(metrics)} | spread of {deciding} | published {' / '.join(metrics)} | time a seed |",
        f"| --- |{' ---: |' * len(metrics)} --- | ---: | ---: |",
    ]
    for entry in entries:
        told = (f"{entry.published[metric]:.4f}" if metric in entry.published else "–" for metric in metrics)
        published = " / ".join(told) if entry.published else "–"
        numbers = " | ".join(f"{entry.mean(metric):.4f}" for metric in metrics)
        cpu = np.mean([seed.cpu_seconds for seed in entry.seeds]) / 60
        name = f"`{entry.system}`" + (f" ({entry.row})" if systems.count(entry.system) > 1 else "")
        name += f", {entry.language}" if entry.language else ""
        lines.append(f"| {name} | {numbers} | {entry.spread(deciding)} | {published} | {cpu:.1f} CPU-min |")
    return "\n".join(lines)


def _tables(entries: list[Entry], best: int | None = None) -> list[str]:
    """The rows of one data set and protocol; those of a published table stand together, below the others.

    Args:
        best: so many rows of each table, and all with a published number; all rows without.
    """
    parts = []
    for group in sorted({entry.group for entry in entries}):
        if group:
            parts += [f"The table `{group}`:", ""]
        some = [entry for entry in entries if entry.group == group]
        shown = [entry for place, entry in enumerate(some) if entry.published or best is None or place < best]
        parts += [table(shown, some), ""]
        if len(shown) < len(some):
            parts += [f"[{len(some) - len(shown)} more rows](docs/ledger.md)", ""]
    return parts


def page(entries: list[Entry]) -> str:
    """`docs/ledger.md`: one table a data set and protocol."""
    parts = [
        "# The ledger",
        "",
        "Every number here was measured by `segue reproduce` and lies in `ledger/`, one file a row; this page is "
        "written from those files by `make docs`. Numbers under different protocols are never in one table. Published "
        "numbers stand beside ours with their source and how we know them (read in a source, recalled, or inferred).",
        "",
    ]
    for name, fingerprint in dict.fromkeys((entry.dataset.name, entry.fingerprint) for entry in entries):
        some = [entry for entry in entries if (entry.dataset.name, entry.fingerprint) == (name, fingerprint)]
        first = some[0]
        data = first.dataset
        parts += [
            f"## {name} · {fingerprint}",
            "",
            f"{data.users:,} users, {data.items:,} items, {data.events:,} events (digest {data.digest[:12]}). "
            f"Protocol: {first.protocol.words()}. {first.users:,} users asked.",
            "",
            *_tables(some),
        ]
        for entry in some:
            source = f" Published: {entry.source} [{entry.evidence}]." if entry.source else ""
            machine = (
                f"{entry.hardware.get('gpu', entry.hardware.get('cpu', '?'))}, {entry.hardware.get('threads')} threads"
            )
            memory = max(seed.peak_memory_mb for seed in entry.seeds)
            parts.append(
                f"- `{entry.system}`: `{entry.command}`, commit {entry.commit}, {machine}, "
                f"peak memory {memory:,.0f} MiB.{source}"
            )
        parts.append("")
    return "\n".join(parts)


def readme_with_table(readme: str, entries: list[Entry]) -> str:
    """The README with its table written anew between the two marks.

    Raises:
        RunError: the marks are not there.
    """
    if BEGIN not in readme or END not in readme:
        raise RunError(f"README.md has lost its marks {BEGIN} and {END}.")
    head, rest = readme.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    parts = []
    for name, fingerprint in dict.fromkeys((entry.dataset.name, entry.fingerprint) for entry in entries):
        some = [entry for entry in entries if (entry.dataset.name, entry.fingerprint) == (name, fingerprint)]
        parts += [f"**{name}** — {some[0].protocol.words()} (`{fingerprint}`)", "", *_tables(some, best=BEST)]
    return f"{head}{BEGIN}\n\n" + "\n".join(parts) + f"\n{END}{tail}"


def main(root: Path) -> None:
    """Write `docs/ledger.md` and the README's table from `ledger/`."""
    entries = read_all(root / "ledger")
    write_text(root / "docs" / "ledger.md", page(entries))
    readme = root / "README.md"
    write_text(readme, readme_with_table(readme.read_text(encoding="utf-8"), entries))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
