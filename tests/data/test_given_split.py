from pathlib import Path

import polars as pl
import pytest

from data.logs import dataset_of
from segue.core.errors import DataError
from segue.core.tables import Cases, Dataset, Split
from segue.data.given_split import Given, own_cut
from segue.data.preparation import Preparation
from segue.data.prepare import prepare
from segue.data.split import LeaveOneOut, LeaveTwoOut

Row = tuple[str, str, list[int], int]
# Two people; their windows overlap.
ROWS: list[Row] = [
    ("valid", "a", [7], 8),
    ("valid", "a", [7, 8], 9),
    ("valid", "b", [9], 7),
    ("valid", "b", [9, 7], 5),
    ("test", "a", [7, 8, 9], 5),
    ("test", "b", [], 6),
]


def folder_of(path: Path, rows: list[Row], **columns: pl.Series) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    schema = {"split": pl.String, "user_id": pl.String, "history": pl.List(pl.Int64), "target": pl.Int64}
    pl.DataFrame(rows, schema=schema, orient="row").with_columns(**columns).write_parquet(path / "samples.parquet")
    items = pl.DataFrame({"item_id": [5, 6, 7, 8, 9], "title": ["five", "six", "seven", "eight", "nine"]})
    items.write_parquet(path / "items.parquet")
    return path


def opened(folder: Path, rows: list[Row], **settings: object) -> Dataset:
    path = folder_of(folder / "samples", rows)
    return prepare(Preparation.parse({"path": str(path), **settings}), folder / "out")


def titles(split: Split, starts, ends) -> list[list[str]]:
    return [split.catalog.titles(split.dataset.log.items[start:end]) for start, end in zip(starts, ends, strict=True)]


def asked(split: Split, cases: Cases) -> list[tuple[list[str], list[str]]]:
    histories = titles(split, cases.histories.starts, cases.histories.ends)
    return list(zip(histories, titles(split, cases.histories.ends, cases.stops), strict=True))


def test_each_sample_is_a_user_whose_last_event_is_the_target(tmp_path):
    dataset = opened(tmp_path, ROWS)
    users = dataset.log.users
    assert users["user_id"].to_list() == ["a#1", "a#2", "b#3", "b#4", "a#5", "b#6"]
    assert users["split"].to_list() == [row[0] for row in ROWS]
    whole = dataset.log.histories()
    events = [dataset.catalog.titles(dataset.log.items[s:e]) for s, e in zip(whole.starts, whole.ends, strict=True)]
    assert events[1] == ["seven", "eight", "nine"]
    assert events[5] == ["six"]
    assert dataset.log.timestamps is None
    assert dataset.origin["source"] == "samples"


def test_without_training_samples_the_valid_ones_are_learnt_but_for_the_last_of_them(tmp_path):
    split = Given(validation=0.25).cut(opened(tmp_path, ROWS), 0)
    assert titles(split, split.train.starts, split.train.ends) == [
        ["seven", "eight"],
        ["seven", "eight", "nine"],
        ["nine", "seven"],
    ]
    assert asked(split, split.validation) == [(["nine", "seven"], ["five"])]
    assert asked(split, split.test) == [(["seven", "eight", "nine"], ["five"])]  # the other has no history
    assert split.rule == (
        "given: last event of the data's own test samples; learnt: its valid samples; validation: the last 0.25 of them"
    )


def test_training_samples_are_learnt_where_there_are_any(tmp_path):
    split = Given().cut(opened(tmp_path, [("train", "c", [5, 6], 7), *ROWS]), 0)
    assert titles(split, split.train.starts, split.train.ends) == [["five", "six", "seven"]]
    assert [target for _, target in asked(split, split.validation)] == [["eight"], ["nine"], ["seven"], ["five"]]
    assert split.rule.endswith("learnt: its train samples; validation: its valid samples")


def test_items_that_no_sample_has_can_stay_in_the_catalog(tmp_path):
    rows = [("valid", "a", [7], 8), ("test", "a", [7, 8], 9)]
    assert len(opened(tmp_path / "without", rows).catalog) == 3
    assert len(opened(tmp_path / "with", rows, keep_unseen=True).catalog) == 5


def test_no_other_rule_cuts_samples(tmp_path):
    dataset = opened(tmp_path, ROWS)
    for rule in (LeaveOneOut(), LeaveTwoOut()):
        with pytest.raises(DataError, match="split=given"):
            rule.cut(dataset, 0)


@pytest.mark.parametrize("settings", [{"core": 2}, {"user_core": 1}, {"item_core": 2}, {"duplicates": "first"}])
def test_samples_are_not_thinned_out(tmp_path, settings):
    with pytest.raises(DataError, match=f"data.{next(iter(settings))} drops events"):
        Given().cut(opened(tmp_path, ROWS, **settings), 0)


