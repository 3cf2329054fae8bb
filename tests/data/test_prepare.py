import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.logs import Event, events_of, prepared, write_csv
from segue.core.errors import DataError, SettingsError
from segue.core.part import Part
from segue.data.cache import kept
from segue.data.open import open_dataset
from segue.data.preparation import Preparation
from segue.data.prepare import prepare, readable_name
from segue.data.store import load

IDS = st.sampled_from(["1", "2", "10", "007", "x y", "B00'4", "é", "-3", "99999999999999999999"])
NUMBERS = st.integers(0, 12).map(str)
TIMES = st.integers(0, 5).map(lambda step: 1_600_000_000 + step)
LOGS = st.lists(st.tuples(NUMBERS, NUMBERS, TIMES), min_size=1, max_size=60) | st.lists(
    st.tuples(IDS, IDS, TIMES), min_size=1, max_size=40
)


def in_folder(events: list[Event], **settings: object) -> list[Event]:
    with tempfile.TemporaryDirectory() as folder:
        return events_of(prepared(Path(folder), events, **settings))


def reference(events: list[Event]) -> list[Event]:
    """Users by first appearance, each one's events by time, ties as they came: three sorted() calls and no array."""
    first: dict[str, int] = {}
    for user, _, _ in events:
        first.setdefault(user, len(first))
    return sorted(events, key=lambda event: (first[event[0]], event[2]))


@given(LOGS)
def test_what_is_prepared_reads_back_in_stable_order(events):
    assert in_folder(events) == reference(events)


@given(LOGS, st.integers(1, 4), st.integers(1, 4))
def test_the_core_is_the_fixpoint_of_a_slow_reference(events, user_core, item_core):
    left = list(events)
    while True:
        users, items = Counter(event[0] for event in left), Counter(event[1] for event in left)
        fewer = [event for event in left if users[event[0]] >= user_core and items[event[1]] >= item_core]
        if len(fewer) == len(left):
            break
        left = fewer
    if not left:
        with pytest.raises(DataError, match="ask for fewer"):
            in_folder(events, user_core=user_core, item_core=item_core)
        return
    found = in_folder(events, user_core=user_core, item_core=item_core)
    assert Counter(found) == Counter(left)
    by_user = [event for event in reference(events) if event in set(left)]
    assert list(found) == [event for event in by_user if event in set(found)]


@given(LOGS, st.integers(0, 2))
def test_out_of_core_gives_the_same_dataset(events, core):
    with tempfile.TemporaryDirectory() as folder:
        path = write_csv(Path(folder) / "log.csv", events)
        settings = Preparation(path=str(path), core=core)
        try:
            inside = prepare(settings, Path(folder) / "inside")
        except DataError:
            with pytest.raises(DataError):
                prepare(settings.changed({"memory_gb": 1e-7}), Path(folder) / "outside")
            return
        outside = prepare(settings.changed({"memory_gb": 1e-7}), Path(folder) / "outside")
        assert outside.digest == inside.digest
        assert events_of(outside) == events_of(inside)


def test_a_log_of_many_batches_goes_to_disk_and_equals_the_one_in_memory(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    rows = zip(
        rng.integers(0, 300, 20_000), rng.integers(0, 200, 20_000), rng.integers(10**9, 10**9 + 50, 20_000), strict=True
    )
    path = write_csv(tmp_path / "log.csv", [(f"u{u}", f"i{i}", int(t)) for u, i, t in rows])
    from segue.data.shelf import Shelf

    spilled = []
    spill = Shelf._spill
    monkeypatch.setattr(Shelf, "_spill", lambda shelf: (spilled.append(shelf.folder.name), spill(shelf)))
    inside = prepare(Preparation(path=str(path), core=60), tmp_path / "inside")
    assert spilled == []
    # 20,000 events of 16 bytes are 320 kB: four times the limit.
    outside = prepare(Preparation(path=str(path), core=60, memory_gb=80e-6), tmp_path / "outside")
    assert spilled == ["arrivals"]
    assert outside.digest == inside.digest
    assert 0 < len(inside.log) < 20_000
    assert not any(child.name == "work" for child in (tmp_path / "outside").iterdir())


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("keep", ["a1", "b2", "a2", "a2", "a3"]),
        ("exact", ["a1", "b2", "a2", "a3"]),
        ("first", ["a1", "b2"]),
        ("last", ["b2", "a3"]),
    ],
)
def test_duplicates_by_policy(tmp_path, policy, expected):
    events = [("u", "a", 2), ("u", "a", 1), ("u", "b", 2), ("u", "a", 2), ("u", "a", 3)]
    # In order of time, ties as they came: a1, a2, b2, a2, a3.
    found = [f"{item}{time}" for _, item, time in events_of(prepared(tmp_path, events, duplicates=policy))]
    assert sorted(found) == sorted(expected)
    assert [int(word[1]) for word in found] == sorted(int(word[1]) for word in found)


