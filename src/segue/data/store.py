"""A dataset as a folder: flat arrays that are mapped into memory, two small tables, and a manifest that comes last.

The folder is built under another name and renamed when it is whole, so what carries its name is never half written.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from segue.core.errors import DataError, in_words
from segue.core.reading import read_json, shortly
from segue.core.tables import Catalog, Dataset, InteractionLog
from segue.core.whole import whole_folder, write_text

FORMAT = "segue-dataset"
VERSION = 1
MANIFEST = "manifest.json"
EXPOSURES = "exposures"


def is_prepared(folder: Path) -> bool:
    """Whether `folder` is a whole prepared dataset (of any version)."""
    return (folder / MANIFEST).is_file()


def load(folder: Path) -> Dataset:
    """The dataset in a prepared folder; its arrays stay on disk and are mapped.

    Raises:
        DataError: the folder is missing, half written, of another version, or its files do not fit together.
    """
    manifest = read_manifest(folder)
    try:
        counts = {name: _count(manifest["counts"][name]) for name in ("users", "items", "events")}
        told = manifest.get("exposures")  # folders of before there were any do not say it
        shown = None if told is None else _count(told["events"])
        name, digest, origin = str(manifest["name"]), str(manifest["digest"]), dict(manifest["origin"])
        users = _table(folder / "users.parquet", "user_id", counts["users"])
        catalog = _table(folder / "catalog.parquet", "item_id", counts["items"])
        log = _log(folder, counts["events"], manifest, users, catalog.height)
        exposures = (
            None if told is None or shown is None else _log(folder / EXPOSURES, shown, told, users, catalog.height)
        )
    except (LookupError, TypeError, AttributeError) as error:
        raise DataError(
            f"{folder / MANIFEST} lacks what a manifest says, or says it otherwise ({type(error).__name__}: "
            f"{shortly(error)}); prepare the dataset again."
        ) from error
    return Dataset(name, log, Catalog(catalog), digest, origin, exposures)


def verify(folder: Path) -> None:
    """Compare everything in a prepared folder with the digests that were made when it was written.

    All of it is read, about a second a gigabyte; `load` looks only at what costs next to nothing.

    Raises:
        DataError: it cannot be loaded, or a file of it is not what was written.
    """
    dataset, manifest = load(folder), read_manifest(folder)
    found = _digest(dataset.log)
    for table in (dataset.log.users, dataset.catalog.table):
        found.update(table.write_ndjson().encode())
    pairs = [(folder, found, manifest["digest"])]
    if dataset.exposures is not None:
        pairs.append((folder / EXPOSURES, _digest(dataset.exposures), manifest["exposures"]["digest"]))
    for place, hashed, told in pairs:
        if hashed.hexdigest()[:32] != told:
            raise DataError(
                f"{place} is damaged or was changed: its contents are not those that were written (the digest is "
                f"{hashed.hexdigest()[:32]} and should be {told}); prepare the dataset again."
            )


def save(dataset: Dataset, folder: Path, *, replace: bool = False) -> Dataset:
    """Writes a dataset that is in memory and gives back the one on disk, with the digest of its contents."""
    log, exposures = dataset.log, dataset.exposures
    with new_folder(folder, replace=replace) as draft:
        writer = DatasetWriter(draft, events=len(log), exposures=None if exposures is None else len(exposures))
        writer.log.copy(log)
        if writer.exposures is not None and exposures is not None:
            writer.exposures.copy(exposures)
        shown = None if exposures is None else exposures.offsets
        writer.finish(dataset.name, log.offsets, log.users, dataset.catalog.table, dataset.origin, shown)
    return load(folder)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a prepared folder.

    Raises:
        DataError: there is none, or it is not one that this version reads.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; expected one made by `segue data prepare`.")
    file = folder / MANIFEST
    if not file.is_file():
        raise DataError(
            f"{folder} has no {MANIFEST}: it is not a prepared dataset, or its writing was cut off. "
            "Delete it and run `segue data prepare` again."
        )
    try:
        manifest = read_json(file)
    except ValueError as error:
        raise DataError(f"{file} is not valid JSON ({error}); prepare the dataset again.") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise DataError(f"{file} is not the manifest of a Segue dataset.")
    if manifest.get("version") != VERSION:
        raise DataError(
            f"{folder} has format version {manifest.get('version')}, and this Segue reads version {VERSION}; "
            "prepare the dataset again."
        )
    return manifest


@contextmanager
def new_folder(folder: Path, *, replace: bool = False) -> Iterator[Path]:
    """A draft folder beside `folder`, which takes its name when the block ends well and is deleted otherwise.

    Raises:
        DataError: `folder` is there already and is not a dataset to be replaced.
    """
    if folder.exists() and not (replace and (is_prepared(folder) or not any(folder.iterdir()))):
        what = "is a prepared dataset already" if is_prepared(folder) else "exists and is not a prepared dataset"
        raise DataError(
            f"{folder} {what}; give another output folder{' or replace it' if is_prepared(folder) else ''}."
        )
    with whole_folder(folder) as draft:
        yield draft


class LogWriter:
    """Writes the arrays of a log piece by piece and hashes them on the way."""

    def __init__(self, folder: Path, *, events: int) -> None:
        self.folder = folder
        self.events = events
        self._files: dict[str, Path] = {}
        self._hashes: dict[str, Any] = {}
        self._types: dict[str, np.dtype] = {}
        self._written: dict[str, int] = {}

    def open(self, name: str, dtype: npt.DTypeLike) -> None:
        """Starts the array `name`: items, timestamps, or a further column."""
        dtype = np.dtype(np.int32) if name == "items" else np.dtype(dtype)
        path = self.folder / self._file_name(name, len(self._files))
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (self.events,)}
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
        self._files[name], self._types[name], self._written[name] = path, dtype, 0
        self._hashes[name] = hashlib.sha256()

    def write(self, name: str, values: np.ndarray) -> None:
        """Adds the next events of one array."""
        values = np.ascontiguousarray(values, dtype=self._types[name])
        self._hashes[name].update(values)
        with self._files[name].open("ab") as file:  # a log may have more columns than a process may have open files
            values.tofile(file)
        self._written[name] += len(values)

    def copy(self, log: InteractionLog) -> None:
        """Writes the arrays of a log that is in memory."""
        for name, array in [("items", log.items), ("timestamps", log.timestamps), *log.columns.items()]:
            if array is not None:
                self.open(name, array.dtype)
                self.write(name, array)

    def finish(self, offsets: np.ndarray) -> tuple[dict[str, Any], Any]:
        """Writes where each user's events begin, and gives what the manifest says and the hash."""
        files = {column: path.name for column, path in self._files.items()}
        for column in files:
            assert self._written[column] == self.events, f"{column}: {self._written[column]} of {self.events}"
        np.save(self.folder / "offsets.npy", offsets.astype(np.int64))
        digest = _of_parts({name: (self._types[name], self._hashes[name]) for name in files}, offsets)
        further = {column: file for column, file in files.items() if column not in ("items", "timestamps")}
        return {"timed": "timestamps" in files, "columns": further}, digest

    @staticmethod
    def _file_name(name: str, number: int) -> str:
        if name in ("items", "timestamps"):
            return f"{name}.npy"
        safe = "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in name)
        return f"column-{number}-{safe[:60]}.npy"


