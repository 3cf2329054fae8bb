"""How large the language model of a run is, and what it writes for some of the users who are asked."""

from __future__ import annotations

from segue.core.seeding import numpy_generator
from segue.core.tables import Cases
from segue.core.text_recipe import FittedText
from segue.decoding.nearest_items import NearestItems
from segue.evaluation.language_note import LanguageNote, WrittenTitle
from segue.workflows.measure import SAMPLES

ASKED = 200
"""Users whose texts are looked at."""


def language_note(fitted: FittedText, cases: Cases) -> LanguageNote:
    """The size of the language model; where it writes freely, how much of that are titles, and some of it."""
    model, decoder = fitted.model, fitted.recipe.decoder
    parameters = [*model.parameters()]
    note = LanguageNote(
        checkpoint=fitted.checkpoint,
        parameters=sum(one.numel() for one in parameters),
        learnt=sum(one.numel() for one in parameters if one.requires_grad),
    )
    told = cases.take((cases.histories.lengths > 0).nonzero()[0])
    if not isinstance(decoder, NearestItems) or not len(told):
        return note
    if len(told) > ASKED:
        told = told.take(numpy_generator(0, "texts looked at").choice(len(told), ASKED, replace=False))
    drafts = model.write(told.histories, beams=decoder.beams, length=decoder.length)
    texts = fitted.recipe.prompts.title(drafts.texts.gather_every(decoder.beams))
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
    exact = float(texts.is_in(model.titles).mean() or 0.0)  # type: ignore[arg-type]  # a mean of booleans is a number
    return note.model_copy(update={"exact": exact, "asked": len(told), "written": shown})
