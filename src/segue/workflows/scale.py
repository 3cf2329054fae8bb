"""Fit one system in several widths, and see whether more parameters do better: points, laws and a picture."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from segue.core.errors import SettingsError
from segue.core.ranking_recipe import FittedRanker
from segue.core.run import Run
from segue.core.whole import write_text
from segue.evaluation.note import Note
from segue.evaluation.report import REPORT, DatasetNote, Report, read_report
from segue.evaluation.scaling import Law, fit_law
from segue.evaluation.scaling_chart import colour_of, scaling_chart
from segue.evaluation.sheet import duration, figure, sheet, table
from segue.workflows import runs
from segue.workflows.experiment import Experiment, new
from segue.workflows.fit import fit
from segue.workflows.settled import settle

STRATEGY = "procedure.strategy"
"""The setting that tells lines apart."""


class Point(Note):
    """One fitted system."""

    line: str
    width: int
    parameters: int
    """Dense ones: of the trunk, without tables and head."""
    seed: int
    seconds: float
    metrics: dict[str, float]


class ScaleReport(Note):
    """All points, and the law of each line in each measure."""

    system: str
    dataset: DatasetNote
    split: str
    settings: dict[str, Any]
    points: list[Point]
    laws: dict[str, dict[str, Law | None]]
    """By measure and line; None for fewer than three widths."""
    command: str
    hardware: dict[str, str]
    versions: dict[str, str]

    @property
    def lines(self) -> list[str]:
        """The names of the lines, in the order asked for."""
        return list(dict.fromkeys(point.line for point in self.points))

    def line(self, name: str, measure: str) -> list[tuple[float, float]]:
        """Size and value of each point of a line."""
        return [(float(one.parameters), one.metrics[measure]) for one in self.points if one.line == name]

    def rows(self) -> list[tuple[str, int, int, dict[str, tuple[float, float]]]]:
        """Line, width, parameters, and of each measure the mean over the seeds and the deviation between them."""
        found = []
        for line, width, size in dict.fromkeys((one.line, one.width, one.parameters) for one in self.points):
            seeds = [one.metrics for one in self.points if (one.line, one.width) == (line, width)]
            cells = {name: np.array([seed[name] for seed in seeds]) for name in self.laws}
            spread = {name: (values.mean(), values.std(ddof=len(values) > 1)) for name, values in cells.items()}
            found.append((line, width, size, {name: (float(m), float(s)) for name, (m, s) in spread.items()}))
        return found

    def markdown(self) -> str:
        """The table and the laws as text."""
        seeds = len({one.seed for one in self.points})
        head = ["line", "width", "dense parameters", *self.laws]
        said = [
            f"# {self.system} by size",
            "",
            f"{self.dataset.name} (digest {self.dataset.digest[:8]}), {self.split}; "
            + (f"mean and deviation of {seeds} seeds." if seeds > 1 else "one seed."),
            "",
            "| " + " | ".join(head) + " |",
            "|" + " --- |" * len(head),
        ]
        for line, width, size, cells in self.rows():
            words = [_words(*cells[name], seeds) for name in self.laws]
            said.append("| " + " | ".join([line, str(width), f"{size:,}", *words]) + " |")
        said += ["", "a + b x^-c over the dense parameters x, by least squares:", ""]
        for measure, laws in self.laws.items():
            said += [
                f"- {measure}, {line}: {law.words() if law else 'needs three widths'}" for line, law in laws.items()
            ]
        return "\n".join(said) + "\n"

    def page(self) -> str:
        """The same as a page with pictures."""
        seeds = len({one.seed for one in self.points})
        keys = " ".join(
            f'<span class="key" style="background:{colour_of(place)}"></span>{escape(line)}'
            for place, line in enumerate(self.lines)
        )
        pictures = "".join(
            figure(
                escape(measure),
                scaling_chart({line: self.line(line, measure) for line in self.lines}, laws, measure),
                f"{keys}<br>"
                + "<br>".join(f"{escape(one)}: {escape(law.words())}" for one, law in laws.items() if law),
            )
            for measure, laws in self.laws.items()
        )
        rows = [
            ([escape(line), str(width), f"{size:,}", *(_words(*cells[name], seeds) for name in self.laws)], False)
            for line, width, size, cells in self.rows()
        ]
        facts = {
            "data": f"{self.dataset.name}, digest {self.dataset.digest}",
            "split": self.split,
            "settings": ", ".join(f"{name}={value}" for name, value in self.settings.items()) or "as described",
            "seeds": str(seeds),
            "time": duration(sum(one.seconds for one in self.points)),
            "hardware": ", ".join(self.hardware.values()),
            "command": self.command,
        }
        how = "".join(f"<dt>{name}</dt><dd>{escape(said)}</dd>" for name, said in facts.items())
        return sheet(
            f"{self.system} by size",
            (
                f'<header><p class="over">Segue</p><h1>{escape(self.system)} by size</h1><p>Test measures against the '
                "dense parameters of the trunk. Dots are means over seeds, bars reach to the outermost, curves are "
                "a + b x^-c.</p></header>",
                f'<section><div class="grid2">{pictures}</div></section>',
                f"<section><h2>Numbers</h2>{table(['line', 'width', 'dense', *self.laws], rows)}</section>",
                f"<section><h2>How it was made</h2><dl>{how}</dl></section>",
            ),
        )


def scale(
    system: str,
    *,
    widths: Sequence[int],
    strategies: Sequence[str] = (),
    data: str = "world",
    seeds: int = 1,
    folder: Path = Path("runs/scale"),
    run: Run | None = None,
    settings: Mapping[str, Any] | None = None,
    tell: Callable[[str], None] = lambda said: None,
) -> ScaleReport:
    """Fit what is not fitted yet and write `report.json`, `report.md` and `report.html`.

    Each of the strategies is a line; without any there is one line, the system as it is. A run lies in
    FOLDER/LINE/width-W/seed-S; one that is there is continued or read, so the command may be repeated.

    Raises:
        SettingsError: the system ranks nothing that is shown, has no strategies, or a setting does not fit.
        RunError: a folder holds a run with other settings.
    """
    run = run or Run()
    plans = _plans(system, widths, strategies, data, seeds, folder, settings or {})
    points, measures, last = [], [], None
    for place, plan in enumerate(plans):
        last, ranker = _fitted(plan, run)
        measures = [name for name in last.metrics if name.startswith(("AUC ", "LogLoss "))]
        point = Point(
            line=plan.line,
            width=plan.width,
            parameters=dense_parameters(ranker.model),
            seed=plan.seed,
            seconds=last.seconds,
            metrics={name: last.metrics[name].mean for name in measures},
        )
        points.append(point)
        found = ", ".join(f"{name} {value:.4f}" for name, value in point.metrics.items())
        tell(
            f"{plan.line}, width {plan.width} ({point.parameters:,} dense), seed {plan.seed} "
            f"({place + 1} of {len(plans)}): {found}"
        )
    assert last is not None
    report = ScaleReport(
        system=plans[0].experiment.recipe.name,
        dataset=last.dataset,
        split=last.protocol.split,
        settings=dict(settings or {}),
        points=points,
        laws={name: {line: _law(points, line, name) for line in _lines(plans)} for name in measures},
        command=" ".join(["segue", *sys.argv[1:]]),
        hardware=last.hardware,
        versions=last.versions,
    )
    write_text(folder / "report.md", report.markdown())
    write_text(folder / "report.html", report.page())
    write_text(folder / REPORT, report.model_dump_json(indent=1) + "\n")
    return report


def dense_parameters(model: nn.Module) -> int:
    """The parameters of the trunk, or where there is none of everything but the vectors of items."""
    trunk = getattr(model, "trunk", None)
    if isinstance(trunk, nn.Module):
        return sum(parameter.numel() for parameter in trunk.parameters())
    return sum(parameter.numel() for name, parameter in model.named_parameters() if not name.startswith("items."))


@dataclass(frozen=True)
class _Plan:
    """One fit, and where it goes."""

    line: str
    width: int
    seed: int
    folder: Path
    experiment: Experiment


def _plans(
    system: str,
    widths: Sequence[int],
    strategies: Sequence[str],
    data: str,
    seeds: int,
    folder: Path,
    settings: Mapping[str, Any],
) -> list[_Plan]:
    """Every fit in turn; whatever is wrong with a setting is found before the first of them."""
    if not widths:
        raise SettingsError("no width is named; give some, such as --widths 16,32,64.")
    plans = []
    for seed in range(seeds):
        for width in widths:
            for strategy in strategies or [""]:
                chosen = {"backbone.width": width, **({STRATEGY: strategy} if strategy else {}), **settings}
                experiment = new(system, data, chosen, seed)
                if not experiment.recipe.ranks:
                    raise SettingsError(f"{system} ranks nothing that is shown; 'segue systems' lists who does.")
                line = strategy or experiment.recipe.name
                plans.append(_Plan(line, width, seed, folder / line / f"width-{width}" / f"seed-{seed}", experiment))
    return plans


def _fitted(plan: _Plan, run: Run) -> tuple[Report, FittedRanker]:
    """The report and the system of a plan: read where it is finished with these settings, else fitted or continued."""
    finished = (plan.folder / REPORT).exists() and (plan.folder / runs.WEIGHTS).exists()
    if not finished or runs.experiment_of(plan.folder).yaml() != settle(plan.experiment).experiment.yaml():
        fit(plan.experiment, plan.folder, replace(run, resume=True), baselines=())
    _, ranker = runs.open_run(plan.folder)
    if not isinstance(ranker, FittedRanker):
        raise SettingsError(f"{plan.experiment.recipe.name} is not made of parts, so it has no widths.")
    return read_report(plan.folder), ranker


def _lines(plans: Sequence[_Plan]) -> list[str]:
    return list(dict.fromkeys(plan.line for plan in plans))


def _law(points: Sequence[Point], line: str, measure: str) -> Law | None:
    mine = [point for point in points if point.line == line]
    sizes = np.array([float(point.parameters) for point in mine])
    return fit_law(sizes, np.array([point.metrics[measure] for point in mine]))


def _words(mean: float, deviation: float, seeds: int) -> str:
    return f"{mean:.4f} ± {deviation:.4f}" if seeds > 1 else f"{mean:.4f}"
