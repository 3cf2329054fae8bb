"""One fit: its seed, its device, its folder, and who watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch

from segue.core.seeding import numpy_generator, torch_generator


@runtime_checkable
class Watch(Protocol):
    """Someone who looks on: a progress bar, a metrics file, a tracking server."""

    def begin(self, what: str, steps: int) -> None:
        """A piece of work of so many steps starts."""
        ...

    def advance(self, steps: int, note: str = "") -> None:
        """So many steps more are done."""
        ...

    def end(self) -> None:
        """The piece of work is over."""
        ...

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers measured at a training step."""
        ...


@dataclass(frozen=True)
class Run:
    """What a recipe is given beside the data.

    Checkpoints go to `folder` when there is one; `resume` continues from the newest of them.
    """

    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    folder: Path | None = None
    resume: bool = False
    watches: tuple[Watch, ...] = ()
    cache: Path | None = None
    """Where what is the same for every run may be kept, such as the vectors of a catalog's texts."""
    open_run: Callable[[Path], Any] | None = None
    """Opens the run folder of another fitted system and gives its `Recommender`, for parts that build on one."""

    def torch_generator(self, *names: str | int) -> torch.Generator:
        """The stream of random numbers called `names`, on this run's device."""
        return torch_generator(self.seed, *names, device=self.device)

    def numpy_generator(self, *names: str | int) -> np.random.Generator:
        """The stream of random numbers called `names`."""
        return numpy_generator(self.seed, *names)

    def begin(self, what: str, steps: int) -> None:
        """Tell all watches that a piece of work starts."""
        for watch in self.watches:
            watch.begin(what, steps)

    def advance(self, steps: int, note: str = "") -> None:
        """Tell all watches that so many steps more are done."""
        for watch in self.watches:
            watch.advance(steps, note)

    def end(self) -> None:
        """Tell all watches that the piece of work is over."""
        for watch in self.watches:
            watch.end()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Give all watches the numbers measured at a training step."""
        for watch in self.watches:
            watch.log(step, values)

    def aside(self, name: str) -> Run:
        """For a helper that is fitted on the way: a folder of its own in ours, and its numbers stay out of ours."""
        folder = None if self.folder is None else self.folder / name
        return replace(self, folder=folder, watches=tuple(_Relayed(watch, None) for watch in self.watches))

    def after(self, steps: int) -> Run:
        """For a second training of the same model: its steps are counted on from those of the first."""
        return replace(self, watches=tuple(_Relayed(watch, steps) for watch in self.watches))


@dataclass(frozen=True)
class _Relayed:
    """Someone who looks on from further away: numbers come with their step moved, or (None) not at all."""

    watch: Watch
    steps: int | None

    def begin(self, what: str, steps: int) -> None:
        self.watch.begin(what, steps)

    def advance(self, steps: int, note: str = "") -> None:
        self.watch.advance(steps, note)

    def end(self) -> None:
        self.watch.end()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        if self.steps is not None:
            self.watch.log(step + self.steps, values)