def test_data_without_a_cut_of_their_own_are_refused(tmp_path):
    with pytest.raises(DataError, match="no cut of its own"):
        Given().cut(dataset_of([[1, 2]]), 0)
    with pytest.raises(DataError, match="says 'later'"):
        Given().cut(opened(tmp_path / "later", [*ROWS, ("later", "a", [7], 8)]), 0)
    with pytest.raises(DataError, match="4 samples to learn and 0 to ask"):
        Given().cut(opened(tmp_path / "none", ROWS[:4]), 0)


def test_a_sample_that_lacks_something_is_named(tmp_path):
    path = folder_of(tmp_path / "samples", ROWS, target=pl.Series([8, None, 7, 5, 5, 6]))
    with pytest.raises(DataError, match=r"1 rows lack .* data row 2"):
        prepare(Preparation(path=str(path)), tmp_path / "out")


def test_the_industrial_samples(shared, tmp_path):
    path = shared / "amazon-industrial-2018-text"
    dataset = prepare(Preparation(path=str(path), keep_unseen=True), tmp_path / "out")
    split = Given().cut(dataset, 0)
    assert (len(split.train), len(split.validation), len(split.test)) == (4532 - 453, 453, 4533)
    assert len(split.catalog) == 3686
    rows = pl.read_parquet(path / "samples.parquet").filter(pl.col("split") == "test")
    assert split.catalog.ids.gather(split.test.targets.packed()[0]).cast(int).to_list() == rows["target"].to_list()
    assert split.test.histories.lengths.tolist() == rows["history"].list.len().to_list()


def events(folder: Path, *rows: str, header: str = "user_id,item_id,timestamp,split") -> Dataset:
    folder.mkdir()
    (folder / "log.csv").write_text("\n".join([header, *rows]) + "\n")
    return prepare(Preparation(path=str(folder / "log.csv")), folder / "out")


def test_events_are_cut_as_their_column_says(tmp_path):
    dataset = events(
        tmp_path / "log",
        "a,1,1,train", "a,2,2,train", "a,3,3,tune", "a,4,4,test", "a,5,5,test",
        "b,1,1,train", "b,2,2,Test", "c,3,1,train", "d,4,9,test",
    )  # fmt: skip
    split = Given().cut(dataset, 0)
    ids = dataset.catalog.ids
    named = [
        ids.gather(part.packed()[0]).to_list() for part in (split.train, split.validation.targets, split.test.targets)
    ]
    assert named == [["1", "2", "1", "3"], ["3"], ["4", "5", "2"]]
    assert ids.gather(split.test.histories.packed()[0]).to_list() == ["1", "2", "3", "1"]
    assert split.test.histories.users.tolist() == [0, 1]  # 'd' has nothing before its test
    assert split.test.histories.timestamps is not None
    assert split.rule == "given: test events by the data's own column 'split'; validation: its validation events"


def test_parts_that_do_not_follow_each_other_in_time_are_put_in_order(tmp_path):
    rows = ["a,1,1,test", "a,2,2,train", "a,3,3,dev", "a,4,4,train", "b,2,1,train", "b,4,2,train"]
    split = Given().cut(events(tmp_path / "timed", *rows), 0)
    ids = split.catalog.ids
    assert ids.gather(split.train.packed()[0]).to_list() == ["2", "4", "2", "4"]
    assert ids.gather(split.validation.targets.packed()[0]).to_list() == ["3"]
    assert ids.gather(split.test.histories.packed()[0]).to_list() == ["2", "4", "3"]
    assert ids.gather(split.test.targets.packed()[0]).to_list() == ["1"]
    assert split.test.histories.timestamps is None
    assert "not in the order of time" in split.rule


def test_events_that_cannot_be_cut_say_why(tmp_path):
    with pytest.raises(DataError, match="no cut of its own"):
        Given().cut(events(tmp_path / "words", "a,1,1,red", "a,2,2,blue", "a,3,3,blue"), 0)
    with pytest.raises(DataError, match="says nothing of 1 of 4"):
        Given().cut(events(tmp_path / "gap", "a,1,1,train", "a,2,2,", "a,3,3,test", "a,4,4,test"), 0)
    with pytest.raises(DataError, match=r"2 users have something to learn and 0 something to ask"):
        Given().cut(events(tmp_path / "apart", "a,1,1,train", "b,2,2,train", "c,3,3,test", "c,3,4,test"), 0)


def test_a_column_of_another_name_is_a_cut_by_its_words(tmp_path):
    rows = ["a,1,1,training", "a,2,2,training", "a,3,3,testing"]
    dataset = events(tmp_path / "log", *rows, header="user_id,item_id,timestamp,part")
    assert own_cut(dataset) == "part"
    assert own_cut(dataset_of([[1, 2]])) is None
