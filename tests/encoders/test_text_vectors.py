"""Text vectors put items with like words together, the same on every machine, and read further items."""

import logging

import numpy as np
import polars as pl
import pytest

from encoders.shelf import TITLES, catalog, shop
from segue.core.errors import DataError
from segue.core.run import Run
from segue.core.tables import Catalog
from segue.encoders.text_vectors import BLOCK, TextVectors

WORDS = TextVectors(letters=(), width=8)


def cells(part: TextVectors, titles: list[str]) -> list[list[float]]:
    """For each title how often each of its buckets was counted."""
    features = part._features({"title": pl.Series(titles, dtype=pl.String)})
    return [features.counts[features.rows == row].tolist() for row in range(len(titles))]


def test_words_are_counted_by_hand() -> None:
    counts = cells(WORDS, ["Red RED blue!", "", "blue-green", "red"])
    assert [sorted(some) for some in counts] == [[1.0, 2.0], [], [1.0, 1.0], [1.0]]


def test_pairs_stay_within_an_item() -> None:
    part = WORDS.changed({"pairs": True})
    assert [len(some) for some in cells(part, ["a b a b", "c", "d"])] == [4, 1, 1]  # a, b, "a b", "b a"


@pytest.mark.parametrize(("length", "groups"), [(2, 7), (3, 5), (4, 3), (5, 2), (6, 1), (9, 0)])
def test_letters_are_counted_with_the_ends_of_their_word(length: int, groups: int) -> None:
    """Of two letters `_a ab bc cd d_ _x x_`, of three `_ab abc bcd cd_ _x_`, of four `_abc abcd bcd_`, and so on."""
    assert len(cells(TextVectors(letters=(length,)), ["abcd x"])[0]) == groups + 2  # and the two words


def test_letters_stay_within_an_item() -> None:
    assert [len(some) for some in cells(TextVectors(letters=(2,)), ["ab", "cd"])] == [4, 4]


def test_a_column_counts_as_often_as_its_weight_says() -> None:
    part = TextVectors(columns={"title": 1.0, "brand": 3.0}, letters=())
    features = part._features({"title": pl.Series(["x y"]), "brand": pl.Series(["x"])})
    assert sorted(features.counts.tolist()) == [1.0, 4.0]


def test_rows_of_the_weighted_matrix_have_length_one() -> None:
    features = WORDS._features({"title": pl.Series(["a a b", "b", ""])})
    buckets = np.unique(features.buckets)
    idf = np.array([2.0, 1.0], dtype=np.float32)
    matrix = features.matrix(buckets, idf).to_dense().numpy()
    one = features.buckets[features.rows == 1][0] == buckets  # where b is
    raw = np.where(one, np.log(2) * idf, np.log(3) * idf)
    assert matrix[0] == pytest.approx(raw / np.linalg.norm(raw))
    assert matrix[1:].tolist() == [one.astype(float).tolist(), [0.0, 0.0]]


def test_blocks_do_not_show() -> None:
    titles = [f"item {row % 91} of {row % 17}" for row in range(BLOCK + 50)]
    counts = cells(WORDS, titles)
    assert counts[BLOCK - 1 : BLOCK + 2] == cells(WORDS, titles[BLOCK - 1 : BLOCK + 2])


def test_like_titles_are_neighbours() -> None:
    split = shop()
    vectors = TextVectors(width=6).fit(split, Run()).encode(split.catalog)
    cosines = vectors @ vectors.T - 2 * np.eye(len(vectors))
    nearest = {TITLES[row]: TITLES[int(best)] for row, best in enumerate(cosines.argmax(1))}
    assert "lipstick" in nearest["Red lipstick, matte"].lower()
    assert "lipstick" in nearest["Pink lipstick, glossy"].lower()
    assert nearest["Perfume for men"] == "Rose perfume for women"
    assert nearest["Rose perfume for women"] == "Perfume for men"
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0)


def test_vectors_are_as_wide_as_asked_even_of_few_items() -> None:
    split = shop()
    vectors = TextVectors(width=32).fit(split, Run()).encode(split.catalog)
    assert vectors.shape == (8, 32)
    assert vectors.dtype == np.float32
    assert not vectors[:, 8:].any()


def test_directions_may_be_learnt_from_some_of_the_items() -> None:
    split = shop([f"{TITLES[row % 8]} {row}" for row in range(80)])
    whole, some = (TextVectors(width=6, letters=(), sample=sample).fit(split, Run()) for sample in (80, 40))
    assert (whole.weights()["idf"] == some.weights()["idf"]).all()
    assert not np.array_equal(whole.weights()["components"], some.weights()["components"])
    vectors = some.encode(split.catalog)
    cosines = vectors @ vectors.T - 2 * np.eye(80)
    assert (cosines.argmax(1) % 8 == np.arange(80) % 8).mean() > 0.9


def test_equal_runs_give_equal_vectors() -> None:
    split = shop()
    one, other = (TextVectors().fit(split, Run(seed=3)).encode(split.catalog) for _ in range(2))
    assert (one == other).all()


def test_restored_it_reads_the_same_and_further_items() -> None:
    split = shop()
    fitted = TextVectors(width=8).fit(split, Run())
    restored = fitted.part.restore(fitted.weights())
    assert (restored.encode(split.catalog) == fitted.encode(split.catalog)).all()
    (vector,) = restored.encode(catalog("lipstick RED matte"))
    assert (fitted.encode(split.catalog) @ vector).argmax() == 0


def test_items_without_text_get_the_mean_vector_and_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    split = shop([*TITLES[:6], None, "!?"])
    with caplog.at_level(logging.WARNING):
        fitted = TextVectors(width=8).fit(split, Run())
        vectors = fitted.encode(split.catalog)
    assert "2 of 8 items have no text" in caplog.text
    assert "'i6'" in caplog.text
    assert (vectors[6] == vectors[7]).all()
    mean = vectors[:6].sum(0)
    assert vectors[6] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_rare_words_can_be_left_out() -> None:
    split = shop(["same word", "same thing", "same"])
    assert len(TextVectors(letters=(), rarest=2).fit(split, Run()).weights()["buckets"]) == 1


def test_a_catalog_of_empty_texts_gives_zeros() -> None:
    split = shop([None, None, None])
    assert not TextVectors(width=4).fit(split, Run()).encode(split.catalog).any()


def test_of_no_items_there_are_no_vectors() -> None:
    assert TextVectors(width=4).fit(shop(), Run()).encode(catalog()).shape == (0, 4)


def test_a_catalog_without_text_is_an_error() -> None:
    split = shop()
    bare = Catalog(split.catalog.table.select("item_id"))
    fitted = TextVectors().fit(split, Run())
    with pytest.raises(DataError, match="looked for the columns title, brand, categories, description; it has item_id"):
        fitted.encode(bare)


def test_the_settings_of_a_column_can_be_changed_by_path() -> None:
    assert TextVectors().changed({"columns.title": 2.0}).columns["title"] == 2.0
