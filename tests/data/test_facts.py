"""Facts are read from tables as categories or numbers."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from segue.core.errors import DataError, SettingsError
from segue.core.impressions import Field
from segue.core.tables import Catalog, Dataset, InteractionLog
from segue.data.facts import Told, documented, offered, read_facts, well_known
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


def test_whole_numbers_of_a_log_stay_categories_where_some_are_missing():
    log = replace(LOG, columns={"tab": np.array([3.0, np.nan, 0.0, 3.0], dtype=np.float32)})
    found = read_facts(["place:tab"], CATALOG, log, {}, fewest=1, name="small")
    assert found.fields == (Field("tab", "place", 3),)
    assert found.places["tab"].tolist() == [2, 0, 1, 2]
    forced = read_facts(["place:number:tab"], CATALOG, log, {}, fewest=1, name="small")
    assert forced.fields == (Field("tab", "place", 0),)


def test_a_number_in_text_is_read_and_a_dash_is_missing():
    catalog = Catalog(CATALOG.table.with_columns(price=pl.Series([" 1.0", "-", "3.0", "NULL"])))
    found = read_facts(["number:price"], catalog, LOG, {}, fewest=1, name="small")
    assert found.items["price"].tolist() == [-1, 0, 1, 0]
    assert found.notes == ("'price': 2 of 4 values are '-' or the like: missing",)
    catalog = Catalog(CATALOG.table.with_columns(price=pl.Series(["1.0", "cheap", "3.0", "dear"])))
    with pytest.raises(DataError, match=r"'cheap' of item 'b' is none, as are 2 of 4 values"):
        read_facts(["number:price"], catalog, LOG, {}, fewest=1, name="small")


def test_the_documented_categories_of_a_family_are_told():
    assert documented(CATALOG, LOG) == ("category:categories",)
    columns = {name: np.zeros(4) for name in ("is_click", "is_rand", "tab")}
    log = replace(LOG, columns=columns, users=LOG.users.with_columns(user_active_degree=pl.lit("high")))
    assert documented(CATALOG, log) == ("category:categories", "user:category:user_active_degree", "place:category:tab")
    assert offered(("category:categories", "user:age"), CATALOG, LOG) == [
        "price", "author", "flag", "user:city", "place:tab", "place:place", "place:volume",
    ]  # fmt: skip


def test_a_rule_tells_what_is_documented_what_is_named_or_nothing():
    dataset = Dataset("small", LOG, CATALOG, "none", {"words": WORDS})
    columns = {"is_click": np.array([0, 1, 0, 1]), "is_rand": np.zeros(4), "tab": np.array([1, 0, 0, 1])}
    shown = Dataset("small", replace(LOG, columns=columns), CATALOG, "none")
    assert RequestsByTime().named_facts(shown) == ("category:categories", "place:category:tab")
    assert RequestsByTime(tasks=("tab",)).named_facts(shown) == ("category:categories",)  # it would tell the answer
    assert LastEvent().named_facts(shown) == ("category:categories",)  # what is drawn has no place
    assert RequestsByTime(facts=()).named_facts(shown) == ()
    assert RequestsByTime.parse({"facts": []}).told(dataset).fields == ()
    assert RequestsByTime(tasks=("is_click",)).settled(shown).facts == ("category:categories", "place:category:tab")


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
