"""A small world whose titles say what comes next: the first word of a title is its kind, and everybody keeps to one."""

from dataclasses import replace

import numpy as np
import polars as pl
import torch

from segue.core.batches import SequenceBatch
from segue.core.run import Run
from segue.core.seeding import numpy_generator
from segue.core.tables import Split
from segue.core.text_recipe import TextRecipe
from segue.language.corpus import Corpus
from segue.objectives.next_words import NextWords
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


def left_to_learn(recipe: TextRecipe, seed: int) -> float:
    """What a token of the next title costs after tuning, as a share of what it cost before.

    The language model has read titles and lists of them and no prompts, so that tuning has something to teach. Where
    it has read prompts, as in the small variants, it answers as well without being tuned.
    """
    recipe = recipe.changed(
        {"backbone.corpus": Corpus(), "backbone.tiny.vocabulary": 305, "backbone.tiny.steps": 60, "procedure.users": 16}
    )
    world = kinds(users=48)
    asked = replace(world.test.histories, ends=world.test.stops).latest(recipe.batches.history + 1)
    nats = []
    for procedure in (recipe.procedure, "untrained"):
        model = recipe.changed({"procedure": procedure}).fit(world, Run(seed=seed)).model
        with torch.no_grad():
            nats.append(float(NextWords()(model, SequenceBatch.of(asked, targets=True), torch.Generator()).mean))
    return nats[0] / nats[1]
