"""Row numbers of ids, found without going through all of them and kept in 16 bytes an id."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from segue.core.shapes import Int

UNKNOWN = -1
"""The row of an id that is not there."""


class IdRows:
    """An index of ids: their hashes in order, and the row of each; what is found is compared with the id itself."""

    def __init__(self, ids: pl.Series) -> None:
        self._ids = ids.cast(pl.String)
        hashes = self._ids.hash().to_numpy()
        self._rows = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._rows]

    def __len__(self) -> int:
        return len(self._ids)

    def rows(self, ids: Sequence[str]) -> Int[np.ndarray, " asked"]:
        """The row of each id, the first one where it is there twice; `UNKNOWN` where it is not there."""
        asked = pl.Series(ids, dtype=pl.String)
        if not len(self) or not len(asked):
            return np.full(len(asked), UNKNOWN)
        hashes = asked.hash().to_numpy()
        places = np.minimum(np.searchsorted(self._hashes, hashes), len(self) - 1)
        rows: np.ndarray = self._rows[places]
        open_ = self._hashes[places] == hashes
        wrong = ~open_ | (self._ids.gather(rows) != asked).to_numpy()
        rows[wrong] = UNKNOWN
        for one in np.flatnonzero(wrong & open_):  # another id with the same hash lies in front of it
            rows[one] = self._behind(int(places[one]), asked[int(one)])
        return rows

    def _behind(self, place: int, wanted: str) -> int:
        wanted_hash = self._hashes[place]
        while place < len(self) and self._hashes[place] == wanted_hash:
            if self._ids[int(self._rows[place])] == wanted:
                return int(self._rows[place])
            place += 1
        return UNKNOWN
