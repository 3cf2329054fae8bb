"""The forms in which logs lie on disks, one file a family, and which of them a path is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from segue.core.errors import DataError
from segue.data.sources import amazon, files, folder, kuairand, movielens, recbole, samples, taobao
from segue.data.sources.locate import is_there, locate
from segue.data.sources.raw_log import RawLog

SourceName = Literal["guess", "folder", "movielens", "amazon", "recbole", "kuairand", "taobao", "samples", "files"]


class _Family(NamedTuple):
    recognise: Callable[[Path], str | None]
    read: Callable[[Path, Mapping[str, str | None], str], RawLog]


_FAMILIES: dict[str, _Family] = {
    "recbole": _Family(recbole.recognise, recbole.read),
    "folder": _Family(folder.recognise, folder.read),
    "movielens": _Family(movielens.recognise, movielens.read),
    "amazon": _Family(amazon.recognise, amazon.read),
    "kuairand": _Family(kuairand.recognise, kuairand.read),
    "taobao": _Family(taobao.recognise, taobao.read),
    "samples": _Family(samples.recognise, samples.read),
    "files": _Family(lambda path: "a table with columns found by name or type", files.read),
}


def open_log(
    path: Path, asked: Mapping[str, str | None] | None = None, source: SourceName = "guess", history: bool = False
) -> RawLog:
    """The log at `path`, and in its `source` and `why` which family it was taken for.

    Args:
        asked: columns that the person named, by role (user, item, time, rating, order); then the table is read as
            'files' unless a source is named, since the families know their columns.
        history: with the earlier events that lie in a file of their own beside it.

    Raises:
        DataError: there is no such path, or nothing in it can be read.
    """
    asked = dict(asked or {})
    path = path.expanduser()
    if not is_there(path) or not (path.is_file() or path.is_dir()):
        locate(path)  # a pattern, or a table in a file; otherwise an error with what is near
        if source not in ("guess", "files"):
            raise DataError(f"{path}: source={source} reads a file or a folder, no pattern and no table in a file.")
        return files.read(path, asked, "a pattern, or a table in a file")
    raw = _open(path, asked, source)
    return kuairand.with_earlier(raw, path) if history else raw


def _open(path: Path, asked: Mapping[str, str | None], source: SourceName) -> RawLog:
    if source != "guess":
        return _FAMILIES[source].read(path, asked, f"source={source} was asked for")
    named = any(asked.get(role) for role in ("user", "item", "time", "rating"))
    for name, family in _FAMILIES.items():
        if named and name not in ("files", "folder", "recbole"):
            continue
        try:
            why = family.recognise(path)
        except DataError:  # what a family cannot read is not of its form; 'files' says what is wrong
            why = None
        if why is not None:
            return family.read(path, asked, why)
    raise AssertionError("'files' takes every path")
