"""Folders that come whole or not at all, and replace only what is of their kind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segue.core.errors import RunError


def check_place(folder: Path, mark: str, what: str, *, overwrite: bool) -> None:
    """Nobody's work is replaced unasked, and nothing but folders of the same kind is replaced at all.

    Args:
        mark: the file by which a folder of this kind is known.
        what: the kind in words, such as `codes`.

    Raises:
        RunError: nothing may be written there.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise RunError(f"{folder} is a file; --out must be a folder.")
    if not any(folder.iterdir()):
        return
    if not (folder / mark).is_file():
        raise RunError(f"{folder} is not empty and holds no {what}; choose another --out.")
    if not overwrite:
        raise RunError(f"{folder} holds {what} already; add --overwrite to replace that, or choose another --out.")


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A draft beside the folder that takes its place at the end; on any error it is gone and the old one stays."""
    draft, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{word}") for word in ("partial", "old"))
    draft.mkdir(parents=True)
    try:
        yield draft
        if folder.exists():
            folder.rename(old)
        draft.rename(folder)
    except BaseException:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