def test_only_positive_events_count_and_the_rest_is_counted(tmp_path):
    (tmp_path / "log.csv").write_text(
        "user,item,rating,time,kind\n1,a,5,10,buy\n1,b,3,11,buy\n1,c,4.5,12,view\n2,a,4,13,buy\n"
    )
    condition = "rating >= 4 and kind == 'buy'"
    dataset = prepare(Preparation(path=str(tmp_path / "log.csv"), positive=condition), tmp_path / "out")
    assert events_of(dataset) == [("1", "a", 10), ("2", "a", 13)]
    assert dataset.origin["dropped"] == {"not positive": 2}
    assert dataset.log.columns["rating"].tolist() == [5, 4]
    assert [dataset.origin["words"]["kind"][code] for code in dataset.log.columns["kind"]] == ["buy", "buy"]


def test_columns_keep_their_values_in_the_narrowest_type(tmp_path):
    text = "user,item,time,level,big,half,gap\n1,a,3,5,3000000000,0.5,\n1,b,2,-1,1,1.25,7\n1,c,1,0,2,0.1,8\n"
    (tmp_path / "log.csv").write_text(text)
    columns = prepare(Preparation(path=str(tmp_path / "log.csv")), tmp_path / "out").log.columns
    assert columns["level"].tolist() == [0, -1, 5]
    assert columns["level"].dtype == np.int8
    assert columns["big"].tolist() == [2, 1, 3_000_000_000]
    assert columns["half"].tolist() == [0.1, 1.25, 0.5]  # 0.1 needs 64 bits
    assert columns["gap"][:2].tolist() == [8, 7]
    assert np.isnan(columns["gap"][2])


def test_the_form_of_the_file_does_not_change_the_dataset(tmp_path):
    import polars as pl

    table = pl.DataFrame({"user_id": [3, 1, 3], "item_id": [7, 7, 8], "timestamp": [5, 4, 3], "rating": [1, 2, 3]})
    table.write_csv(tmp_path / "log.csv")
    table.write_parquet(tmp_path / "log.parquet")
    table.write_ndjson(tmp_path / "log.jsonl")
    table.write_csv(tmp_path / "log.tsv", separator="\t")
    found = [
        prepare(Preparation(path=str(tmp_path / f"log.{end}")), tmp_path / end)
        for end in ("csv", "parquet", "jsonl", "tsv")
    ]
    assert len({dataset.digest for dataset in found}) == 1
    assert events_of(found[0]) == [("3", "8", 3), ("3", "7", 5), ("1", "7", 4)]


def test_items_that_nobody_took_stay_only_when_asked(tmp_path):
    write_csv(tmp_path / "log.csv", [("1", "b", 1), ("2", "a", 2)])
    (tmp_path / "items.csv").write_text("item_id,title,genres\na,Anna,x|y\nzz,Nobody,x\nb,Bert,\n")
    settings = Preparation(path=str(tmp_path / "log.csv"))
    table = prepare(settings, tmp_path / "without").catalog.table
    assert table["item_id"].to_list() == ["b", "a"]
    assert table["title"].to_list() == ["Bert", "Anna"]
    assert table["categories"].to_list() == [None, ["x", "y"]]
    with_all = prepare(settings.changed({"keep_unseen": True}), tmp_path / "with").catalog
    assert with_all.ids.to_list() == ["b", "a", "zz"]


def test_milliseconds_order_events_and_are_stored_as_seconds(tmp_path):
    dataset = prepared(tmp_path, [("1", "late", 1_600_000_000_900), ("1", "early", 1_600_000_000_100)])
    assert events_of(dataset) == [("1", "early", 1_600_000_000), ("1", "late", 1_600_000_000)]


def test_an_incomplete_row_is_dropped_and_named(tmp_path):
    (tmp_path / "log.csv").write_text("user_id,item_id,timestamp\n1,a,5\n2,b\n,c,7\n")
    dataset = prepare(Preparation(path=str(tmp_path / "log.csv")), tmp_path / "out")
    assert events_of(dataset) == [("1", "a", 5)]
    assert dataset.origin["dropped"] == {"incomplete": 2}
    assert any("first: data row 2 of log.csv" in note for note in dataset.origin["notes"])


def test_a_column_without_times_is_refused_with_a_way_out(tmp_path):
    rows = "\n".join(f"{i},a,{'' if i > 2 else 5}" for i in range(10))
    (tmp_path / "log.csv").write_text(f"user_id,item_id,timestamp\n{rows}\n")
    with pytest.raises(DataError, match=r"7 of 10 rows have no time.*time=none"):
        prepare(Preparation(path=str(tmp_path / "log.csv")), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    dataset = prepare(Preparation(path=str(tmp_path / "log.csv"), time="none"), tmp_path / "out")
    assert len(dataset.log) == 10
    assert dataset.log.timestamps is None


def test_settings_that_do_not_exist_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="did you mean 'core'"):
        Preparation.parse({"path": "x", "kore": 5})
    with pytest.raises(SettingsError, match="duplicates"):
        Preparation.parse({"path": "x", "duplicates": "sometimes"})
    with pytest.raises(SettingsError, match="rating >= 4 and behavior"):
        Preparation.parse({"path": "x", "positive": "__import__('os')"})
    path = tmp_path / "a.csv"
    path.write_text("user,item,rating\n1,2,3\n")
    with pytest.raises(DataError, match="did you mean 'rating'"):
        prepare(Preparation(path=str(path), positive="ratin > 3"), tmp_path / "out")


