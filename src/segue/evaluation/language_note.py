"""What a report says of a language model: how large it is, and what it wrote for some users."""

from __future__ import annotations

from html import escape

from pydantic import Field

from segue.evaluation.note import Note


class WrittenTitle(Note):
    """What a language model wrote after one user's history, and what the user then took."""

    user: str
    history: list[str]
    written: str
    taken: str


class LanguageNote(Note):
    """The language model behind a run: nothing is claimed beyond its size."""

    checkpoint: str
    """The folder or name, or the kind of a small one made on the spot."""
    parameters: int
    learnt: int
    """Of these, or beside them, how many numbers the run has learnt."""
    exact: float | None = None
    """Share of the texts written, of some users, that are titles of the catalogue letter by letter; None where the
    system cannot write anything else."""
    asked: int = 0
    """Users behind that share."""
    written: list[WrittenTitle] = Field(default_factory=list)
    """For some of them."""

    def words(self) -> str:
        """Its size in a few words."""
        return f"{_short(self.parameters)} parameters, {_short(self.learnt)} learnt"


def language_section(note: LanguageNote) -> str:
    """The note as a part of the page."""
    said = f" Of {note.asked:,} texts written, {note.exact or 0:.0%} are titles to the letter."
    exact = "" if note.exact is None else said
    cards = "".join(
        f'<div class="card"><h3>{escape(one.user)}</h3><p class="soft">Did last: {escape(", ".join(one.history))}</p>'
        f"<p>{escape(one.written) or 'nothing'}{' ✓' if one.written == one.taken else ''}</p>"
        f'<p class="soft">Took next: {escape(one.taken)}</p></div>'
        for one in note.written
    )
    return (
        f'<section><h2>What the language model writes</h2><p class="soft"><code>{escape(note.checkpoint)}</code>, '
        f'{note.words()}.{exact}</p><div class="grid2">{cards}</div></section>'
    )


def _short(count: int) -> str:
    """1,234,567 as 1.2 million."""
    for size, word in ((1e9, " billion"), (1e6, " million"), (1e3, ",000")):
        if count >= size:
            return f"{count / size:.0f}{word}" if count >= 100 * size or word == ",000" else f"{count / size:.1f}{word}"
    return str(count)