class DatasetWriter:
    """Writes a dataset: its log and, where they are known, its exposures, then the tables and the manifest."""

    def __init__(self, folder: Path, *, events: int, exposures: int | None = None) -> None:
        self.folder = folder
        self.log = LogWriter(folder, events=events)
        self.exposures: LogWriter | None = None
        if exposures is not None:
            (folder / EXPOSURES).mkdir()
            self.exposures = LogWriter(folder / EXPOSURES, events=exposures)

    def finish(
        self,
        name: str,
        offsets: np.ndarray,
        users: pl.DataFrame,
        catalog: pl.DataFrame,
        origin: Mapping[str, Any],
        shown: np.ndarray | None = None,
    ) -> dict[str, Any]:
        """Writes the tables and, last of all, the manifest.

        Args:
            offsets: where each user's events begin; `shown` the same of the exposures.
        """
        log, digest = self.log.finish(offsets)
        users.write_parquet(self.folder / "users.parquet")
        catalog.write_parquet(self.folder / "catalog.parquet")
        for table in (users, catalog):
            digest.update(table.write_ndjson().encode())
        exposures = None
        if self.exposures is not None and shown is not None:
            told, hashed = self.exposures.finish(shown)
            exposures = {"events": self.exposures.events, "digest": hashed.hexdigest()[:32], **told}
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "name": name,
            "digest": digest.hexdigest()[:32],  # of log, users and items: what was shown leaves it as it is
            "counts": {"events": self.log.events, "users": users.height, "items": catalog.height},
            **log,
            "exposures": exposures,
            "origin": dict(origin),
        }
        write_text(self.folder / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False))
        return manifest