def test_settings_survive_as_plain_values():
    settings = Preparation(path="x", core=5, positive="rating >= 4")
    assert Preparation.parse(settings.dump()) == settings
    assert isinstance(settings, Part)


def test_a_killed_preparation_leaves_nothing_that_could_be_taken_for_a_dataset(tmp_path):
    path = write_csv(tmp_path / "log.csv", [(str(i % 50), str(i % 70), i) for i in range(5000)])
    program = textwrap.dedent(
        f"""
        import os, signal
        from pathlib import Path
        from segue.data.preparation import Preparation
        from segue.data.prepare import prepare
        def tell(stage, share):
            if stage == "writing the tables":
                os.kill(os.getpid(), signal.SIGKILL)
        prepare(Preparation(path={str(path)!r}), Path({str(tmp_path / "out")!r}), tell)
        """
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, "-c", program], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    (draft,) = tmp_path.glob(".out.*.partial")
    with pytest.raises(DataError, match=r"writing was cut off"):
        load(draft)
    assert len(prepare(Preparation(path=str(path)), tmp_path / "out").log) == 5000
    assert sorted(file.name for file in tmp_path.iterdir()) == ["log.csv", "out"]  # the next one sweeps


def test_a_damaged_log_in_the_cache_is_prepared_anew_and_leftovers_are_swept(tmp_path, caplog):
    path = write_csv(tmp_path / "log.csv", [("1", "a", 1), ("1", "b", 2), ("2", "a", 3)])
    cache = tmp_path / "cache"
    first = open_dataset(Preparation(path=str(path)), cache)
    (folder,) = (one.folder for one in kept(cache))
    np.save(folder / "items.npy", np.array([0, 1, 7], dtype=np.int32))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (cache / f".other-0123.{ended.pid}.partial").mkdir()
    again = open_dataset(Preparation(path=str(path)), cache)
    assert "row 7 of a catalogue of 2" in caplog.text
    assert again.digest == first.digest
    assert again.log.items.tolist() == [0, 1, 0]
    assert {path.name for path in cache.iterdir()} <= {folder.name, "hashes.json"}


def test_a_log_may_have_more_columns_than_a_process_may_have_open_files(tmp_path):
    columns = [f"c{i}" for i in range(150)]
    table = pl.DataFrame({"user_id": ["1", "1", "2"], "item_id": ["a", "b", "a"], "timestamp": [5, 6, 7]})
    table = table.with_columns(pl.lit(0.5).alias(name) for name in columns)
    table.write_parquet(tmp_path / "log.parquet")
    program = textwrap.dedent(
        f"""
        import resource
        from pathlib import Path
        from segue.data import store
        from segue.data.preparation import Preparation
        from segue.data.prepare import prepare
        store._MAPPED = 20
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        out = Path({str(tmp_path / "out")!r})
        log = prepare(Preparation(path={str(tmp_path / "log.parquet")!r}), out).log
        assert [float(values[1]) for values in log.columns.values()] == [0.5] * 150
        store.verify(out)
        """
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr


def test_an_error_leaves_no_draft_behind(tmp_path):
    (tmp_path / "log.csv").write_text("user_id,item_id,timestamp\n" + "1,a,5\n" * 2000 + "1,a,soon\n")
    with pytest.raises(DataError, match=r"log.csv, line 2002, column 'timestamp'.*'soon'"):
        prepare(Preparation(path=str(tmp_path / "log.csv")), tmp_path / "out")
    assert [file.name for file in tmp_path.iterdir()] == ["log.csv"]


def test_the_cache_is_used_again_until_the_file_or_a_setting_changes(tmp_path):
    path = write_csv(tmp_path / "log.csv", [("1", "a", 1), ("1", "b", 2), ("2", "a", 3)])
    cache = tmp_path / "cache"
    first = open_dataset(Preparation(path=str(path)), cache)
    assert open_dataset(Preparation(path=str(path), memory_gb=1.0), cache).digest == first.digest
    assert len(kept(cache)) == 1
    assert len(open_dataset(Preparation(path=str(path), item_core=2), cache).log) == 2
    write_csv(path, [("1", "a", 1), ("1", "b", 2), ("2", "c", 3)])
    assert open_dataset(Preparation(path=str(path)), cache).digest != first.digest
    assert len(kept(cache)) == 3


def test_a_prepared_folder_is_opened_as_it_is(tmp_path):
    dataset = prepared(tmp_path, [("1", "a", 1)])
    again = open_dataset(Preparation(path=str(tmp_path / "out")), tmp_path / "cache")
    assert again.digest == dataset.digest
    assert not (tmp_path / "cache").exists()


def test_a_name_a_person_would_give(tmp_path):
    folder = tmp_path / "ml-100k" / "raw"
    folder.mkdir(parents=True)
    assert readable_name(folder / "u.data") == "ml-100k"
    assert readable_name(tmp_path / "my_log.csv.gz") == "my_log"
