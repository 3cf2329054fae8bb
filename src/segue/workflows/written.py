"""How large the language model of a run is, and what it writes for some of the users who are asked."""

from __future__ import annotations

import polars as pl

from segue.core.seeding import numpy_generator
from segue.core.tables import Cases, Histories
from segue.core.text_recipe import FittedText
from segue.decoding.nearest_items import NearestItems
from segue.evaluation.language_note import LanguageNote, WrittenTitle
from segue.workflows.measure import SAMPLES

ASKED = 200
"""Users whose texts are looked at."""


def language_note(fitted: FittedText, cases: Cases) -> LanguageNote:
    """The size of the language model; where it writes freely, how much of that are titles, and some of it."""
    model = fitted.model
    parameters = [*model.parameters()]
    note = LanguageNote(
        checkpoint=fitted.checkpoint,
        parameters=sum(one.numel() for one in parameters),
        learnt=sum(one.numel() for one in parameters if one.requires_grad),
    )
    told = cases.take((cases.histories.lengths > 0).nonzero()[0])
    if not isinstance(fitted.recipe.decoder, NearestItems) or not len(told):
        return note
    if len(told) > ASKED:
        told = told.take(numpy_generator(0, "texts looked at").choice(len(told), ASKED, replace=False))
    texts = texts_for(fitted, told.histories)
    assert texts is not None
    users = told.histories.users
    shown = [
        WrittenTitle(
            user=f"user {users[row]}",
            history=fitted.catalog.titles(told.histories.take(slice(row, row + 1)).latest(5).packed()[0]),
            written=texts[row],
            taken=fitted.catalog.titles(told.histories.items[told.histories.ends[row : row + 1]])[0],
        )
        for row in range(min(SAMPLES, len(told)))
    ]
    exact = float(texts.is_in(model.titles.implode()).mean() or 0.0)  # type: ignore[arg-type]  # a mean of booleans is a number
    return note.model_copy(update={"exact": exact, "asked": len(told), "written": shown})


def texts_for(fitted: FittedText, histories: Histories) -> pl.Series | None:
    """The title that the language model writes after each history, before it is grounded; None where it cannot write
    anything but titles of the catalogue."""
    decoder = fitted.recipe.decoder
    if not isinstance(decoder, NearestItems):
        return None
    drafts = fitted.model.write(histories, beams=decoder.beams, length=decoder.length)
    texts: pl.Series = fitted.model.title(drafts.texts.gather_every(decoder.beams))
    return texts
