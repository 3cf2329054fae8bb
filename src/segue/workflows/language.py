"""Small checkpoints from a log, as a folder; and what it would take to train a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segue.core.errors import DataError
from segue.core.run import Run
from segue.language.corpus import Corpus
from segue.language.tiny import TinyCheckpoint, TinyReport, make_tiny
from segue.workflows import runs
from segue.workflows.belonging import Beginning, equipped
from segue.workflows.settled import settle
from segue.workflows.tokenize import OURS, experiment_of


def make(data: str, folder: Path, settings: Mapping[str, Any], run: Run) -> TinyReport:
    """Train a small checkpoint on the titles of a log and the training part of its split, and leave it as a folder.

    Settings under `data` and `split` are those of a fit, under `corpus` those of the texts, all others are the
    checkpoint's own.

    Raises:
        SettingsError: there is no such setting.
        DataError: the folder exists, or the data have no titles, or too few for so many tokens.
    """
    if folder.exists():
        raise DataError(f"{folder} exists already; choose another --out, or remove it first.")
    theirs = {path: value for path, value in settings.items() if path.split(".")[0] not in OURS}
    words = {path.removeprefix(CORPUS): value for path, value in theirs.items() if path.startswith(CORPUS)}
    checkpoint = TinyCheckpoint().changed(
        {path: value for path, value in theirs.items() if not path.startswith(CORPUS)}
    )
    corpus = Corpus().changed(words)
    split = runs.split_of(settle(experiment_of(data, settings, run.seed)).experiment)
    run = equipped(run, Beginning.of(split))
    origin = {"data": split.dataset.name, "split": split.rule, "corpus": corpus.dump()}
    return make_tiny(corpus.texts(split, run), folder, checkpoint, run, origin)


CORPUS = "corpus."
"""Settings of the texts begin so."""
