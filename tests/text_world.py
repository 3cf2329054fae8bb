"""A small world whose titles say what comes next: the first word of a title is its kind, and everybody keeps to one."""

import numpy as np
import polars as pl

from segue.core.seeding import numpy_generator
from segue.core.tables import Split
from segue.testing.worlds import leave_two_out

KINDS = ("Amber", "Birch", "Coral", "Delta")
NAMES = ("Falcon", "Garden", "Harbor", "Island", "Jungle", "Kettle")
TITLES = [f"{kind} {name}" for kind in KINDS for name in NAMES]
"""Item i is of kind i // 6."""


def kinds(users: int = 96, longest: int = 12, seed: int = 0) -> Split:
    """Each user takes items of one kind, any of them, again and again.

    Who reads the titles knows the kind of the next item for certain and the item in one of six cases: HR@6 is 1, where
    the most popular six have little more than a quarter.
    """
    rng = numpy_generator(seed, "kinds")
    lengths = rng.integers(5, longest + 1, users)
    kinds = np.repeat(rng.integers(0, len(KINDS), users), lengths)
    walks = kinds * len(NAMES) + rng.integers(0, len(NAMES), len(kinds))
    world = leave_two_out("kinds", walks, lengths, len(TITLES))
    world.catalog.table.replace_column(
        world.catalog.table.get_column_index("title"), pl.Series("title", TITLES, dtype=pl.String)
    )
    return world
