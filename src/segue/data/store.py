"""A dataset as a folder: flat arrays that are mapped into memory, two small tables, and a manifest that comes last.

The folder is built under another name and renamed when it is whole, so what carries its name is never half written.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from segue.core.errors import DataError
from segue.core.tables import Catalog, Dataset, InteractionLog

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
    counts = manifest["counts"]
    users = _table(folder / "users.parquet", counts["users"])
    catalog = _table(folder / "catalog.parquet", counts["items"])
    log = _log(folder, counts["events"], manifest, users)
    told = manifest.get("exposures")  # folders of before there were any do not say it
    exposures = None if told is None else _log(folder / EXPOSURES, told["events"], told, users)
    return Dataset(manifest["name"], log, Catalog(catalog), manifest["digest"], manifest["origin"], exposures)


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
        manifest = json.loads(file.read_text(encoding="utf-8"))
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
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.parent / f".{folder.name}.draft-{uuid.uuid4().hex[:8]}"
    draft.mkdir()
    try:
        yield draft
        if folder.exists():
            old = folder.parent / f".{folder.name}.old-{uuid.uuid4().hex[:8]}"
            folder.rename(old)
            draft.rename(folder)
            shutil.rmtree(old)
        else:
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


class LogWriter:
    """Writes the arrays of a log piece by piece and hashes them on the way."""

    def __init__(self, folder: Path, *, events: int) -> None:
        self.folder = folder
        self.events = events
        self._files: dict[str, Any] = {}
        self._hashes: dict[str, Any] = {}
        self._types: dict[str, np.dtype] = {}
        self._written: dict[str, int] = {}

    def open(self, name: str, dtype: npt.DTypeLike) -> None:
        """Starts the array `name`: items, timestamps, or a further column."""
        dtype = np.dtype(np.int32) if name == "items" else np.dtype(dtype)
        file = (self.folder / self._file_name(name, len(self._files))).open("wb")
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (self.events,)}
        np.lib.format.write_array_header_1_0(file, header)
        self._files[name], self._types[name], self._written[name] = file, dtype, 0
        self._hashes[name] = hashlib.sha256()

    def write(self, name: str, values: np.ndarray) -> None:
        """Adds the next events of one array."""
        values = np.ascontiguousarray(values, dtype=self._types[name])
        self._hashes[name].update(values)
        values.tofile(self._files[name])
        self._written[name] += len(values)

    def copy(self, log: InteractionLog) -> None:
        """Writes the arrays of a log that is in memory."""
        for name, array in [("items", log.items), ("timestamps", log.timestamps), *log.columns.items()]:
            if array is not None:
                self.open(name, array.dtype)
                self.write(name, array)

    def finish(self, offsets: np.ndarray) -> tuple[dict[str, Any], Any]:
        """Closes the arrays, writes where each user's events begin, and gives what the manifest says and the hash."""
        files = {column: Path(file.name).name for column, file in self._files.items()}
        for column, file in self._files.items():
            assert self._written[column] == self.events, f"{column}: {self._written[column]} of {self.events}"
            file.flush()
            os.fsync(file.fileno())
            file.close()
        np.save(self.folder / "offsets.npy", offsets.astype(np.int64))
        digest = hashlib.sha256()
        for column in sorted(self._hashes):
            digest.update(f"{column} {self._types[column]} {self._hashes[column].hexdigest()}\n".encode())
        digest.update(offsets.astype(np.int64).tobytes())
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
        draft = self.folder / f"{MANIFEST}.draft"
        draft.write_text(json.dumps(manifest, indent=2, ensure_ascii=False), encoding="utf-8")
        draft.rename(self.folder / MANIFEST)
        return manifest


def _log(folder: Path, events: int, told: Mapping[str, Any], users: pl.DataFrame) -> InteractionLog:
    offsets = _array(folder / "offsets.npy", users.height + 1)
    items = _array(folder / "items.npy", events)
    if offsets[0] != 0 or offsets[-1] != events or (np.diff(offsets) < 0).any():
        raise DataError(f"{folder / 'offsets.npy'} does not fit items.npy; prepare the dataset again.")
    return InteractionLog(
        items=items,
        offsets=offsets,
        users=users,
        timestamps=_array(folder / "timestamps.npy", events) if told["timed"] else None,
        columns={name: _array(folder / file, events) for name, file in told["columns"].items()},
    )


def _array(file: Path, length: int) -> np.ndarray:
    if not file.is_file():
        raise DataError(f"{file} is missing from the prepared folder; prepare the dataset again.")
    try:
        array: np.ndarray = np.load(file, mmap_mode="r")
    except (ValueError, OSError, EOFError):
        raise DataError(f"{file} is cut short or damaged; prepare the dataset again.") from None
    if array.shape != (length,):
        raise DataError(f"{file} has {array.shape} values where the manifest says {length}; prepare the dataset again.")
    return array


def _table(file: Path, height: int) -> pl.DataFrame:
    try:
        table = pl.read_parquet(file, glob=False)
    except (pl.exceptions.PolarsError, OSError):
        raise DataError(f"{file} is missing or damaged; prepare the dataset again.") from None
    if table.height != height:
        raise DataError(f"{file} has {table.height} rows where the manifest says {height}; prepare the dataset again.")
    return table
