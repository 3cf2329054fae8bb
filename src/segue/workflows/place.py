"""Where a folder may be written: nobody's work is replaced unasked."""

from __future__ import annotations

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
