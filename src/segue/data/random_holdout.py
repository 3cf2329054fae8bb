"""Holding out one event of each user: the last where the order is known, else one drawn at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pydantic import NonNegativeInt

from segue.core.seeding import numpy_generator
from segue.core.tables import Dataset, Split
from segue.data.order import ordered_by
from segue.data.split import LeaveOneOut, SplitRule


class RandomHoldout(SplitRule):
    """For logs whose order nobody knows: one event of each user, drawn at random, is the test, another the validation.

    The events of each user are put into an order that is drawn once, by the seed of the split, and the last ones are
    held out. So the rest, the history, stands in that order too: a system that reads sequences learns an order that
    means nothing. Clock times are left out, for they would tell another order.
    """

    validation_users: NonNegativeInt = 1024
    """Users with at least three events, drawn at random, of whom another event is asked in validation."""

    def cut(self, dataset: Dataset, seed: int) -> Split:
        """Test for users with two events or more."""
        split = LeaveOneOut(validation_users=self.validation_users).cut(_drawn(dataset, seed), seed)
        rule = (
            f"random hold-out: one event of each user, order drawn at random (seed {seed}); validation: another of "
            f"{self.validation_users} users"
        )
        return replace(split, rule=rule)


class HoldOut(SplitRule):
    """One event of each user is the test: the last one, or one drawn at random where nobody knows the order.

    What is fitted is one of the two, and `recipe.yaml` says which: `leave_one_out` or `random_holdout`.
    """

    validation_users: NonNegativeInt = 1024
    """Users with at least three events, drawn at random, of whom another event is asked in validation."""

    def settled(self, dataset: Dataset) -> SplitRule:
        """The rule that this dataset calls for."""
        rule = RandomHoldout if ordered_by(dataset) == "rows" else LeaveOneOut
        return rule(validation_users=self.validation_users)

    def cut(self, dataset: Dataset, seed: int) -> Split:
        """Test for users with two events or more."""
        return self.settled(dataset).cut(dataset, seed)


def _drawn(dataset: Dataset, seed: int) -> Dataset:
    """The same dataset with each user's events in an order drawn at random."""
    log = dataset.log
    owners = np.repeat(np.arange(len(log.offsets) - 1), np.diff(log.offsets))
    order = np.lexsort((numpy_generator(seed, "split", "random_holdout").random(len(log)), owners))
    shuffled = replace(
        log,
        items=log.items[order],
        timestamps=None,
        columns={name: values[order] for name, values in log.columns.items()},
    )
    return replace(dataset, log=shuffled, origin={**dataset.origin, "ordered": "drawn"})
