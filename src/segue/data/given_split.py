"""The cut that the data bring with them: samples of which each says whether it is to be learnt or to be asked."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from segue.core.errors import DataError
from segue.core.shapes import Int
from segue.core.tables import Cases, Dataset, Split
from segue.data.split import Share, SplitRule

log = logging.getLogger(__name__)

PARTS = ("train", "valid", "test")


class Given(SplitRule):
    """Each user of the log is one sample, and the column `split` of the users says train, valid or test.

    Samples that are asked are asked for their last event alone. Where the data have no training samples, the `valid`
    ones are learnt, all but the last of them (in the order of the file, which is taken for the order of time), which
    are the validation. Samples of one event have no history and are left out; the log counts them.

    Windows of one person may overlap from sample to sample: what is learnt then has some events several times.
    """

    validation: Share = 0.1
    """Where there are no training samples: share of the `valid` ones that are asked in validation."""

    def cut(self, dataset: Dataset, seed: int) -> Split:
        """The parts as the data say it."""
        users = dataset.log.users
        if "split" not in users.columns:
            raise DataError(
                f"{dataset.name} has no cut of its own: expected a column 'split' of the users, as a table of samples "
                "has it. Use another rule, such as leave_one_out."
            )
        _untouched(dataset)
        said, whole = users["split"].cast(str), dataset.log.histories()
        wrong = said.filter(~said.is_in(PARTS)).drop_nulls()
        if len(wrong):
            raise DataError(f"{dataset.name}: the column 'split' says {wrong[0]!r}; expected {', '.join(PARTS)}.")
        able = whole.lengths >= 2
        if not able.all():
            log.info("%s: %d of %d samples have no history", dataset.name, int((~able).sum()), len(able))
        train, valid, test = (np.flatnonzero(said.eq_missing(part).to_numpy() & able) for part in PARTS)
        learnt = "its train samples; validation: its valid samples"
        if not len(train):
            first = len(valid) - round(self.validation * len(valid))
            train, valid = valid[:first], valid[first:]
            learnt = f"its valid samples; validation: the last {self.validation:g} of them"
        if not len(train) or not len(test):
            raise DataError(
                f"{dataset.name} has {len(train)} samples to learn and {len(test)} to ask; both are needed. The column "
                f"'split' says: {', '.join(map(str, said.unique(maintain_order=True).to_list()))}."
            )

        def last(rows: Int[np.ndarray, " rows"]) -> Cases:
            chosen = whole.take(rows)
            return Cases(replace(chosen, ends=chosen.ends - 1), chosen.ends)

        rule = f"given: last event of the data's own test samples; learnt: {learnt}"
        return Split(dataset, rule, whole.take(train), last(valid), last(test))


def _untouched(dataset: Dataset) -> None:
    """Raises:
    DataError: the preparation dropped events out of the midst of samples.
    """
    settings = dataset.origin.get("settings", {})
    changed = [name for name in ("core", "user_core", "item_core", "positive") if settings.get(name)]
    changed += ["duplicates"] if settings.get("duplicates", "keep") != "keep" else []
    if changed:
        raise DataError(
            f"{dataset.name}: data.{changed[0]} drops events from within samples, and their last event would no longer "
            f"be the target. Leave {', '.join(f'data.{name}' for name in changed)} as by default."
        )
