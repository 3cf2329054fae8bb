"""Words for groups of items: frequent inside, rare outside."""

import numpy as np
import polars as pl

from segue.core.codes import ItemCodes
from segue.core.tables import Catalog
from segue.evaluation.code_words import ItemTerms, examples, under


def catalog(**columns):
    first = next(iter(columns.values()))
    return Catalog(pl.DataFrame({"item_id": [f"i{row}" for row in range(len(first))], **columns}))


def test_typical_words_are_frequent_inside_and_rare_outside():
    titles = ["The nail polish, red", "the NAIL file", "The soap 500", "The soap bar", "The towel", "The", None]
    terms = ItemTerms.of(catalog(title=titles))
    typical = terms.typical(np.array([0, 0, 1, 1, -1, -1, -1]), 3)
    assert typical == [["nail"], ["soap"], []]  # 'the' is everywhere, a number says nothing, a word of one item neither


def test_brands_and_categories_are_terms_as_a_whole():
    items = catalog(
        title=["Red lacquer", "Blue lacquer", "Soap", "Towel"],
        brand=["O.P.I. Nails", "O.P.I. Nails", None, "Best"],
        categories=[["Beauty", "Nail Polish"], ["Beauty", "Nail Polish"], ["Beauty"], []],
    )
    typical = ItemTerms.of(items).typical(np.array([0, 0, 1, 1]), 2)
    assert sorted(typical[0]) == ["Nail Polish", "O.P.I. Nails", "lacquer"]
    one = ItemTerms.of(catalog(categories=["Drama", "Drama", "War"]))  # one category a film, not a list
    assert one.typical(np.array([0, 0, 1]), 2) == [["Drama"], ["War"]]


def test_titles_of_the_web_are_read_as_people_read_them():
    terms = ItemTerms.of(catalog(brand=["L&#39;Oreal", "L&#39;Oreal", "Dove"], title=["l'oreal", "l'oreal", "dove"]))
    assert terms.typical(np.array([0, 0, 1]), 2) == [["L'Oreal"], ["Dove"]]


def test_a_catalog_without_words_has_none():
    terms = ItemTerms.of(catalog(price=[1.0, 2.0]))
    assert terms.typical(np.array([0, 0]), 1) == [[]]


def test_a_word_within_a_word_is_said_once():
    terms = ItemTerms.of(catalog(title=["Nail nails", "Nail nails", "Hair"], brand=["Nail Art", "Nail Art", None]))
    assert len(terms.typical(np.array([0, 0, -1]), 1)[0]) == 1


def test_items_under_nodes_and_examples_of_them():
    codes = ItemCodes(np.array([[1, 0], [0, 0], [1, 1], [1, 2], [2, 0]]), (3, 3))
    groups, sizes = under(codes.tree, 1, np.array([1, 0]))
    assert groups.tolist() == [0, 1, 0, 0, -1]
    assert sizes.tolist() == [3, 1]
    titles = examples(catalog(title=list("abcde")), codes.tree, 1, np.array([1, 0, 2]), most=2)
    assert titles == [["a", "d"], ["b"], ["e"]]
