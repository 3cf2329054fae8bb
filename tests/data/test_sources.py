"""Each family by a small file of its form, and the real ones where they are at hand."""

import gzip
import json

import pytest

from data.logs import events_of
from segue.core.errors import DataError
from segue.data.preparation import Preparation
from segue.data.prepare import prepare
from segue.data.sources import open_log


def taken(path, tmp_path, **settings):
    return prepare(Preparation.parse({"path": str(path), **settings}), tmp_path / "prepared-here")


def write(path, text, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def test_movielens_100k(tmp_path):
    write(tmp_path / "ml" / "u.data", "1\t10\t3\t881250949\n1\t20\t5\t881250940\n")
    flags = "|".join("1" if i in (1, 5) else "0" for i in range(19))
    write(tmp_path / "ml" / "u.item", f"20|Les Misérables (1995)|01-Jan-1995||http://x|{flags}\n", "latin-1")
    write(tmp_path / "ml" / "u.user", "1|24|M|technician|85711\n")
    dataset = taken(tmp_path / "ml", tmp_path)
    assert dataset.origin["source"] == "movielens"
    assert events_of(dataset) == [("1", "20", 881250940), ("1", "10", 881250949)]
    assert dataset.catalog.table.row(1, named=True) == {
        "item_id": "20",
        "title": "Les Misérables (1995)",
        "categories": ["Action", "Comedy"],
        "release_date": "01-Jan-1995",
    }
    assert dataset.log.users["age"].to_list() == [24]
    assert dataset.origin["notes"] == ["1 of 2 items are not in the item file"]


def test_movielens_with_double_colons(tmp_path):
    write(tmp_path / "ratings.dat", "1::10::3.5::881250949\n2::10::5::881250940\n")
    write(tmp_path / "movies.dat", "10::Alien: Director's Cut (1979)::Horror|Sci-Fi\n")
    dataset = taken(tmp_path / "ratings.dat", tmp_path)
    assert dataset.log.columns["rating"].tolist() == [3.5, 5.0]
    assert dataset.catalog.table["categories"].to_list() == [["Horror", "Sci-Fi"]]
    write(tmp_path / "movies.dat", "10::Alien\n")
    with pytest.raises(DataError, match=r"movies\.dat, line 1: 2 fields where 3"):
        open_log(tmp_path / "ratings.dat").items(None)


def test_movielens_csv(tmp_path):
    write(tmp_path / "ratings.csv", "userId,movieId,rating,timestamp\n1,10,3.5,881250949\n")
    write(tmp_path / "movies.csv", 'movieId,title,genres\n10,"Matrix, The (1999)",(no genres listed)\n')
    dataset = taken(tmp_path, tmp_path)
    assert dataset.origin["source"] == "movielens"
    assert dataset.catalog.table["title"].to_list() == ["Matrix, The (1999)"]
    assert dataset.catalog.table["categories"].to_list() == [None]


def test_a_catalogue_of_words_only_is_read_by_the_name_that_was_asked_for(tmp_path):
    write(tmp_path / "log.csv", "shopper,sku,bought_at\nu1,p1,881250949\n")
    write(tmp_path / "items.csv", "sku,made_by,topic\np1,Acme,Soap\n")
    dataset = taken(tmp_path / "log.csv", tmp_path, user="shopper", item="sku", time="bought_at")
    assert dataset.catalog.table.to_dicts() == [{"item_id": "p1", "made_by": "Acme", "topic": "Soap"}]


REVIEWS_2014 = [
    {"reviewerID": "A1", "asin": "B000000001", "overall": 5.0, "unixReviewTime": 1_400_000_000},
    {"reviewerID": "A1", "asin": "0000000002", "overall": 2.0, "unixReviewTime": 1_300_000_000, "helpful": [0, 0]},
]


def test_amazon_2014_with_python_literals(tmp_path):
    lines = "\n".join(json.dumps(review) for review in REVIEWS_2014).encode()
    (tmp_path / "reviews_Beauty_5.json.gz").write_bytes(gzip.compress(lines))
    meta = [
        "{'asin': 'B000000001', 'title': \"Jane's soap\", 'price': 12.5, 'categories': [['Beauty', 'Soap']]}",
        "{'asin': 'nobody', 'title': __import__('os').system('touch hacked')}",
    ]
    (tmp_path / "meta_Beauty.json.gz").write_bytes(gzip.compress("\n".join(meta).encode()))
    dataset = taken(tmp_path / "reviews_Beauty_5.json.gz", tmp_path)
    assert events_of(dataset) == [("A1", "0000000002", 1_300_000_000), ("A1", "B000000001", 1_400_000_000)]
    row = dataset.catalog.table.row(0, named=True)
    assert (row["title"], row["price"], row["brand"], row["categories"]) == (
        "Jane's soap",
        12.5,
        None,
        ["Beauty", "Soap"],
    )
    with pytest.raises(DataError, match=r"meta_Beauty\.json\.gz, line 2"):
        taken(tmp_path / "reviews_Beauty_5.json.gz", tmp_path / "again", keep_unseen=True)


def test_amazon_2023(tmp_path):
    reviews = [{"user_id": "U", "asin": "V1", "parent_asin": "P1", "rating": 4.0, "timestamp": 1_600_000_000_123,
                "verified_purchase": True, "images": [], "title": "good"}]  # fmt: skip
    write(tmp_path / "All_Beauty.jsonl", "\n".join(map(json.dumps, reviews)))
    write(
        tmp_path / "meta_All_Beauty.jsonl",
        json.dumps({"parent_asin": "P1", "title": "Soap", "store": "S", "price": "$1,012.50"}),
    )
    dataset = taken(tmp_path / "All_Beauty.jsonl", tmp_path)
    assert events_of(dataset) == [("U", "P1", 1_600_000_000)]
    assert dataset.catalog.table.select("title", "brand", "price").row(0) == ("Soap", "S", 1012.5)
    assert dataset.log.columns["verified"].tolist() == [1]


@pytest.mark.parametrize("swapped", [False, True])
def test_amazon_ratings_only(tmp_path, swapped):
    pairs = [("A3F73SC1LY51OO", "0439886341"), ("A2YOAU3PCNX9O7", "B00005ML71")]
    lines = [f"{b if swapped else a},{a if swapped else b},4.0,1378684800" for a, b in pairs]
    write(tmp_path / "ratings_Beauty.csv", "\n".join(lines))
    found = events_of(taken(tmp_path / "ratings_Beauty.csv", tmp_path))
    assert [(user, item) for user, item, _ in found] == pairs


def test_recbole(tmp_path):
    write(
        tmp_path / "s" / "s.inter",
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\nu1\ti1\t4\t1000000000\n",
    )
    write(
        tmp_path / "s" / "s.item",
        "item_id:token\tmovie_title:token_seq\tclass:token_seq\ni1\tToy Story\tAnimation Comedy\n",
    )
    dataset = taken(tmp_path / "s", tmp_path)
    assert events_of(dataset) == [("u1", "i1", 1_000_000_000)]
    assert dataset.catalog.table["categories"].to_list() == [["Animation", "Comedy"]]
    write(tmp_path / "s" / "s.inter", "user_id:token\titem_id:word\nu\ti\n")
    with pytest.raises(DataError, match="'item_id:word' should be NAME:TYPE"):
        open_log(tmp_path / "s")


def test_kuairand_takes_both_periods_in_order_and_keeps_milliseconds(tmp_path):
    header = "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_rand,play_time_ms\n"
    write(tmp_path / "data" / "log_standard_4_22_to_5_08_pure.csv", header + "7,2,20220422,0,1650643200500,0,0,0,9\n")
    rows = "7,1,20220408,0,1649347200900,1,0,0,5\n7,3,20220408,0,1649347200100,1,1,0,5\n"
    write(tmp_path / "data" / "log_standard_4_08_to_4_21_pure.csv", header + rows)
    write(tmp_path / "data" / "video_features_basic_pure.csv", 'video_id,author_id,tag\n1,5,"12,39"\n2,6,8\n')
    dataset = taken(tmp_path, tmp_path, positive="is_click == 1")
    assert [item for _, item, _ in events_of(dataset)] == ["3", "1"]
    assert dataset.catalog.table.filter(dataset.catalog.ids == "1")["categories"].to_list() == [["12", "39"]]
    assert dataset.origin["dropped"] == {"not positive": 1}


def test_taobao_without_header_and_with_a_cut_last_line(tmp_path):
    write(tmp_path / "UserBehavior.csv", "1,10,5,pv,1511544070\n1,11,6,buy,1511544071\n1,12,6,pv")
    dataset = taken(tmp_path / "UserBehavior.csv", tmp_path)
    assert events_of(dataset) == [("1", "10", 1511544070), ("1", "11", 1511544071)]
    assert dataset.catalog.table["categories"].to_list() == [["5"], ["6"]]
    assert dataset.origin["dropped"] == {"incomplete": 1}


def test_a_source_can_be_forced(tmp_path):
    path = write(tmp_path / "u.data", "1\t10\t3\t881250949\n")
    assert open_log(path).source == "movielens"
    assert open_log(path, source="files").source == "files"
    assert "was asked for" in open_log(path, source="files").why
    with pytest.raises(DataError, match=r"NAME\.inter"):
        open_log(path, source="recbole")


REAL = [
    ("ml-100k/raw/u.data", "movielens", 100_000, 943, 1682),
    ("ml-1m/raw/ratings_users_1_to_2999.dat.gz", "movielens", 487_650, 2999, 3615),
    ("ml-1m/sequences.parquet", "folder", 999_611, 6040, 3416),
    ("amazon-beauty", "folder", 198_502, 22_363, 12_101),
    ("amazon-gift-cards-2018/raw", "amazon", 2972, 458, 148),
    ("kuairand-pure", "folder", 94_784, 21_184, 5564),
    ("taobao-userbehavior-sample/raw", "taobao", 84_475, 815, 55_368),
]


@pytest.mark.parametrize(("path", "source", "events", "users", "items"), REAL, ids=[row[0] for row in REAL])
def test_real_sets_have_their_published_size(shared, tmp_path, path, source, events, users, items):
    if not (shared / path).exists():
        pytest.skip(f"{shared / path} is absent")
    dataset = taken(shared / path, tmp_path)
    assert dataset.origin["source"] == source
    assert (len(dataset.log), dataset.log.users.height, len(dataset.catalog)) == (events, users, items)


def test_the_order_of_ml_1m_is_the_one_of_sasrec(shared, tmp_path):
    path = shared / "ml-1m" / "sequences.parquet"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    import polars as pl

    dataset = taken(path, tmp_path)
    table = pl.read_parquet(path).sort("user_id", "position")
    expected = table.filter(pl.col("user_id") == 4000)["item_id"].cast(pl.String).to_list()
    user = int(dataset.log.user_rows(["4000"])[0])
    items = dataset.log.items[dataset.log.offsets[user] : dataset.log.offsets[user + 1]]
    assert dataset.catalog.ids.gather(items).to_list() == expected
    assert dataset.log.timestamps is None
    assert any("'timestamp' is missing in 512,267 rows" in note for note in dataset.origin["notes"])
