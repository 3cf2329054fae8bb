"""Files and folders that are there whole or not at all, and the clearing of what killed writers left.

What is not whole yet lies beside its place under a name of its own, `.NAME.PID-WHERE-NUMBER.partial`, and a folder that
is being replaced waits as `.NAME.PID-WHERE-NUMBER.old`. WHERE tells one machine or container from another, so that
nobody takes the work of a living process elsewhere for rubbish.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

FORGOTTEN = 24 * 3600.0
"""Seconds without a change after which a leftover whose process cannot be asked for is nobody's."""
_NUMBERS = itertools.count()
_NAME = re.compile(r"\.(?P<name>.+)\.(?P<pid>\d+)(?:-(?P<where>[0-9a-f]{6})-\d+)?\.(?P<what>partial|old)")
_EARLIER_NAME = re.compile(r"\.(?P<name>.+)\.(?P<what>draft|old)-[0-9a-f]{8}")  # of versions up to 0.1


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to; the file takes the place of `path` when the block ends well, and is gone otherwise.

    It is on the disk before it is renamed, so that not even a power cut leaves half of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _beside(path, "partial")
    try:
        yield partial
        _flush(partial)
        os.replace(partial, path)
        _flush(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A draft beside the folder that takes its place at the end; on any error it is gone and the old one stays."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    sweep(folder.parent, folder.name)
    draft, old = _beside(folder, "partial"), _beside(folder, "old")
    draft.mkdir()
    try:
        yield draft
        for file in draft.rglob("*"):
            if file.is_file():
                _flush(file)
        if folder.exists():
            folder.rename(old)
        draft.rename(folder)
        _flush(folder.parent)
    except BaseException:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def is_leftover(path: Path) -> bool:
    """Whether a name is one of those that only unfinished work has."""
    return bool(_NAME.fullmatch(path.name) or _EARLIER_NAME.fullmatch(path.name))


def sweep(folder: Path, name: str | None = None) -> list[Path]:
    """Clear away what killed processes left of `name` in a folder (without: of anything), and give what is gone.

    What a living process writes stays. What was written on another machine, or by a version that did not say which
    process it was, stays until nothing in it has changed for a day. A folder whose replacement was cut off between its
    two renames gets its name back.
    """
    gone = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        found = _NAME.fullmatch(path.name) or _EARLIER_NAME.fullmatch(path.name)
        if found is None or (name is not None and found["name"] != name) or not _abandoned(path, found):
            continue
        with contextlib.suppress(OSError):  # it is another's, or another process was quicker
            if found["what"] == "old" and not (folder / found["name"]).exists():
                path.rename(folder / found["name"])
            elif path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
            gone.append(path)
    return gone


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{_where()}-{next(_NUMBERS)}.{what}")


@cache
def _where() -> str:
    """This machine and, of containers, this one: process numbers mean nothing beyond it."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return hashlib.sha256(f"{platform.node()} {namespace}".encode()).hexdigest()[:6]


def _abandoned(path: Path, found: re.Match[str]) -> bool:
    parts = found.groupdict()
    if "pid" in parts and parts.get("where") in (None, _where()):
        return not _lives(int(parts["pid"]))
    return time.time() - _last_change(path) > FORGOTTEN


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _last_change(path: Path) -> float:
    times = []
    for file in (path, *(path.rglob("*") if path.is_dir() else ())):
        with contextlib.suppress(OSError):
            times.append(file.stat().st_mtime)
    return max(times, default=time.time())


def _flush(path: Path) -> None:
    """Have a file, or the names in a folder, written to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        if not path.is_dir():  # not every file system can do it for a folder
            raise
    finally:
        os.close(handle)
