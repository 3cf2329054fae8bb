"""Facts are read from tables as categories or numbers."""

import numpy as np
import polars as pl
import pytest

from segue.core.errors import DataError, SettingsError
from segue.core.impressions import Field
from segue.core.tables import Catalog, InteractionLog
from segue.data.facts import Told, read_facts, well_known
from segue.data.request_split import LastEvent, RequestsByTime

CATALOG = Catalog(
    pl.DataFrame(
        {
            "item_id": ["a", "b", "c", "d"],
            "categories": [["toys", "cars"], ["toys"], ["toys", "cars"], None],
            "price": [1.0, 3.0, None, 5.0],
            "author": [7, 9, 7, 9],
            "flag": [True, None, True, True],
        }
    )
)
LOG = InteractionLog(
    items=np.zeros(4, dtype=np.int32),
    offsets=np.array([0, 2, 4]),
    users=pl.DataFrame({"user_id": ["u", "v"], "age": [20, 40], "city": ["Rome", "Rome"]}),
    columns={"tab": np.array([2, 1, 2, 2]), "place": np.array([0, -1, 1, 0]), "volume": np.array([1.5, np.nan, 1, 3])},
)
WORDS = {"place": ["home", "feed"]}


def told(*facts: str, fewest: int = 1) -> Told:
    return read_facts(facts, CATALOG, LOG, WORDS, fewest=fewest, name="small")


def test_categories_are_whole_paths_in_their_own_order():
    found = told("categories", "author", "flag")
    assert found.fields == (Field("categories", "item", 3), Field("author", "item", 3), Field("flag", "item", 2))
    assert found.items["categories"].tolist() == [2, 1, 2, 0]  # 'toys' comes before 'toys > cars'
    assert found.items["author"].tolist() == [1, 2, 1, 2]
    assert found.items["flag"].tolist() == [1, 0, 1, 1]


def test_what_few_share_is_unknown():
    found = told("categories", "user:age", "place:tab", fewest=2)
    assert found.items["categories"].tolist() == [1, 0, 1, 0]
    assert found.fields[0].size == 2
    assert found.users["age"].tolist() == [0, 0]
    assert found.places["tab"].tolist() == [1, 0, 1, 1]


def test_numbers_are_standardised_and_zero_where_unknown():
    found = told("price", "place:volume")
    assert found.fields == (Field("price", "item", 0), Field("volume", "place", 0))
    deviation = np.sqrt(8 / 3)  # of 1, 3 and 5
    assert found.items["price"] == pytest.approx([-2 / deviation, 0, 0, 2 / deviation])
    assert found.items["price"].dtype == np.float32
    assert found.places["volume"][1] == 0


def test_a_prefix_says_what_a_column_is_told_as():
    found = told("number:author", "category:price", "user:number:age", "item:flag")
    assert [(one.name, one.of, one.size) for one in found.fields] == [
        ("author", "item", 0),
        ("price", "item", 4),
        ("age", "user", 0),
        ("flag", "item", 2),
    ]
    assert found.users["age"].tolist() == [-1, 1]
    assert found.items["price"].tolist() == [1, 2, 0, 3]


def test_words_of_places_are_categories():
    found = told("place:place")
    assert found.fields == (Field("place", "place", 3),)
    assert found.places["place"].tolist() == [1, 0, 2, 1]


def test_a_column_without_spread_is_zero():
    catalog = Catalog(CATALOG.table.with_columns(price=pl.lit(4.0)))
    assert read_facts(["price"], catalog, LOG, {}, fewest=1, name="small").items["price"].tolist() == [0.0] * 4


def test_the_kind_of_item_is_told_unless_something_else_is():
    assert well_known(CATALOG) == ("category:categories",)
    assert well_known(Catalog(CATALOG.table.select("item_id", category_id=pl.lit(1.0)))) == ("category:category_id",)
    assert well_known(Catalog(CATALOG.table.select("item_id", "price"))) == ()


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        ("pricee", "the catalog has no column 'pricee' .*did you mean 'price'"),
        ("user:city_name", "users have no column 'city_name' .*did you mean 'city'"),
        ("place:tap", "what was shown has no column 'tap' .*did you mean 'tab'"),
        ("user:number:city", r"'city' was to be told as a number, and 'Rome' of user 'u' is none, as are 2 of 2"),
        ("place:number:place", "'place' was to be told as a number and has words such as 'home'"),
    ],
)
def test_what_is_no_fact_says_what_to_do(fact, said):
    with pytest.raises(DataError, match=said):
        told(fact)


def test_the_same_fact_twice_is_refused():
    with pytest.raises(SettingsError, match="named twice"):
        RequestsByTime.parse({"facts": ["price", "category:price"]})
    assert RequestsByTime(facts=("tab", "user:tab")).facts == ("tab", "user:tab")


def test_what_is_drawn_has_no_place():
    with pytest.raises(SettingsError, match=r"'place:tab'.*shown nowhere"):
        LastEvent.parse({"facts": ["price", "place:tab"]})
