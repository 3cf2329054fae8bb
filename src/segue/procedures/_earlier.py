"""A run before this one that its language model or its drafts are taken from: opened, and refused if it differs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segue.core.errors import DataError, SettingsError
from segue.core.part import Part
from segue.core.recipe import difference
from segue.core.run import Run
from segue.core.tables import Split
from segue.core.text_recipe import FittedText

SAME = 1e-3
"""Vectors of one frozen model on two machines differ by less, as a share of their size; those of two models by more."""


@dataclass(frozen=True)
class Earlier:
    """A finished run of a text system, opened."""

    setting: str
    """What names it, for errors."""
    folder: Path
    fitted: FittedText

    @classmethod
    def opened(cls, setting: str, folder: str, run: Run) -> Earlier:
        """The run in this folder.

        Raises:
            SettingsError: runs cannot be opened here, or it is a run of a system that writes no titles.
            RunError: the folder is not a finished run.
        """
        if run.open_run is None:
            raise SettingsError(f"{setting}: '{folder}' cannot be opened; this fit has no access to other runs.")
        fitted = run.open_run(Path(folder))
        if not isinstance(fitted, FittedText):
            raise SettingsError(
                f"{setting}: '{folder}' is a run of {fitted.recipe.name}, which writes no titles; name a run of a "
                "system around a language model, such as bigrec."
            )
        return cls(setting, Path(folder), fitted)

    @property
    def procedure(self) -> Any:
        """How it learnt."""
        return self.fitted.recipe.procedure

    def check(self, model: Any, split: Split, **parts: Part) -> None:
        """Whether it was made of the same parts, prompts, titles, frozen model and training events.

        Raises:
            SettingsError: a part or the language model is another.
            DataError: the catalogue or the training events are others.
        """
        theirs, recipe = self.fitted.model, self.fitted.recipe
        for name, part in {**parts, "prompts": model.prompts}.items():
            self.same(name, part, getattr(recipe, name))
        if not self.fitted.catalog.ids.equals(split.catalog.ids):
            raise DataError(
                f"{self.setting}: the catalogue of '{self.folder}' has {len(self.fitted.catalog)} items and is not "
                f"that of this data ({len(split.catalog)} items); name a run on the same data."
            )
        if not torch.equal(theirs.counts.cpu(), model.counts.cpu()):
            raise DataError(
                f"{self.setting}: '{self.folder}' learnt from {theirs.counts.sum():.0f} training events, and here "
                f"there are {model.counts.sum():.0f}, or others; name a run with the same data and split."
            )
        if not _alike(theirs.places, model.places):
            raise SettingsError(
                f"{self.setting}: the frozen language model of '{self.folder}' places the titles elsewhere, so it is "
                "another one; name a run with the same backbone."
            )
        if not _alike(theirs.behaviour, model.behaviour):
            raise SettingsError(
                f"{self.setting}: '{self.folder}' was told other vectors of the items by who took them, or none; name "
                "a run with the same behaviour and seed."
            )

    def same(self, name: str, ours: Any, theirs: Any) -> None:
        """Whether a setting of it is the one here.

        Raises:
            SettingsError: it is not.
        """
        if ours == theirs:
            return
        told = f"it has {theirs} and not {ours}"
        if isinstance(ours, Part) and isinstance(theirs, Part):
            told = difference(ours, theirs)
        raise SettingsError(f"{self.setting}: '{self.folder}' has another {name}: {told}.")


def _alike(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    apart = torch.linalg.vector_norm(one.cpu() - other.cpu()) if one.shape == other.shape else torch.inf
    return bool(apart <= SAME * torch.linalg.vector_norm(other.cpu()))
