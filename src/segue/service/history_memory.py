"""Histories that were read, as tensors, known by their content and held under a bound of memory."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(eq=False)
class Kept:
    """One history: its tokens, with room for some more behind them, and what belongs to it as a whole."""

    keys: tuple[bytes, ...]
    """The marks of all its events; and of its first ones, where somebody may go on from there."""
    events: int
    tokens: int
    room: Tensor
    end: Tensor

    @property
    def nbytes(self) -> int:
        """Bytes of its tensors."""
        return self.room.nbytes + self.end.nbytes


@dataclass
class HistoryMemory:
    """The kept histories; the least recently used go first when their tensors outgrow the bound.

    A key is all the marks themselves and is compared in full, so no two histories are ever taken for each other.
    """

    most: int
    """Bytes of tensors that may be kept."""
    nbytes: int = 0
    """Bytes of tensors that are kept."""
    exact: int = 0
    """Histories that were asked and had not to be read."""
    extended: int = 0
    """Histories of which only the newest events were read."""
    read: int = 0
    """Histories that were read from the start."""
    evicted: int = 0
    """Histories that had to go for others."""
    _found: dict[bytes, Kept] = field(default_factory=dict, repr=False)
    _used: OrderedDict[Kept, None] = field(default_factory=OrderedDict, repr=False)

    def __len__(self) -> int:
        return len(self._used)

    def find(self, key: bytes) -> Kept | None:
        """The history that is kept under this key, and from now on the most recently used."""
        found = self._found.get(key)
        if found is not None:
            self._used.move_to_end(found)
        return found

    def keep(self, kept: Kept) -> None:
        """Keep this history, in place of what has its keys; one that alone is larger than the bound is not kept."""
        for key in kept.keys:
            if key in self._found:
                self.forget(self._found[key])
        if kept.nbytes > self.most:
            return
        self._used[kept] = None
        self._found.update(dict.fromkeys(kept.keys, kept))
        self.nbytes += kept.nbytes
        while self.nbytes > self.most:
            self.forget(next(iter(self._used)))
            self.evicted += 1

    def forget(self, kept: Kept) -> None:
        """Let go of this history, if it is there."""
        if kept in self._used:
            del self._used[kept]
            self.nbytes -= kept.nbytes
            for key in kept.keys:
                del self._found[key]

    def clear(self) -> None:
        """Keep nothing; the counts stay."""
        self._found.clear()
        self._used.clear()
        self.nbytes = 0
