"""Fit several systems on one simulated world, seed by seed, and put a study's findings about them into one report."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from segue.core.errors import SettingsError
from segue.core.recipe import Recommender, TokenRecipe
from segue.core.run import Run, Watch
from segue.core.tables import Split
from segue.core.whole import write_text
from segue.evaluation.report import REPORT, DatasetNote
from segue.simulation.simulation import Simulation
from segue.simulation.world import World
from segue.studies.exposure_bias import ExposureBias, Findings, Subject
from segue.workflows import runs, systems
from segue.workflows.experiment import Experiment, new
from segue.workflows.fit import fit
from segue.workflows.measure import hardware, test_cases, versions
from segue.workflows.settled import settle
from segue.workflows.study_page import write_study_page
from segue.workflows.study_table import StudyReport, rows_of

SYSTEMS = (
    "tiger_world", "gflowgr_sft", "s_dpo", "grpo", "gflowgr_tuned_db", "gflowgr_tuned", "gflowgr_logs", "gflowgr_even",
)  # fmt: skip
"""Compared unless others are named: supervised tuning, which the others start from, and what fine-tunes it."""
REFERENCES = ("popularity", "item_knn")
"""Fitted beside the systems, once; the oracle and the ideal stand beside these."""
ORDER = (
    "hidden recall", "value", "HR", "NDCG", "diversity", "coverage", "gini", "popularity lift",
    "rank correlation", "slope", "calibration error",
)  # fmt: skip
"""The measures as tables show them."""


def exposure_bias(
    chosen: Sequence[str] = SYSTEMS,
    *,
    world: World | None = None,
    seeds: int = 3,
    folder: Path = Path("runs/exposure"),
    run: Run | None = None,
    settings: Mapping[str, Any] | None = None,
    study: ExposureBias | None = None,
    tell: Callable[[str], None] = lambda said: None,
) -> StudyReport:
    """Fit what is not fitted yet, examine all, and write `report.html`, `report.json` and `report.md`.

    The first system is the base. The others begin with its codes and weights of the same seed where both can (they have
    the setting `start`), and are tested against it. A run lies in FOLDER/SYSTEM/seed-S; one that is there is continued
    or read, so the command may be repeated. The world and its split are the same for all seeds. `tell` hears a line
    about each run.

    Raises:
        SettingsError: a system is unknown or named twice, or a setting does not fit one of them.
        RunError: a folder holds a run with other settings.
    """
    run, study = run or Run(), study or ExposureBias()
    plans = _plans(chosen, world or World(), seeds, settings or {}, folder)
    first = plans[0].experiment()
    if not isinstance(first.data, World):
        raise SettingsError("exposure bias is measured on the simulated world, and 'data' was set to something else.")
    simulation = first.data.simulate()
    dataset = simulation.dataset("world")
    split = first.split.cut(dataset, 0)
    split = replace(split, test=test_cases(first, split))
    examined: dict[str, list[Findings]] = {}
    for place, plan in enumerate(plans):
        prefix = f"{plan.system}, seed {plan.seed} ({place + 1} of {len(plans)})"
        named = replace(run, watches=tuple(_Named(watch, prefix) for watch in run.watches))
        found = study(Subject.of(_fitted(plan, named)), simulation, split, named)
        found.save(plan.folder, study.kind())
        tell(f"{prefix}: {', '.join(f'{name} {value:.3f}' for name, value in found.means.items())}")
        examined.setdefault(plan.system, []).append(found)
    references = _references(study, simulation, split, run, leaving_out=list(examined))
    report = StudyReport(
        study=study.dump(),
        data=first.data.dump(),
        settings=dict(settings or {}),
        split=split.rule,
        dataset=DatasetNote.of(dataset),
        users=len(split.test),
        measures=_in_order([found[0] for found in examined.values()] + list(references.values())),
        rows=rows_of(examined, references),
        command=" ".join(["segue", *sys.argv[1:]]),
        hardware=hardware(),
        versions=versions(),
    )
    write_text(folder / "report.md", report.markdown() + "\n")
    write_study_page(folder / "report.html", report)
    write_text(folder / REPORT, report.model_dump_json(indent=1) + "\n")
    return report


@dataclass(frozen=True)
class _Plan:
    """One system with one seed, and where it goes."""

    name: str
    system: str
    seed: int
    folder: Path
    settings: Mapping[str, Any]

    def experiment(self) -> Experiment:
        """The experiment as of now: what it starts from may have to be fitted first."""
        return new(self.name, None, self.settings, self.seed)


def _plans(chosen: Sequence[str], world: World, seeds: int, settings: Mapping[str, Any], folder: Path) -> list[_Plan]:
    """Every fit in turn; whatever is wrong with a name or a setting is found before the first of them."""
    if not chosen:
        raise SettingsError("no system is named; give at least one, such as --systems tiger_small,sasrec_small.")
    firsts = [new(name, None, {"data": world, **settings}, 0) for name in chosen]
    names = [first.recipe.name for first in firsts]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SettingsError(f"{twice} is named twice; name each system once.")
    base = firsts[0].recipe
    plans = []
    for seed in range(seeds):
        for name, first in zip(chosen, firsts, strict=True):
            system, asked = first.recipe.name, {"data": world, **settings}
            can_start = all(isinstance(recipe, TokenRecipe) for recipe in (base, first.recipe))
            if first is not firsts[0] and can_start and "start" not in asked:
                asked["start"] = str(_folder(folder, base.name, seed).resolve())
            plans.append(_Plan(name, system, seed, _folder(folder, system, seed), asked))
    return plans


def _folder(folder: Path, system: str, seed: int) -> Path:
    return folder / system / f"seed-{seed}"


def _fitted(plan: _Plan, run: Run) -> Recommender:
    """The fitted system of a plan: read where it is finished with these settings, else fitted or continued."""
    experiment = settle(plan.experiment()).experiment
    finished = (plan.folder / REPORT).exists() and (plan.folder / runs.WEIGHTS).exists()
    if not finished or runs.experiment_of(plan.folder).yaml() != experiment.yaml():
        fit(experiment, plan.folder, replace(run, resume=True), baselines=())
    return runs.open_run(plan.folder, run.device)[1]


def _references(
    study: ExposureBias, simulation: Simulation, split: Split, run: Run, *, leaving_out: Sequence[str]
) -> dict[str, Findings]:
    """Who does without learning, and who knows more than can be learnt."""
    subjects = {
        name: Subject.of(systems.find(name).fit(split, Run(device=run.device)))
        for name in REFERENCES
        if name not in leaving_out
    }
    subjects["oracle"] = Subject.oracle(simulation, split.dataset)
    subjects["ideal"] = Subject.ideal(simulation, split.dataset)
    return {name: study(subject, simulation, split, run, name=name) for name, subject in subjects.items()}


def _in_order(examined: Sequence[Findings]) -> list[str]:
    """All measures that anybody has, as tables show them."""
    return sorted(
        {name for one in examined for name in one.means}, key=lambda name: ORDER.index(name.partition("@")[0])
    )


@dataclass(frozen=True)
class _Named:
    """A watch that is told whose turn it is, and not every epoch's loss: `metrics.jsonl` of the run has these."""

    watch: Watch
    prefix: str

    def begin(self, what: str, steps: int) -> None:
        self.watch.begin(f"{self.prefix}: {what}", steps)

    def advance(self, steps: int, note: str = "") -> None:
        self.watch.advance(steps, note)

    def end(self) -> None:
        self.watch.end()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        pass
