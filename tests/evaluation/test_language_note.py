"""What a report says of a language model."""

import pytest

from segue.evaluation.language_note import LanguageNote, WrittenTitle, language_section


@pytest.mark.parametrize(
    ("parameters", "words"),
    [(950, "950"), (16_384, "16,000"), (1_234_567, "1.2 million"), (3_212_749_824, "3.2 billion")],
)
def test_sizes_are_said_in_words(parameters: int, words: str) -> None:
    note = LanguageNote(checkpoint="x", parameters=parameters, learnt=parameters)
    assert note.words() == f"{words} parameters, {words} learnt"


def test_the_page_shows_what_was_written_and_escapes_it() -> None:
    written = WrittenTitle(user="u", history=["A", "B"], written="<b>Heat</b>", taken="Heat (1995)")
    note = LanguageNote(checkpoint="tiny", parameters=9, learnt=1, exact=0.25, asked=8, written=[written])
    text = language_section(note)
    assert "&lt;b&gt;Heat" in text
    assert "<b>Heat" not in text
    assert "Of 8 texts written, 25% are titles to the letter." in text
    assert "Heat (1995)" in text


def test_a_title_that_was_taken_is_ticked() -> None:
    def section(written: str) -> str:
        one = WrittenTitle(user="u", history=[], written=written, taken="Heat")
        return language_section(LanguageNote(checkpoint="tiny", parameters=9, learnt=1, written=[one]))

    assert "✓" in section("Heat")
    assert "✓" not in section("Ronin")
