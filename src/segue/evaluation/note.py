"""The pieces that reports are made of, and how their files are written."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

from pydantic import BaseModel, ConfigDict


class Note(BaseModel):
    """A frozen part of a report; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def write_atomically(path: Path, text: str) -> None:
    """Replace a file as a whole: a reader sees the old one or the new one."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
