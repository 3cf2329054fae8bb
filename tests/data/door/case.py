"""One file at the door and what must come of it, and the few words in which the cases are written."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data.door.segue_reader import Histories

T = 1_700_000_000
"""2023-11-14 22:13:20 UTC."""


@dataclass(frozen=True)
class Case:
    """One file (or several), and what must come of it; `right` is None where it must be refused.

    `columns` are further columns of the events, in stored order; `notes` must be found among the notes of the dataset.
    A case without `says` is a brother of the one before it, and the matrix in docs/data.md leaves it out.
    """

    name: str
    about: str
    says: str
    files: Mapping[str, str | bytes]
    right: Histories | None
    said: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    incomplete: int = 0
    notes: Sequence[str] = ()
    columns: Mapping[str, Sequence[float]] = field(default_factory=dict)
    absent: Sequence[str] = ()
    or_refused: bool = False
    check: Callable[[Any], bool] | None = None
    slow: bool = False


def parquet(**columns: Any) -> bytes:
    """A Parquet file; a column is a list or an Arrow array."""
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def lines(*records: object) -> str:
    """JSON lines."""
    return "".join((record if isinstance(record, str) else json.dumps(record)) + "\n" for record in records)


def one(*items: tuple[str, int | None], user: str = "u1") -> Histories:
    """The history of one user."""
    return {user: list(items)}


TWO = one(("a", T), ("b", T + 60))
"""Two events of one user, a minute apart."""
