"""The runs that a service may show and serve, by name: a name from a request is looked up and never becomes a path."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from segue.core.errors import RunError
from segue.service.event_store import keepable
from segue.service.problems import not_found
from segue.workflows.runs import RECIPE, WEIGHTS


class Shelf:
    """Run folders by name: those that were given, and those that lie in the folders of runs that were given.

    The folders of runs are read anew at each look, so that a run which was fitted a moment ago can be swapped in.
    """

    def __init__(self, runs: Iterable[Path], folders: Iterable[Path] = ()) -> None:
        self._given = _named(runs)
        self._folders = [folder.resolve() for folder in folders]

    def runs(self) -> Mapping[str, Path]:
        """All finished runs, by name; the first of a name holds."""
        found: dict[str, Path] = {name: path for name, path in self._given.items() if _finished(path)}
        for folder in self._folders:
            for path in _folders(folder):
                if _finished(path) and path.resolve() not in self._given.values():
                    found.setdefault(path.name, path)
        return found

    def names_of(self, runs: Iterable[Path]) -> list[str]:
        """The names of some of the folders that were given, each once."""
        names = {path: name for name, path in self._given.items()}
        return list(dict.fromkeys(names[run.resolve()] for run in runs))

    def folder(self, name: str) -> Path:
        """The folder of a run.

        Raises:
            Problem: there is no run of that name.
        """
        runs = self.runs()
        if name not in runs:
            raise not_found("run", name, sorted(runs))
        return runs[name]


def _folders(folder: Path) -> list[Path]:
    """What lies in a folder of runs and may be one: no name that could not be said in JSON."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [folder / name for name in names if keepable(name)]


def _finished(path: Path) -> bool:
    try:
        return (path / RECIPE).exists() and (path / WEIGHTS).exists()
    except OSError:  # a folder of somebody else, or a link that leads to itself
        return False


def _named(runs: Iterable[Path]) -> dict[str, Path]:
    """The folders by their own names, or with their parents' in front where two have one name."""
    resolved = list(dict.fromkeys(run.resolve() for run in runs))
    named: dict[str, Path] = {}
    for path in resolved:
        alike = sum(one.name == path.name for one in resolved) > 1
        name = f"{path.parent.name}-{path.name}" if alike else path.name
        if name in named:
            raise RunError(f"{path} and {named[name]} would both be called {name}; rename one of the folders.")
        named[name] = path
    return named
