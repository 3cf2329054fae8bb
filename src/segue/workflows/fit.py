"""Fit a system, measure it beside the baselines, and leave a run folder that tells all about it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from segue.core.errors import DataError, RunError, SettingsError
from segue.core.impressions import RankingSplit
from segue.core.ranking import Rules
from segue.core.ranking_recipe import Ranker
from segue.core.recipe import CODES, FittedModel, Recommender
from segue.core.run import Run
from segue.core.tables import Cases, Split
from segue.core.text_recipe import FittedText
from segue.core.whole import is_leftover, sweep, write_text
from segue.evaluation.code_health import examine
from segue.evaluation.comparison import Comparison, compare
from segue.evaluation.data_note import DataNote
from segue.evaluation.page import write_page
from segue.evaluation.report import Measured, Report, leading, read_report
from segue.simulation.oracle import Oracle
from segue.simulation.world import World
from segue.training.distributed import team
from segue.training.loop import BEST, LATEST
from segue.training.trackers import JsonLines
from segue.workflows import runs, systems
from segue.workflows.beam_gap import beam_gap
from segue.workflows.belonging import Beginning, equipped
from segue.workflows.experiment import Experiment
from segue.workflows.kept import kept
from segue.workflows.looked_over import Tell, looked_over, refuse_serious, write_to_log
from segue.workflows.measure import Cost, measure, peak_memory_mb, test_cases
from segue.workflows.measure_ranking import measure_oracle, measure_ranking
from segue.workflows.settled import settle
from segue.workflows.written import language_note

BASELINES = ("popularity", "item_knn")
"""Fitted beside every system: whoever does not beat them should hear it at once."""
RANKING_BASELINES = ("item_rate",)
"""The same beside every system that judges what is shown."""
CHECKPOINTS = (LATEST, BEST, CODES)
LARGEST = 100_000
"""Items beyond which item_knn is left out of the table by default: it would take longer than the system itself."""


def fit(
    experiment: Experiment,
    folder: Path | str,
    run: Run | None = None,
    *,
    overwrite: bool = False,
    baselines: Sequence[str] = BASELINES,
    strict: bool = False,
    tell: Tell = write_to_log,
) -> Report:
    """Fit, save, measure on the test cases, compare with baselines, and write `report.json` and `report.html`.

    What the settings leave open is decided by the data first, and the run folder holds what was decided.

    Args:
        strict: serious findings about the data are errors, before anything is learnt.
        tell: hears of the data before anything is learnt; without it the log does.

    Raises:
        RunError: the folder holds another run, or a finished one, and neither `run.resume` nor `overwrite` is set; or
            it is resumed with other data; or the disk is full, memory ran out, or the training diverged. What was
            learnt is kept then.
        DataError: the data cannot be used, or a run that this one begins with has learnt what is asked here.
        KeyboardInterrupt: after Ctrl-C; says how to go on.
    """
    folder = Path(folder)
    run = replace(run or Run(), seed=experiment.seed, folder=folder)
    with kept(folder), team(run.device) as us:
        fresh, beginning = not folder.exists(), None
        if us.leads:
            settled = settle(experiment)
            split = settled.experiment.split.cut(settled.dataset, 0)
            note = looked_over(settled.experiment, settled.dataset, split, settled.chosen)
            if strict:
                refuse_serious(note)
            experiment = settled.experiment
            _claim(experiment, folder, resume=run.resume, overwrite=overwrite)
            beginning = Beginning.of(split, folder, resume=run.resume and not overwrite)
            run = replace(run, watches=(JsonLines(folder / "metrics.jsonl", resume=run.resume), *run.watches))
            tell(note)
        us.wait()
        if not us.leads:  # by now the leader has prepared the data
            experiment = settle(experiment).experiment
            split = runs.split_of(experiment)
        run = equipped(run, beginning or Beginning.of(split))
        began, cpu = time.monotonic(), time.process_time()
        try:
            _refuse_requests(experiment, split)
            recommender = experiment.recipe.fit(split, run)
        except (SettingsError, DataError):  # what was asked cannot be: it leaves nothing behind
            if us.leads and fresh and not list(folder.rglob(Path(LATEST).name)):
                shutil.rmtree(folder)
            raise
        cost = Cost(time.monotonic() - began, time.process_time() - cpu, peak_memory_mb())
        if us.leads:
            runs.save(folder, recommender, split.dataset)
            report, _ = write_up(experiment, recommender, split, folder, run, cost, baselines, note)
        us.wait()
        return report if us.leads else read_report(folder)


def write_up(
    experiment: Experiment,
    recommender: Recommender,
    split: Split,
    folder: Path,
    run: Run,
    cost: Cost,
    baselines: Sequence[str],
    data: DataNote | None = None,
) -> tuple[Report, Comparison]:
    """Measure a fitted system and its baselines under one protocol; writes the report and the page."""
    if isinstance(split, RankingSplit) and isinstance(recommender, Ranker):
        rows = _judged(experiment, recommender, split, folder, run, cost, baselines)
        comparison = compare(rows, metrics=leading(rows[0].report))
    else:
        rows = _answered(experiment, recommender, split, folder, run, cost, baselines)
        comparison = compare(rows, metrics=headline(experiment.evaluation.ks))
    report = rows[0].report.model_copy(update={"data": data})
    replace(rows[0], report=report).save(folder)
    write_page(folder / "report.html", report, comparison)
    write_text(folder / "comparison.md", comparison.markdown() + "\n")
    return report, comparison


def headline(ks: Sequence[int]) -> list[str]:
    """The metrics that tables show: hit rate and NDCG of ten items where those are measured."""
    k = 10 if 10 in ks else max(ks)
    return [f"HR@{k}", f"NDCG@{k}"]


def _answered(
    experiment: Experiment,
    recommender: Recommender,
    split: Split,
    folder: Path,
    run: Run,
    cost: Cost,
    baselines: Sequence[str],
) -> list[Measured]:
    """The system, its baselines, and the oracle where there is one, asked for their best items of the catalogue."""
    name = experiment.recipe.name
    timed = experiment.recipe.knows_target_time
    measured = measure(
        name, recommender.recommend, experiment, split, target_time=timed, cost=cost, folder=folder, run=run
    )
    if isinstance(recommender, FittedModel) and recommender.tokenizer is not None:
        health = examine(recommender.tokenizer, split.train, run.numpy_generator("code health"))
        ks = experiment.evaluation.ks
        gap = beam_gap(
            recommender,
            test_cases(experiment, split),
            k=10 if 10 in ks else max(ks),
            longest=max(ks),
            rules=Rules(seen=experiment.evaluation.seen),
            run=run,
        )
        measured = replace(measured, report=measured.report.model_copy(update={"codes": health, "beam": gap}))
    if isinstance(recommender, FittedText):
        written = language_note(recommender, test_cases(experiment, split))
        measured = replace(measured, report=measured.report.model_copy(update={"language": written}))
    others = [one for one in baselines if one != name and not systems.find(one).ranks]
    others = [one for one in others if one != "item_knn" or len(split.catalog) <= LARGEST]
    rows = [measured, *(_baseline(one, experiment, split, run, timed) for one in others)]
    if isinstance(experiment.data, World):
        oracle = Oracle(experiment.data.simulate())
        rows.append(
            measure(
                "oracle",
                lambda histories, k, rules: oracle.rank(split.dataset, Cases(histories, histories.ends), k, rules),
                experiment,
                split,
                target_time=timed,
                run=run,
            )
        )
    return rows


def _judged(
    experiment: Experiment,
    ranker: Ranker,
    split: RankingSplit,
    folder: Path,
    run: Run,
    cost: Cost,
    baselines: Sequence[str],
) -> list[Measured]:
    """The ranker, its baselines, and the oracle where there is one, asked about the shown items."""
    name = experiment.recipe.name
    rows = [measure_ranking(name, ranker.probabilities, experiment, split, cost=cost, folder=folder, run=run)]
    others = [*(RANKING_BASELINES if baselines else ()), *(one for one in baselines if systems.find(one).ranks)]
    for other in dict.fromkeys(one for one in others if one != name):
        quiet = _quiet(run, experiment)
        fitted = systems.find(other).fit(split, quiet)
        assert isinstance(fitted, Ranker)
        rows.append(measure_ranking(other, fitted.probabilities, experiment, split, run=quiet))
    oracle = measure_oracle(experiment, split, run)
    return rows if oracle is None else [*rows, oracle]


def _baseline(name: str, experiment: Experiment, split: Split, run: Run, timed: bool) -> Measured:
    quiet = _quiet(run, experiment)
    fitted = systems.find(name).fit(split, quiet)
    return measure(name, fitted.recommend, experiment, split, target_time=timed, run=quiet)


def _refuse_requests(experiment: Experiment, split: Split) -> None:
    """Who answers with lists has nothing to learn from requests; rankers themselves refuse any other split."""
    if isinstance(split, RankingSplit) and not experiment.recipe.ranks:
        raise SettingsError(
            f"{experiment.recipe.name} recommends from the whole catalogue, and split={experiment.split.kind()} asks "
            "about single items. Choose another split, or fit a system that ranks, such as item_rate."
        )


def _quiet(run: Run, experiment: Experiment) -> Run:
    """A run that leaves nothing in the folder."""
    return Run(seed=experiment.seed, watches=tuple(watch for watch in run.watches if not isinstance(watch, JsonLines)))


def _claim(experiment: Experiment, folder: Path, *, resume: bool, overwrite: bool) -> None:
    """Make the folder ours, or refuse: nobody's run is overwritten unasked, and no run is continued as another."""
    recipe = folder / runs.RECIPE
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file; --out must be a folder.")
    if recipe.exists() and not overwrite:
        if not resume:
            raise RunError(f"{folder} holds a run already; continue it with --resume, or replace it with --overwrite.")
        before, now = runs.experiment_of(folder).yaml(), experiment.yaml()  # both with the defaults of this version
        if before != now:
            changed = [line for line in now.splitlines() if line not in before.splitlines()]
            raise RunError(
                f"{folder} holds a run with other settings, so it cannot be resumed as this one; what differs: "
                f"{'; '.join(line.strip() for line in changed[:5])}. Resume it with: segue fit {recipe} --out {folder} "
                "--resume"
            )
    elif folder.is_dir() and not recipe.exists() and not all(is_leftover(path) for path in folder.iterdir()):
        raise RunError(f"{folder} is not empty and not a run folder; choose another --out.")
    for place in (folder, (folder / LATEST).parent):
        sweep(place)
    if overwrite:
        for name in (
            runs.WEIGHTS,
            runs.LEARNT,
            "report.json",
            "report.html",
            "per_user.npz",
            "metrics.jsonl",
            *CHECKPOINTS,
        ):
            (folder / name).unlink(missing_ok=True)
    write_text(recipe, experiment.yaml())
