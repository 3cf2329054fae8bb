"""Measure a run again, perhaps under another protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segue.core.errors import RunError
from segue.core.run import Run
from segue.core.text_recipe import FittedText, TextRecipe
from segue.core.whole import write_text
from segue.evaluation.comparison import Comparison
from segue.evaluation.report import REPORT, Report, read_report
from segue.workflows import runs
from segue.workflows.belonging import check_measured
from segue.workflows.fit import BASELINES, write_up
from segue.workflows.looked_over import Tell, looked_over, refuse_serious, write_to_log
from segue.workflows.measure import Cost


def evaluate_run(
    folder: Path,
    settings: Mapping[str, Any] | None = None,
    run: Run | None = None,
    *,
    out: Path | None = None,
    baselines: Sequence[str] = BASELINES,
    strict: bool = False,
    tell: Tell = write_to_log,
) -> tuple[Report, Comparison]:
    """Measure a fitted run on its test cases; `settings` may change how (`evaluation.seen`, `evaluation.ks`).

    A language model may be asked with another decoder (`decoder=title_search`, `decoder.injection.gamma`), for nothing
    of the decoder is learnt. It still has the weights that answered best on the validation cases with its own.

    Serious findings about the data are errors where it is `strict`; `tell` hears of the data, or else the log does.

    The report goes to `out`, or into the run's own folder when nothing was changed.

    Raises:
        RunError: the run is not finished, something else than how it is asked was changed, there is no `out` for it,
            or the data are no longer what it was fitted on (a longer log is, where no event of its test was learnt).
        SettingsError: a value does not fit.
    """
    run = run or Run()
    experiment, recommender = runs.open_run(folder, run.device)
    writes = isinstance(recommender, FittedText)
    for path in settings or {}:
        part = path.removeprefix("recipe.").split(".")[0]
        if part == "decoder" and not writes:
            raise RunError(
                f"{path}: only a language model can be asked with another decoder, and {folder} is a run of "
                f"{experiment.recipe.name}; settings must begin with 'evaluation.'."
            )
        if part not in ("evaluation", "decoder"):
            also = " or 'decoder'" if writes else ""
            raise RunError(
                f"{path}: a fitted run can only be asked otherwise; settings must begin with 'evaluation.'{also}."
            )
    asked = experiment.with_settings(settings or {})
    if isinstance(recommender, FittedText) and isinstance(asked.recipe, TextRecipe):
        recommender.recipe = asked.recipe
    if out is None and asked != experiment:
        raise RunError("with changed settings the report needs a folder of its own: give --out.")
    dataset = runs.dataset_of(asked)
    split = asked.split.cut(dataset, 0)
    check_measured(folder, split, recommender.catalog)
    cost = Cost()
    if (folder / REPORT).exists():
        before = read_report(folder)
        cost = Cost(before.seconds, before.cpu_seconds, before.peak_memory_mb)
    note = looked_over(asked, dataset, split)
    if strict:
        refuse_serious(note)
    tell(note)
    target = out or folder
    if target != folder:
        write_text(target / runs.RECIPE, asked.yaml())
    return write_up(asked, recommender, split, target, run, cost, baselines, note)
