from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.core.errors import DataError
from segue.core.run import Run
from segue.core.tables import Catalog, Split
from segue.testing.tokenizers import check_tokenizer
from segue.testing.worlds import ring
from segue.tokenizers.titles import FittedTitles, Titles, _told_apart

pytest.importorskip("tokenizers")
NAMES = ["red lipstick", "red nail polish", "blue nail polish", "red lipstick", "", "ölige Creme 你好", "red lipstick"]


def world(titles: list[str]) -> Split:
    """The ring, with these titles; row 3 is the most popular by far."""
    split = ring(users=20, items=len(titles))
    table = split.catalog.table.with_columns(pl.Series("title", titles))
    items = np.where(np.arange(len(split.train.items)) % 2 == 0, 3, split.train.items).astype(np.int32)
    return replace(
        split, dataset=replace(split.dataset, catalog=Catalog(table)), train=replace(split.train, items=items)
    )


def fitted(titles: list[str], pieces: int = 300) -> FittedTitles:
    made = Titles(pieces=pieces).fit(world(titles), Run())
    assert isinstance(made, FittedTitles)
    return made


@pytest.mark.parametrize("equal", ["piece", "popularity"])
@settings(max_examples=6)
@given(data=st.data())
def test_it_is_a_tokenizer(equal: str, data: st.DataObject) -> None:
    words = st.lists(st.sampled_from(["red", "blue", "nail", "polish", "é"]), max_size=4).map(" ".join)
    titles = data.draw(st.lists(words, min_size=5, max_size=20))
    length = data.draw(st.integers(2, 8))
    check_tokenizer(Titles(pieces=280, length=length).changed({"equal": equal}), world(titles))


def test_titles_come_back_as_they_were() -> None:
    titles = fitted(NAMES)
    different = [0, 1, 2, 4, 5]
    alone = fitted([NAMES[row] for row in different])
    assert alone.read(alone.codes.codes) == [NAMES[row] for row in different]
    assert titles.codes.shared
    assert len(set(titles.codes.sizes)) == 1


def test_titles_are_filled_up_with_the_end() -> None:
    codes = fitted(["a", "ab cd ef gh", "b", "c"], pieces=257).codes.codes
    lengths = (codes > 0).sum(1)
    assert codes.shape[1] == lengths.max() + 1
    for row, length in zip(codes, lengths, strict=True):
        assert (row[:length] > 0).all()
        assert (row[length:] == 0).all()


def test_of_equal_titles_the_most_popular_stays_and_the_others_get_a_piece() -> None:
    titles = fitted(NAMES)
    stays = titles.codes.codes[3]
    end = int((stays > 0).sum())
    for row, piece in ((0, 1), (6, 2)):
        codes = titles.codes.codes[row]
        assert codes[:end].tolist() == stays[:end].tolist()
        assert codes[end] == piece
        assert (codes[end + 1 :] == 0).all()
    assert titles.notes()["moved"] == 2


def test_told_apart_by_hand() -> None:
    existing = np.array([[5, 0, 0], [5, 1, 0]])
    codes = np.array([[5, 0, 0], [6, 7, 8], [6, 7, 8], [5, 0, 0]])
    # The title 5 is there already: the third of its kind tries piece 2. The second tries piece 1, which is the title
    # (5, 1), and goes on by three, the number of equal titles, to 4. The full title gives up its last piece.
    assert _told_apart(existing, codes, 20).tolist() == [[5, 4, 0], [6, 7, 8], [6, 7, 1], [5, 2, 0]]


def test_more_equal_titles_than_pieces_are_an_error() -> None:
    with pytest.raises(DataError, match="equal=popularity"):
        _told_apart(np.empty((0, 2), dtype=np.int64), np.full((6, 2), 3), 4)


def test_without_titles_it_says_which_columns_there_are() -> None:
    split = ring(users=8)
    bare = replace(split, dataset=replace(split.dataset, catalog=Catalog(split.catalog.table.drop("title"))))
    with pytest.raises(DataError, match="this catalog has item_id and no title"):
        Titles().fit(bare, Run())
