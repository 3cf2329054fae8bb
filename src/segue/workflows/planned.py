"""One seed of a planned row: which experiment it is, where its run lies, and whether it is there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from segue.core.claim import Claim
from segue.core.errors import SettingsError
from segue.core.whole import write_text
from segue.evaluation.report import REPORT
from segue.workflows import runs, systems
from segue.workflows.experiment import Experiment, new

WORLD = "world"
"""The data set that needs no folder."""
BUILT_ON = {"start": ("start",), "procedure": ("collaborative_run", "tuned", "drafts"), "behaviour": ("run",)}
"""Settings that name another run, by the part that has them."""
QUESTION = ("data", "split", "evaluation")
"""Of an experiment: what is asked of the system."""


@dataclass(frozen=True)
class Planned:
    """A claim with a seed, among the data sets and the runs of this machine."""

    claim: Claim
    seed: int
    data: Path
    """The folder of data sets."""
    runs: Path
    """The folder of runs."""

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self._folder_of(self.claim.run_name)

    @property
    def answers(self) -> Path:
        """The folder of the report: the run folder, or one inside it where the run is asked otherwise."""
        return self.folder / self.claim.row if self.claim.asked else self.folder

    @property
    def source(self) -> str:
        """What `--data` says."""
        return self.claim.data if self.claim.data == WORLD else str(self.data / self.claim.data)

    @cached_property
    def experiment(self) -> Experiment:
        """What is fitted; the run that it starts from must have been begun, for its parts are taken over."""
        others: dict[str, Any] = {"start": str(self._start)} if self._start else {}
        for setting, name in (("procedure.tuned", self.claim.tuned), ("procedure.drafts", self.claim.drafts)):
            others |= {setting: str(self._folder_of(name).resolve())} if name else {}
        if self.claim.judge:
            judge = str(self._folder_of(self.claim.judge, 0).resolve())
            others |= {"procedure.collaborative": None, "procedure.collaborative_run": judge}
        if self.claim.behaviour:
            vectors = str(self._folder_of(self.claim.behaviour, 0).resolve())
            others |= {"behaviour.recipe": None, "behaviour.run": vectors}
        return new(self.claim.system, self.source, {**self._cut, **self.claim.settings, **others}, self.seed)

    @property
    def question(self) -> str:
        """Data, split and questions as text; rows that agree in it stand in one table."""
        ours = {path: value for path, value in self.claim.settings.items() if path.split(".")[0] in QUESTION}
        values = new(self.claim.system, self.source, self._cut | ours | self.claim.asked).dump()
        return json.dumps([values[name] for name in QUESTION], sort_keys=True)

    @property
    def is_fitted(self) -> bool:
        """Whether the run is there, finished and of these settings."""
        if self._start is not None and not (self._start / runs.RECIPE).exists():
            return False
        return _holds(self.folder, self.experiment)

    @property
    def is_measured(self) -> bool:
        """Whether the report is there and of these settings."""
        return self.is_fitted and _holds(self.answers, self.experiment.with_settings(self.claim.asked))

    def before(self, claims: Sequence[Claim]) -> list[Planned]:
        """The runs that this one is fine-tuned from or judged by, or that did a part of its work.

        Raises:
            SettingsError: no claim plans such a run.
        """
        found = []
        ours = [(name, self.seed) for name in (self.claim.start, self.claim.tuned, self.claim.drafts)]
        for name, seed in (*ours, (self.claim.judge, 0), (self.claim.behaviour, 0)):
            planned = [claim for claim in claims if claim.run_name == name and not claim.trained]
            if name and not planned:
                raise SettingsError(
                    f"{self.claim.system} --row {self.claim.row} builds on {name!r}, which no recipe plans; `start`, "
                    "`tuned`, `drafts`, `judge` and `behaviour` are SYSTEM--ROW of a claim that is trained by itself."
                )
            found += [replace(self, claim=claim, seed=seed) for claim in planned[:1]]
        return found

    def settle(self) -> None:
        """Where the folder of runs was moved, let the recipe in the run folder say where its start lies now."""
        recipe = self.folder / runs.RECIPE
        claim = self.claim
        others = (claim.start, claim.tuned, claim.drafts, claim.judge, claim.behaviour)
        if any(others) and recipe.exists() and _is(self.folder, self.experiment):
            write_text(recipe, self.experiment.yaml())

    @property
    def _cut(self) -> dict[str, Any]:
        """The split of a claim that names none: all logs of the ledger know the order of their events."""
        named = any(path.split(".")[0] == "split" for path in self.claim.settings)
        return {} if named or systems.find(self.claim.system).ranks else {"split": "leave_one_out"}

    @property
    def _start(self) -> Path | None:
        return self._folder_of(self.claim.start).resolve() if self.claim.start else None

    def _folder_of(self, run_name: str, seed: int | None = None) -> Path:
        return self.runs / run_name / f"seed-{self.seed if seed is None else seed}"


def _holds(folder: Path, experiment: Experiment) -> bool:
    return (folder / REPORT).exists() and (folder / runs.RECIPE).exists() and _is(folder, experiment)


def _is(folder: Path, experiment: Experiment) -> bool:
    """Whether a run folder is of this experiment, wherever the folder of runs lies."""
    if (folder / runs.RECIPE).read_text(encoding="utf-8") == experiment.yaml():
        return True
    return _told(runs.experiment_of(folder)) == _told(experiment)  # what is not written in the file has its default


def _told(experiment: Experiment) -> dict[str, Any]:
    """An experiment as values, wherever the runs lie that it builds on."""
    values = experiment.dump()
    return {**values, "recipe": nearby(values["recipe"])}


def nearby(recipe: dict[str, Any]) -> dict[str, Any]:
    """The settings of a system with only the last two folders of the runs that it builds on: SYSTEM--ROW/seed-N."""
    near = dict(recipe)
    for part in ("procedure", "behaviour"):
        if recipe.get(part):
            near[part] = _shortened(recipe[part], BUILT_ON[part])
    return _shortened(near, BUILT_ON["start"])


def _shortened(part: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return part | {name: "/".join(Path(part[name]).parts[-2:]) for name in names if part.get(name)}
