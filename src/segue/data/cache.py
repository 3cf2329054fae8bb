"""Prepared logs that are kept: which there are, how large, and when they were last of use."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from segue.core.errors import DataError
from segue.data.store import is_prepared, read_manifest

LIMIT_GB = 20.0
"""The least recently used go first where the cache is larger; SEGUE_CACHE_GB says another size."""
_HASHES = "hashes.json"
_MOST_HASHES = 10_000
_BLOCK = 1 << 22
_TICK = 2_000_000_000
"""Nanoseconds within which a file may be written again and have the same time."""
_NAME = re.compile(r"-[0-9a-f]{12}$")


class Kept(NamedTuple):
    """One prepared log in the cache."""

    folder: Path
    source: str
    size: int
    """In bytes."""
    used: float
    """When it was made or last found (Unix seconds)."""


def cache_folder() -> Path:
    """Where prepared logs and the like are kept: SEGUE_CACHE, or the user's cache folder."""
    given = os.environ.get("SEGUE_CACHE")
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "segue"


def kept(cache: Path) -> list[Kept]:
    """What is in the cache, the most recently used first; what is damaged has an unknown source."""
    # Somebody's own prepared folders, which have names of their own, may lie beside those that were made here.
    found = cache.iterdir() if cache.is_dir() else ()
    folders = [folder for folder in found if _NAME.search(folder.name) and is_prepared(folder)]
    return sorted(map(_described, folders), key=lambda one: -one.used)


def touch(folder: Path) -> None:
    """Notes that a prepared log was of use."""
    with contextlib.suppress(OSError):
        os.utime(folder / "manifest.json")


def shrink(cache: Path, keep: Path) -> list[Kept]:
    """Removes the least recently used until the rest is within the limit; `keep` stays."""
    limit, total, gone = _limit() * 1e9, 0, []
    for one in kept(cache):
        total += one.size
        if total > limit and one.folder != keep:
            remove(one.folder)
            gone.append(one)
    return gone


def clear(cache: Path, older_than_days: float = 0.0) -> list[Kept]:
    """Removes what was not of use for so many days; all of it without."""
    before = time.time() - older_than_days * 86_400
    gone = [one for one in kept(cache) if one.used <= before]
    for one in gone:
        remove(one.folder)
    return gone


def remove(folder: Path) -> None:
    """Takes a prepared log out of the cache: first its name, then its files, so that nobody opens half of it."""
    grave = folder.with_name(f".{folder.name}.{os.getpid()}.partial")  # swept by the next one if this one is killed
    folder.rename(grave)
    shutil.rmtree(grave, ignore_errors=True)


def contents(files: Sequence[Path], cache: Path) -> list[list[str]]:
    """Path and digest of each file; a digest is remembered as long as the file system says that nothing was written."""
    memory = cache / _HASHES
    known: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(memory.read_text(encoding="utf-8"))
    found, before = [], dict(known)
    for file in files:
        stat = file.stat()
        # The time of change of the inode cannot be set back, as that of the contents can.
        mark = f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}"
        entry = known.get(str(file))
        if not (isinstance(entry, list) and entry and entry[0] == mark):
            entry = [mark, _digest(file)]
            if time.time_ns() - stat.st_ctime_ns > _TICK:
                known[str(file)] = entry
        found.append([str(file), entry[1]])
    if known != before:
        _remember(memory, dict(list(known.items())[-_MOST_HASHES:]))
    return found


def _remember(memory: Path, known: dict[str, Any]) -> None:
    draft = memory.with_name(f".{memory.name}.{os.getpid()}.partial")
    with contextlib.suppress(OSError):  # without memory they are read once more
        memory.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(known), encoding="utf-8")
        draft.replace(memory)


def _digest(file: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _described(folder: Path) -> Kept:
    try:
        files = read_manifest(folder)["origin"].get("files", [])
        source = ", ".join(str(file["path"]) for file in files[:3]) + (" ..." if len(files) > 3 else "")
    except (DataError, KeyError, TypeError, AttributeError):
        source = "unknown"
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return Kept(folder, source, size, (folder / "manifest.json").stat().st_mtime)


def _limit() -> float:
    told = os.environ.get("SEGUE_CACHE_GB")
    try:
        return float(told) if told else LIMIT_GB
    except ValueError:
        raise DataError(f"SEGUE_CACHE_GB={told!r} should be a number of gigabytes, such as 20.") from None
