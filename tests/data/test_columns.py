import polars as pl
import pytest

from segue.core.errors import DataError
from segue.data.sources.columns import choose

IDS = [f"u{i % 7}" for i in range(21)]
ITEMS = [f"i{i % 5}" for i in range(21)]
CLOCK = [str(1_700_000_000 + i) for i in range(21)]
DATES = [f"2024-01-{i + 1:02}" for i in range(21)]


def found(columns: dict[str, list[str]], named: bool = True, **asked: str) -> dict[str, str | None]:
    chosen = choose(pl.DataFrame(columns), asked, where="log", named=named)
    return {"user": chosen.user, "item": chosen.item, "time": chosen.time, "rating": chosen.rating}


@pytest.mark.parametrize(
    ("user", "item", "time"),
    [
        ("user_id", "item_id", "timestamp"),
        ("UserID", "MovieID", "Timestamp"),
        ("customer_id", "sku", "purchased_at"),
        ("Customer ID", "StockCode", "InvoiceDate"),
        ("user_pseudo_id", "item_id", "event_timestamp"),
        ("visitorid", "itemid", "timestamp"),
        ("Email", "Lineitem sku", "Created at"),
        ("reviewerID", "asin", "unixReviewTime"),
        ("Kunde", "Artikel", "Datum"),
        ("client", "produit", "horodatage"),
        ("usuario", "producto", "fecha"),
        ("cliente", "prodotto", "data"),
        ("klant", "artikel", "tijdstip"),
    ],
)
def test_columns_are_found_by_the_names_that_people_give_them(user, item, time):
    columns = {"quantity": ["1"] * 21, time: DATES, item: ITEMS, user: IDS, "country": ["DE"] * 21}
    assert found(columns) == {"user": user, "item": item, "time": time, "rating": None}


def test_an_index_is_no_column():
    rows = [str(i) for i in range(21)]
    for index in ("", "Unnamed: 0", "__index_level_0__"):
        assert found({index: rows, "who": IDS, "product": ITEMS})["user"] == "who"


def test_the_only_dates_are_the_time_and_the_only_ids_left_the_item():
    chosen = choose(pl.DataFrame({"uid": IDS, "thing": ITEMS, "when it was": DATES}), {}, where="log")
    assert (chosen.item, chosen.time) == ("thing", "when it was")
    assert chosen.why == {
        "user": "by its name",
        "item": "guessed: the only column left that can be one",
        "time": "the only column with dates",
    }


def test_of_two_times_the_person_is_asked():
    both = {"uid": IDS, "iid": ITEMS, "timestamp": CLOCK, "time": [str(int(t) - 99) for t in CLOCK]}
    with pytest.raises(DataError, match=r"several columns could be the time.*'timestamp'.*'time'.*time=none"):
        found(both)
    assert found(both, time="time")["time"] == "time"
    assert found({**both, "time": CLOCK})["time"] == "timestamp"  # the same moments twice are one time
    fine = {**both, "time": [f"{t}{i:03}" for i, t in enumerate(CLOCK)]}
    assert found(fine)["time"] == "time"  # in milliseconds, which tell more


def test_a_sure_name_goes_before_a_likely_one():
    assert found({"uid": IDS, "iid": ITEMS, "date": DATES, "timestamp": CLOCK})["time"] == "timestamp"


def test_a_dialogue_is_not_taken_for_a_log():
    columns = {"dialog": IDS, "turn": [str(i % 3) for i in range(21)], "speaker": ITEMS, "text": DATES}
    with pytest.raises(DataError, match="cannot tell which column is the user and item"):
        found(columns)


def test_without_names_a_wide_id_is_not_the_time():
    wide = [str(1_500_000_000_000_000_000 + i % 7) for i in range(21)]
    columns = {"column_1": wide, "column_2": ITEMS, "column_3": ["5"] * 21, "column_4": CLOCK}
    assert found(columns, named=False) == {
        "user": "column_1",
        "item": "column_2",
        "time": "column_4",
        "rating": "column_3",
    }


@pytest.mark.parametrize("digits", [10, 13, 16, 19])
def test_without_names_a_first_column_that_repeats_is_the_user(digits):
    users = [str(15 * 10 ** (digits - 2) + i % 7) for i in range(21)]
    assert found({"column_1": users, "column_2": ITEMS, "column_3": ["5"] * 21}, named=False)["user"] == "column_1"