class _Columns(Mapping[str, np.ndarray]):
    """The further columns of a log, each mapped when it is asked for: a process may have fewer open files than a log
    has columns."""

    def __init__(self, files: Mapping[str, Path], events: int) -> None:
        self._files, self._mapped = dict(files), lru_cache(maxsize=_MAPPED)(lambda file: _array(file, events, "biuf"))
        for file in self._files.values():
            _array(file, events, "biuf")

    def __getitem__(self, name: str) -> np.ndarray:
        return self._mapped(self._files[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def _log(folder: Path, events: int, told: Mapping[str, Any], users: pl.DataFrame, items: int) -> InteractionLog:
    offsets = _array(folder / "offsets.npy", users.height + 1, "i")
    taken = _array(folder / "items.npy", events, "i")
    if offsets[0] != 0 or offsets[-1] != events or (np.diff(offsets) < 0).any():
        raise DataError(f"{folder / 'offsets.npy'} does not fit items.npy; prepare the dataset again.")
    some = taken[:_CHECKED]
    if len(some) and not ((low := int(some.min())) >= 0 and (high := int(some.max())) < items):
        wrong = low if low < 0 else high
        raise DataError(
            f"{folder / 'items.npy'} names the item in row {wrong:,} of a catalogue of {items:,}; prepare the dataset "
            "again."
        )
    files = {str(name): folder / _plain_name(file, folder) for name, file in told["columns"].items()}
    return InteractionLog(
        items=taken,
        offsets=offsets,
        users=users,
        timestamps=_array(folder / "timestamps.npy", events, "i") if told["timed"] else None,
        columns=_Columns(files, events),
    )


_CHECKED = 1 << 28
"""Events whose items are looked at when a dataset is loaded: a gigabyte, or half a second. `verify` looks at all."""
_MAPPED = 200
"""Columns that stay mapped."""


def _array(file: Path, length: int, kinds: str) -> np.ndarray:
    if not file.is_file():
        raise DataError(f"{file} is missing from the prepared folder; prepare the dataset again.")
    try:
        array: np.ndarray = np.load(file, mmap_mode="r")
    except OSError as error:
        raise DataError(in_words(OSError(error.errno, error.strerror or str(error), str(file)))) from error
    except (ValueError, EOFError):
        raise DataError(f"{file} is cut short or damaged; prepare the dataset again.") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in kinds:
        what = getattr(array, "dtype", "an archive")
        raise DataError(f"{file} holds {what} where numbers of another kind belong; prepare the dataset again.")
    if array.shape != (length,):
        raise DataError(f"{file} has {array.shape} values where the manifest says {length}; prepare the dataset again.")
    return array


def _table(file: Path, key: str, height: int) -> pl.DataFrame:
    try:
        table = pl.read_parquet(file, glob=False)
    except (pl.exceptions.PolarsError, OSError):
        raise DataError(f"{file} is missing or damaged; prepare the dataset again.") from None
    if table.height != height:
        raise DataError(f"{file} has {table.height} rows where the manifest says {height}; prepare the dataset again.")
    if key not in table.columns:
        raise DataError(f"{file} has no column '{key}'; prepare the dataset again.")
    return table


def _count(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise TypeError(f"{shortly(repr(value), 40)} is not a count")
    return value


def _plain_name(file: Any, folder: Path) -> str:
    """A name from a manifest that stays inside its folder."""
    if not isinstance(file, str) or Path(file).name != file:
        raise DataError(f"{folder}: the manifest names the file {file!r} outside it; prepare the dataset again.")
    return file


def _digest(log: InteractionLog) -> Any:
    """The hash of a log that is on disk, as its writer made it."""
    parts = {}
    for name, array in itertools.chain([("items", log.items), ("timestamps", log.timestamps)], log.columns.items()):
        if array is not None:
            parts[name] = array.dtype, hashlib.sha256()
            for first in range(0, len(array), 1 << 22):
                parts[name][1].update(np.ascontiguousarray(array[first : first + (1 << 22)]).data)
    return _of_parts(parts, log.offsets)


def _of_parts(parts: Mapping[str, tuple[np.dtype, Any]], offsets: np.ndarray) -> Any:
    digest = hashlib.sha256()
    for column in sorted(parts):
        digest.update(f"{column} {parts[column][0]} {parts[column][1].hexdigest()}\n".encode())
    digest.update(offsets.astype(np.int64).tobytes())
    return digest
