"""Fit, evaluate, compare, reproduce: the verbs that leave or read run folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segue.cli.words import Device, Json, RunFolder, Set, Strict, data_note, print_json, settings, start_torch

if TYPE_CHECKING:
    from segue.evaluation.comparison import Comparison
    from segue.evaluation.data_note import DataNote
    from segue.evaluation.report import Report

Baselines = Annotated[
    str,
    typer.Option(help="Systems to fit beside it, separated by commas; '' for none. Rankers stand beside item_rate."),
]


def fit(
    recipe: Annotated[str, typer.Argument(help="A system (see 'segue systems'), or a YAML file.", show_default=False)],
    data: Annotated[
        str | None,
        typer.Option(help="A log: CSV, Parquet, JSON lines, MovieLens, Amazon, RecBole, KuaiRand, Taobao, a folder, "
                          "or 'world' for the simulated one (the default)."),
    ] = None,
    changes: Set = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of weights, batches, negatives; 0 unless given.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/RECIPE unless given.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on where a stopped run was.")] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace a run that is there.")] = False,
    baselines: Baselines = "popularity,item_knn",
    strict: Strict = False,
    device: Device = "auto",
    tensorboard: Annotated[bool, typer.Option(help="Write curves for TensorBoard too (extra 'track').")] = False,
    mlflow: Annotated[bool, typer.Option(help="Send metrics to MLflow too (extra 'track').")] = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Train a recommender on a log, measure it beside baselines, and write a run folder.

    Examples:
      segue fit sasrec_small --data u.data --out runs/mine
      segue fit sasrec_tuned --data log.csv --set data.core=5 --set split=leave_two_out --set backbone.depth=3
      segue fit popularity --data log.parquet --set data.user=uid --set data.positive='rating >= 4'
    """
    place = start_torch(device)
    from segue.cli.progress import Bar
    from segue.core.run import Run
    from segue.training.trackers import MlFlow, TensorBoard
    from segue.workflows.experiment import new
    from segue.workflows.fit import fit as fit_run

    experiment = new(recipe, data, settings(changes), seed)
    folder = out or Path("runs") / experiment.recipe.name
    watches: list = [] if as_json else [Bar()]
    if tensorboard:
        watches.append(TensorBoard(folder / "tensorboard"))
    if mlflow:
        watches.append(MlFlow(f"{experiment.recipe.name} {folder.name}"))
    run = Run(seed=experiment.seed, device=place, resume=resume, watches=tuple(watches))
    names = [name.strip() for name in baselines.split(",") if name.strip()]
    report = fit_run(experiment, folder, run, overwrite=overwrite, baselines=names, strict=strict, tell=_tell(as_json))
    _show_report(report, folder, as_json)


