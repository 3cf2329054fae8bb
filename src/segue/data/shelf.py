"""Pieces of a log by number: in memory while they fit, in files when they do not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

Piece = dict[str, np.ndarray]
"""Equally long arrays by column name."""


class Shelf:
    """Numbered places, each of which takes pieces and gives them back joined, in the order they came.

    As soon as the whole weighs more than `limit` bytes all of it goes to files in `folder`, and what comes later too.
    """

    def __init__(self, folder: Path, dtypes: Mapping[str, npt.DTypeLike], limit: float) -> None:
        self.folder = folder
        self.dtypes = {name: np.dtype(dtype) for name, dtype in dtypes.items()}
        self.limit = limit
        self.on_disk = limit <= 0
        self._memory: dict[int, list[Piece]] = {}
        self._bytes = 0
        folder.mkdir(parents=True)

    @property
    def row_bytes(self) -> int:
        """Bytes of one event."""
        return sum(dtype.itemsize for dtype in self.dtypes.values())

    def put(self, place: int, piece: Piece) -> None:
        """Adds a piece to a place."""
        if self.on_disk:
            self._write(place, piece)
            return
        self._memory.setdefault(place, []).append(piece)
        self._bytes += sum(array.nbytes for array in piece.values())
        if self._bytes > self.limit:
            self._spill()

    def get(self, place: int, names: Collection[str] | None = None) -> Piece:
        """The columns of one place (all, or those named)."""
        wanted = list(self.dtypes if names is None else names)
        if self.on_disk:
            return {name: self._read(place, name) for name in wanted}
        pieces = self._memory.get(place, [])
        if len(pieces) == 1:
            return {name: pieces[0][name] for name in wanted}
        empty = {name: np.empty(0, dtype=self.dtypes[name]) for name in wanted}
        return {name: np.concatenate([empty[name], *(piece[name] for piece in pieces)]) for name in wanted}

    def take(self, place: int) -> Piece:
        """All columns of one place, which is empty afterwards."""
        piece = self.get(place)
        for removed in self._memory.pop(place, []):
            self._bytes -= sum(array.nbytes for array in removed.values())
        if self.on_disk:
            for name in self.dtypes:
                self._file(place, name).unlink(missing_ok=True)
        return piece

    def _spill(self) -> None:
        self.on_disk = True
        for place in list(self._memory):
            for piece in self._memory.pop(place):
                self._write(place, piece)
        self._bytes = 0

    def _write(self, place: int, piece: Piece) -> None:
        for name, dtype in self.dtypes.items():
            with self._file(place, name).open("ab") as file:
                np.ascontiguousarray(piece[name], dtype=dtype).tofile(file)

    def _read(self, place: int, name: str) -> np.ndarray:
        file = self._file(place, name)
        return np.fromfile(file, dtype=self.dtypes[name]) if file.exists() else np.empty(0, dtype=self.dtypes[name])

    def _file(self, place: int, name: str) -> Path:
        column = list(self.dtypes).index(name)  # a name may hold a character that a file name may not
        return self.folder / f"{place}.{column}"
