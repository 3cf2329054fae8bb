import polars as pl
import pytest

from segue.core.errors import SettingsError
from segue.data.conditions import parse_condition


def kept(text, table):
    clauses = parse_condition(text)
    return table.filter(clause.expression(words=table.schema[clause.column] == pl.String) for clause in clauses)[
        "row"
    ].to_list()


TABLE = pl.DataFrame({"row": [0, 1, 2, 3], "rating": [1.0, 4.0, 5.0, None], "kind": ["buy", "view", "buy and go", "5"]})


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("rating >= 4", [1, 2]),
        ("rating<4", [0]),
        ("rating != 4", [0, 2]),
        ("rating > 1 and rating < 5", [1]),
        ("kind == buy", [0]),
        ("kind == 'buy and go' and rating == 5", [2]),
        ('kind != "buy" AND rating <= 4.0e0', [1]),
        ("kind == 5", [3]),
    ],
)
def test_what_holds(text, rows):
    assert kept(text, TABLE) == rows


@pytest.mark.parametrize(
    "text", ["", "rating", "rating >=", "rating = 4", "rating >= 4 or kind == a", "rating >= 4 and", "a == 'b"]
)
def test_what_cannot_be_read_is_refused(text):
    with pytest.raises(SettingsError, match="positive:"):
        parse_condition(text)


def test_a_word_against_numbers_is_refused():
    with pytest.raises(SettingsError, match="column 'rating' has numbers"):
        kept("rating == high", TABLE)
