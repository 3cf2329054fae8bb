"""What is said of the language model behind a run."""

import pytest

from segue.core.run import Run
from segue.core.text_recipe import FittedText
from segue.decoding.title_search import TitleSearch
from segue.procedures.untrained import Untrained
from segue.recipes.bigrec import VARIANTS
from segue.workflows.written import language_note, texts_for
from text_world import kinds

WORLD = kinds(users=12)


@pytest.fixture(scope="module")
def fitted() -> FittedText:
    return VARIANTS["small"].changed({"procedure": Untrained(), "backbone.tiny.steps": 5}).fit(WORLD, Run())


@pytest.mark.slow
def test_its_size_and_what_it_writes_for_those_who_are_asked(fitted: FittedText) -> None:
    note = language_note(fitted, WORLD.test)
    texts = texts_for(fitted, WORLD.test.histories)
    assert note.checkpoint == "tiny_lm"
    assert 0 < note.learnt < note.parameters
    assert note.asked == len(WORLD.test) == len(texts)
    assert note.exact == texts.is_in(fitted.catalog.names().implode()).mean()
    assert [one.written for one in note.written] == texts.to_list()[: len(note.written)]
    assert note.written[0].taken == fitted.catalog.titles(WORLD.test.targets.packed()[0][:1])[0]


@pytest.mark.slow
def test_who_can_write_nothing_but_titles_has_no_share_of_them(fitted: FittedText) -> None:
    recipe = fitted.recipe.changed({"decoder": TitleSearch()})
    within = FittedText(recipe, fitted.catalog, fitted.model, fitted.preamble, fitted.kept)
    assert texts_for(within, WORLD.test.histories) is None
    note = language_note(within, WORLD.test)
    assert note.exact is None
    assert note.written == []
