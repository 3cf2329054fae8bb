import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.core.run import Run
from segue.core.tables import Catalog, Dataset, InteractionLog, Split
from segue.data.split import LeaveTwoOut
from segue.language.instruction import Instruction

BREAKS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
MOVIES = Instruction(noun="movies", verb="watched")


def split_of(*histories: list[int]) -> Split:
    """Five movies, A to E; of each history the last two items are asked, the others are learnt."""
    offsets = np.cumsum([0, *(len(history) for history in histories)])
    users = pl.DataFrame({"user_id": [f"u{number}" for number in range(len(histories))]})
    log = InteractionLog(np.array([item for history in histories for item in history]), offsets, users)
    catalog = Catalog(pl.DataFrame({"item_id": list("01234"), "title": list("ABCDE")}))
    return LeaveTwoOut().cut(Dataset("movies", log, catalog, digest="-"), seed=0)


def asked(prompts: Instruction, *rows: list[str]) -> list[str]:
    bounds = np.cumsum([0, *(len(row) for row in rows)])
    return prompts.asked(pl.Series([title for row in rows for title in row], dtype=pl.String), bounds).to_list()


def test_a_prompt_has_three_blocks_and_ends_where_the_title_begins():
    whole = MOVIES.preamble(split_of([0, 1, 2, 3]), Run()) + asked(MOVIES, ["A", "B"])[0]
    assert whole == (
        "A task follows, and what is known of one person. Answer the task under the last heading.\n\n"
        "### Instruction:\n"
        "You are told which movies a person watched. Recommend one other title that suits this person next.\n\n"
        "### Input:\n"
        "The person watched these movies, the oldest first:\n"
        '"A", "B"\n\n'
        "### Response:\n"
    )


def test_each_row_lists_its_own_titles_and_a_row_without_titles_is_no_text():
    behind = "\n\n### Response:\n"
    assert asked(MOVIES, [], ["A"], [], ["B", "A", "B"], []) == ["", f'"A"{behind}', "", f'"B", "A", "B"{behind}', ""]
    assert asked(MOVIES) == []
    assert asked(MOVIES, [], []) == ["", ""]


def test_the_settings_say_how_titles_are_set():
    prompts = Instruction(quote="'", separator=" | ", opening="So far {verb}:", verb="bought")
    assert asked(prompts, ["A", "B"])[0].startswith("'A' | 'B'\n")
    assert "So far bought:\n" in prompts.preamble(split_of([0, 1, 2]), Run())
    assert prompts.response(pl.Series(["A"])).to_list() == ["'A'"]


def test_a_placeholder_stands_directly_behind_each_title_told_and_nowhere_else():
    prompts = Instruction(behaviour=True, examples=1)
    assert prompts.placeholder == "<behaviour>"
    assert asked(prompts, ["A", "B"])[0].startswith('"A"<behaviour>, "B"<behaviour>\n')
    assert "<behaviour>" not in prompts.preamble(split_of([0, 1, 2, 3]), Run())
    assert "<behaviour>" not in prompts.response(pl.Series(["A"]))[0]
    assert Instruction().placeholder is None


def test_a_title_cannot_pretend_to_be_a_placeholder():
    text = asked(Instruction(behaviour=True), ["A <behaviour> of bees"])[0]
    assert text.startswith('"A (behaviour) of bees"<behaviour>\n')


def test_examples_are_whole_training_histories_and_the_asked_items_are_not_among_them():
    # What is learnt of the users: A B C, B A, C (too short for an example). D and E are only asked.
    split = split_of([0, 1, 2, 3, 4], [1, 0, 4, 3], [2, 3, 4])
    head = "### Input:\nThe person took these items, the oldest first:\n"
    first = f'{head}"A", "B"\n\n### Response:\n"C"\n\n'
    second = f'{head}"B"\n\n### Response:\n"A"\n\n'
    plain = Instruction().preamble(split, Run())
    task = plain.removesuffix(head)
    assert task != plain
    for examples in (2, 3):
        both = Instruction(examples=examples).preamble(split, Run())
        assert both in (task + first + second + head, task + second + first + head)
    one = [Instruction(examples=1).preamble(split, Run(seed=seed)) for seed in range(8)]
    assert set(one) == {task + first + head, task + second + head}
    assert one == [Instruction(examples=1).preamble(split, Run(seed=seed)) for seed in range(8)]


def test_an_example_tells_the_newest_events_only():
    split = split_of([0, 1, 2, 3, 4, 0])
    assert '"C"\n\n### Response:\n"D"\n\n' in Instruction(history=1, examples=1).preamble(split, Run())
    assert '"B"' not in Instruction(history=1, examples=1).preamble(split, Run())


@given(st.lists(st.text()))
def test_a_title_survives_the_way_there_and_back(titles):
    series = pl.Series(titles, dtype=pl.String)
    back = MOVIES.title(MOVIES.response(series)).to_list()
    for title, came in zip(titles, back, strict=True):
        if not any(sign in title for sign in BREAKS):
            assert came == title
    assert MOVIES.response(pl.Series(back, dtype=pl.String)).to_list() == MOVIES.response(series).to_list()


@pytest.mark.parametrize("title", ['The "Best" Of', '"Crocodile" Dundee', 'Disc 12"', '"', '""', " A ", "", "It's"])
def test_quotes_and_blanks_inside_a_title_stay(title):
    assert MOVIES.title(MOVIES.response(pl.Series([title]))).to_list() == [title]


@pytest.mark.parametrize("before", ["", '"', '  "', '\n\n"'])
@pytest.mark.parametrize("after", ["", '"', '" \n', '"\n\n### Input:\nThe person'])
def test_a_title_is_found_in_what_a_model_writes(before, after):
    assert MOVIES.title(pl.Series([f"{before}Heat (1995){after}"])).to_list() == ["Heat (1995)"]


def test_a_line_break_in_a_title_becomes_a_blank():
    assert MOVIES.response(pl.Series(["A \r\n B", "C\u2028D"])).to_list() == ['"A B"', '"C D"']


def test_a_long_title_is_cut_where_it_is_told_and_where_it_is_asked_for() -> None:
    prompts, titles = Instruction(letters=5), pl.Series(["Heat 1995", "Ran"])
    assert prompts.response(titles).to_list() == ['"Heat"', '"Ran"']
    assert '"Heat", "Ran"' in prompts.asked(titles, np.array([0, 2]))[0]
    assert prompts.title(prompts.response(titles)).to_list() == ["Heat", "Ran"]
