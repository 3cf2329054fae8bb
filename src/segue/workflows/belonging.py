"""What belongs together: a run and its data, a run and those it begins with, a stopped fit and what it learns from."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from segue.core import checkpoint
from segue.core.errors import RunError, SegueError
from segue.core.learnt import Learnt, asked_of, other_catalog
from segue.core.recipe import Recommender
from segue.core.run import Run
from segue.core.tables import Catalog, Dataset, Split
from segue.data.cache import cache_folder
from segue.workflows import runs

log = logging.getLogger(__name__)


def check_data(folder: Path, dataset: Dataset, catalog: Catalog, *, strict: bool = False) -> int:
    """Whether a dataset is what a run was fitted on, or a longer log of it; how many events it has more.

    Other items are always refused. Other events are refused where it is `strict`, and warned of elsewhere: users may
    well be asked about whose log is another by now. Of a run of before this could be checked there is a warning only.

    Raises:
        RunError: it is not.
    """
    _same_items(folder, dataset, catalog)
    learnt = _noted(folder)
    if learnt is None:
        _warn_of_before(folder, dataset.digest)
        return 0
    if learnt.digest == dataset.digest and learnt.order != "shown":
        return 0
    shown = learnt.order == "shown"
    events = dataset.exposures if shown else dataset.log
    if events is None:
        differs: str | None = "what was shown is no longer known"
    elif learnt.order == "drawn":
        differs = "its events have no order, so that a longer log cannot be told from another one"
    else:
        differs = learnt.differs_from(events, dataset.catalog)
    if differs is None and events is not None:
        return learnt.grown_by(events)
    if strict:
        raise RunError(f"{_changed(folder)}: {differs}. {_advice(learnt)}")
    log.warning("%s: %s. It answers from what it learnt of the data before", _changed(folder), differs)
    return 0


def check_measured(folder: Path, split: Split, catalog: Catalog) -> None:
    """Whether a run can be measured on a split: on the data it was fitted on, or a longer log whose test it never saw.

    Raises:
        RunError: the data are others, or the run has learnt events that the test asks for.
    """
    _same_items(folder, split.dataset, catalog)
    learnt = _noted(folder)
    if learnt is None:
        _warn_of_before(folder, split.dataset.digest)
        return
    differs = learnt.known_again(split)
    if differs is not None:
        raise RunError(f"{_changed(folder)}: {differs}. {_advice(learnt)}")
    tested = asked_of(split)[1]
    met = int(learnt.among(split, tested).sum())
    if met:
        raise RunError(
            f"{folder} has learnt {met:,} of the {len(tested):,} events that this test asks for, for the data at its "
            "source has changed since and is cut elsewhere now. Put the earlier data back, or fit it again."
        )
    grown = len(split.train.items) - int(learnt.counts.sum())
    if grown:
        log.warning(
            "%s: the log has %s events more than it was fitted on; it has learnt no event of the test, so it is "
            "measured on the longer log, from which the baselines learn too",
            folder,
            f"{grown:,}",
        )


def digest_of(folder: Path) -> str | None:
    """The digest of the data that a run was fitted on; None where it is not known."""
    if (folder / runs.LEARNT).exists():
        return Learnt.read(folder / runs.LEARNT).digest
    if (folder / runs.WEIGHTS).exists():
        return checkpoint.read(folder / runs.WEIGHTS)[1].get("dataset")
    return None


class Beginning:
    """What a fit learns from: its own split, and whatever the runs that it begins with have learnt from.

    Runs that a part of a system names are opened here and nowhere else, and one check holds for all of them.
    """

    def __init__(self, split: Split, learnt: Learnt, path: Path | None) -> None:
        self.split, self.learnt, self.path = split, learnt, path

    @classmethod
    def of(cls, split: Split, folder: Path | None = None, *, resume: bool = False) -> Beginning:
        """The beginning of a fit; with a folder it is kept there from now on.

        Raises:
            RunError: the fit is resumed, and it began with other data or another split.
        """
        learnt = Learnt.of(split)
        if folder is None:
            return cls(split, learnt, None)
        if resume:
            learnt = _resumed(folder, split, learnt)
        learnt.write(folder / runs.LEARNT)
        return cls(split, learnt, folder / runs.LEARNT)

    def open(self, folder: Path) -> Recommender:
        """The system of an earlier run, if it has learnt nothing that this split asks for.

        Raises:
            RunError: the folder is not a finished run.
            DataError: it was fitted on other data, or has learnt events of the validation or the test.
        """
        recommender = runs.open_run(folder)[1]
        earlier = _noted(folder) or _found_again(folder)
        if earlier is None:
            log.warning(
                "%s does not say what it has learnt from (an earlier version wrote it), and its data are not as they "
                "were: whether it has learnt events of this test could not be checked",
                folder,
            )
            return recommender
        others = other_catalog(recommender.catalog, self.split.catalog) is not None
        if others and earlier.known_again(self.split) is not None:  # where the same items are needed, it is refused
            log.warning("%s was fitted on other items: whether it has learnt events of this test is not known", folder)
            return recommender
        earlier.refuse_met(self.split, str(folder))
        self.learnt = self.learnt.joined(earlier, self.split)
        if self.path is not None:
            self.learnt.write(self.path)
        return recommender


def equipped(run: Run, beginning: Beginning) -> Run:
    """The run with what only we know: where things are kept for all runs, and how a run folder is opened."""
    return replace(run, cache=run.cache or cache_folder(), open_run=run.open_run or beginning.open)


def _resumed(folder: Path, split: Split, now: Learnt) -> Learnt:
    """What the fit in this folder began with, if it is what it would begin with now."""
    if not (folder / runs.LEARNT).exists():
        digest = digest_of(folder)
        if digest not in (None, now.digest):
            raise RunError(f"{folder} was fitted on other data than are there now. {ANEW}")
        if digest is None and any(folder.rglob("*.safetensors")):
            log.warning(
                "%s does not say which data it began with (an earlier version wrote it): whether they are the same "
                "could not be checked",
                folder,
            )
        return now
    before = Learnt.read(folder / runs.LEARNT)
    differs = before.known_again(split)
    if differs is None and before.digest != now.digest:
        grown = len(split.train.items) - int(before.counts.sum())
        differs = f"there are {grown:,} events more" if grown else "facts about events, users or items are others"
    if differs is None and before.rule != now.rule:
        differs = f"they were cut by '{before.rule}', and are by '{now.rule}'"
    if differs is not None:
        raise RunError(
            f"{folder} cannot be resumed, for it began with other data than are there now: {differs}. {ANEW}"
        )
    return before


def _noted(folder: Path) -> Learnt | None:
    """What a run says that it has learnt from."""
    return Learnt.read(folder / runs.LEARNT) if (folder / runs.LEARNT).exists() else None


def _found_again(folder: Path) -> Learnt | None:
    """What a run of before must have learnt from, if its data are as they were."""
    experiment, digest = runs.experiment_of(folder), digest_of(folder)
    try:
        if digest is not None and runs.dataset_of(experiment).digest == digest:
            return Learnt.of(runs.split_of(experiment))
    except SegueError:  # its data are gone
        pass
    return None


def _same_items(folder: Path, dataset: Dataset, catalog: Catalog) -> None:
    differs = other_catalog(catalog, dataset.catalog)
    if differs is not None:
        raise RunError(f"{_changed(folder)}: {differs}. {BACK_OR_ANEW}")


def _warn_of_before(folder: Path, digest: str) -> None:
    known = digest_of(folder)
    if known != digest:
        said = (
            "the data at its source are others than it was fitted on, and whether they are a longer log"
            if known
            else "whether the data at its source are those it was fitted on"
        )
        log.warning("%s was written by an earlier version: %s could not be checked", folder, said)


def _changed(folder: Path) -> str:
    return f"{folder}: the data at its source is no longer what it was fitted on"


def _advice(learnt: Learnt) -> str:
    return BACK_OR_ANEW if learnt.order == "drawn" else PUT_BACK


BACK_OR_ANEW = "Put the earlier data back, or fit it again."
PUT_BACK = f"A longer log, with the same events in front, would do too. {BACK_OR_ANEW}"
ANEW = "Put the data back as they were, or begin anew with --overwrite."
