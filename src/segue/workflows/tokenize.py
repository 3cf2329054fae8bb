"""Give the items of a log codes, and leave a folder with them and with the report of their health."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segue.core.errors import SettingsError
from segue.core.recipe import TokenRecipe
from segue.core.run import Run
from segue.core.tokenizing import FittedTokenizer, ItemTokenizer
from segue.core.whole import whole_folder
from segue.data.sources.suggest import nearest
from segue.evaluation.code_health import CodeHealth, examine
from segue.evaluation.code_page import write_code_page
from segue.evaluation.report import DatasetNote
from segue.tokenizers import saved_codes
from segue.workflows import runs, systems
from segue.workflows.belonging import Beginning, equipped
from segue.workflows.experiment import Experiment, data_of
from segue.workflows.measure import versions
from segue.workflows.place import check_place
from segue.workflows.settled import settle

HEALTH, PAGE = "health.json", "report.html"
USUAL = "tiger_tuned"
"""The system whose tokenizer is taken where none is named: it needs no download."""
OURS = ("data", "split")
"""Settings that belong to the log and not to the tokenizer."""


def experiment_of(data: str, settings: Mapping[str, Any], seed: int) -> Experiment:
    """The log that codes are made for, prepared and cut as a run would have it.

    Only settings of the data and of the split are looked at. Popularity stands in for the system there is not yet.
    """
    systems.load_shelves()
    ours = {path: value for path, value in settings.items() if path.split(".")[0] in OURS}
    stand_in = Experiment(recipe=systems.find("popularity"), data=data_of(data), seed=seed)
    return stand_in.with_settings(ours)


def tokenizer_of(name: str | None, settings: Mapping[str, Any]) -> ItemTokenizer:
    """The tokenizer of this kind, or the one of the system of this name, with some of its settings changed.

    What a kind cannot do without and was not named (its encoder) is taken from the usual one.

    Raises:
        SettingsError: there is no such tokenizer or setting.
    """
    systems.load_shelves()
    usual = _of_system(USUAL)
    theirs = {path: value for path, value in settings.items() if path.split(".")[0] not in OURS}
    if name is None:
        tokenizer = usual
    elif name in ItemTokenizer.kinds():
        tokenizer = ItemTokenizer.parse({"kind": name, **_wanting(ItemTokenizer.kinds()[name], usual, theirs)})
    else:
        tokenizer = _of_system(name)
    if tokenizer is None:
        kinds = sorted(ItemTokenizer.kinds())
        wrong = f"there is no tokenizer '{name}'{nearest(name, kinds)}" if name else "say which with --tokenizer."
        raise SettingsError(f"{wrong} Choose one of: {', '.join(kinds)}; or a system that has one, such as {USUAL}.")
    return tokenizer.changed(theirs)


def tokenize(
    tokenizer: ItemTokenizer, experiment: Experiment, folder: Path, run: Run, *, overwrite: bool = False
) -> tuple[FittedTokenizer, CodeHealth]:
    """Fit the tokenizer and write its folder: the codes, `health.json` and `report.html`, or nothing at all.

    Raises:
        RunError: the folder is there and is not to be replaced, or is none of codes.
        DataError: the data cannot be used, or not by this tokenizer.
    """
    check_place(folder, saved_codes.PART, "codes", overwrite=overwrite)
    split = runs.split_of(settle(experiment).experiment)
    beginning = Beginning.of(split)
    run = equipped(run, beginning)
    began = time.monotonic()
    fitted = tokenizer.fit(split, run)
    seconds = time.monotonic() - began
    run.begin("looking at the codes", 1)
    health = examine(fitted, split.train, run.numpy_generator("code health"))
    run.end()
    origin = {
        "kind": tokenizer.kind(),
        "data": DatasetNote.of(split.dataset).model_dump(),
        "split": split.rule,
        "seed": run.seed,
        "seconds": seconds,
        "command": " ".join(["segue", *sys.argv[1:]]),
        "settings": tokenizer.dump(),
        "versions": versions(),
    }
    health = health.model_copy(update={"origin": origin})
    with whole_folder(folder) as draft:
        saved_codes.save(draft, fitted)
        beginning.learnt.write(draft / runs.LEARNT)
        health.save(draft / HEALTH)
        write_code_page(draft / PAGE, health, split.dataset.name)
    return fitted, health


def _of_system(name: str) -> ItemTokenizer | None:
    try:
        recipe = systems.find(name)
    except SettingsError:
        return None
    return recipe.tokenizer if isinstance(recipe, TokenRecipe) else None


def _wanting(kind: type, usual: ItemTokenizer | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Values for the settings of a kind that have no default: as the usual tokenizer has them, else as given."""
    named = {path: value for path, value in given.items() if "." not in path}
    values: dict[str, Any] = {}
    for field, about in kind.model_fields.items():  # type: ignore[attr-defined]
        if about.is_required() and usual is not None and field in type(usual).model_fields:
            values[field] = getattr(usual, field)  # until what was given changes it
        elif about.is_required() and field in named:
            values[field] = named[field]
    return values