def evaluate(
    run: RunFolder,
    changes: Set = None,
    out: Annotated[Path | None, typer.Option(help="Where the report goes when settings are changed.")] = None,
    baselines: Baselines = "popularity,item_knn",
    strict: Strict = False,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Measure a fitted run again, perhaps under another protocol; a language model perhaps with another decoder.

    Example: segue evaluate runs/mine --set evaluation.seen=true --out runs/mine-unfiltered
    Example: segue evaluate runs/bigrec --set decoder=title_search --out runs/bigrec-trie
    """
    place = start_torch(device)
    from segue.cli.progress import Bar
    from segue.core.run import Run
    from segue.workflows.evaluate import evaluate_run

    names = [name.strip() for name in baselines.split(",") if name.strip()]
    asked = Run(device=place, watches=() if as_json else (Bar(),))
    report, _ = evaluate_run(
        run, settings(changes), asked, out=out, baselines=names, strict=strict, tell=_tell(as_json)
    )
    _show_report(report, out or run, as_json)


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders; the first is what the others are tested against.")],
    metric: Annotated[list[str] | None, typer.Option(help="Such as NDCG@10 or 'AUC click'; may be repeated.")] = None,
    mixed: Annotated[bool, typer.Option(help="Allow runs of different protocols or data in one table.")] = False,
    as_json: Json = False,
) -> None:
    """Put runs into one table, with paired tests over users and the spread over seeds.

    Example: segue compare runs/sasrec-0 runs/sasrec-1 runs/hstu-0 runs/hstu-1 --metric NDCG@10
    """
    from segue.workflows.compare import compare_runs

    comparison = compare_runs(runs, metrics=metric, mixed=mixed)
    if as_json:
        print_json(_comparison_values(comparison))
        return
    _show_comparison(comparison)


def reproduce(
    name: Annotated[
        str, typer.Argument(help="A system, or the group of a published table, such as gflowgr.", show_default=False)
    ],
    row: Annotated[str | None, typer.Option(help="Only this row, such as ml-1m.")] = None,
    ledger: Annotated[Path, typer.Option(help="Where the ledger is.")] = Path("ledger"),
    data: Annotated[Path, typer.Option(help="Where data sets are.", envvar="SEGUE_SHARED")] = Path("../shared/data"),
    runs: Annotated[Path, typer.Option(help="Where runs go; those there are resumed.")] = Path("runs/reproduce"),
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds; what the row plans unless given.")] = None,
    page_only: Annotated[
        bool, typer.Option("--page-only", help="Train nothing: write a group's page from the runs that are there.")
    ] = False,
    device: Device = "auto",
    as_json: Json = False,
) -> None:  # fmt: skip
    """Train a published system under its published protocol, and write what came of it into the ledger.

    The name of a group stands for all rows of one published table. They are run one after another, each resumed where
    it was stopped, and RUNS/GROUP/report.html shows them beside the published numbers, with paired tests and sweeps.

    Examples:
      segue reproduce sasrec_tuned --row ml-1m --seeds 3
      segue reproduce gflowgr --data ../shared/data
      segue reproduce gflowgr --page-only
    """
    place = start_torch(device)
    from segue.cli.progress import Bar
    from segue.workflows.reproduce import reproduce as write_rows

    written = write_rows(
        name, row=row, ledger=ledger, data=data, folder=runs, seeds=seeds, device=place, watches=(Bar(),),
        page_only=page_only,
    )  # fmt: skip
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in written])
        return
    for entry in written:
        typer.echo(f"{entry.system} --row {entry.row}: {entry.words()}")
    if (runs / name / "report.html").exists():
        typer.echo(f"page: {runs / name / 'report.html'}")


def _tell(as_json: bool) -> Callable[[DataNote], None]:
    """Where the words about the data go: a program finds them in the report."""
    return (lambda note: None) if as_json else data_note


def _show_report(report: Report, folder: Path, as_json: bool) -> None:
    if as_json:
        print_json(report.model_dump(mode="json"))
        return
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    table = folder / "comparison.md"
    console.print(Markdown(table.read_text(encoding="utf-8").split("\n\n")[0]))
    console.print(f"protocol {report.fingerprint}: {report.protocol.words()}", highlight=False)
    beyond = (f"{name} {value:.3f}" for name, value in report.beyond.items())
    console.print(" · ".join([f"{report.users:,} users", *beyond]), highlight=False)
    if report.beam is not None:
        console.print(report.beam.words(), highlight=False)
    console.print(f"report: {folder / 'report.html'}", highlight=False)


def _show_comparison(comparison: Comparison) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    text = comparison.markdown()
    table, _, rest = text.partition("\n\n")
    console = Console()
    console.print(Markdown(table))
    console.print(rest, highlight=False)
    for row in comparison.rows[1:]:
        for metric, difference in row.differences.items():
            console.print(
                f"{row.name} - {comparison.reference.name}, {metric}: {difference.mean:+.4f} "
                f"[{difference.low:+.4f}, {difference.high:+.4f}], p = {difference.p:.2g}; "
                f"{difference.users:,} users show differences from {difference.detectable:.4f} on",
                highlight=False,
                markup=False,
            )


def _comparison_values(comparison: Comparison) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "rows": [asdict(row) for row in comparison.rows],
        "metrics": list(comparison.metrics),
        "protocols": [protocol.dump() | {"fingerprint": protocol.fingerprint} for protocol in comparison.protocols],
    }
