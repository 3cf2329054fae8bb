from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from planted_items import PlantedVectors
from segue.core.errors import DataError, RunError, SettingsError
from segue.core.run import Run
from segue.core.tables import Catalog, Split
from segue.core.tokenizing import ItemTokenizer
from segue.testing.tokenizers import check_tokenizer
from segue.testing.worlds import ring
from segue.tokenizers.collisions import NearestFreeCode, PopularityOrder
from segue.tokenizers.item_ids import ItemIds
from segue.tokenizers.random_codes import RandomCodes
from segue.tokenizers.rq_vae import RqVae
from segue.tokenizers.saved_codes import SavedCodes, load, save

RQ = RqVae(encoder=PlantedVectors(), levels=2, size=4, width=4, hidden=(8,), epochs=2, warmup=1)
KINDS = [RandomCodes(levels=3, size=8), RQ, RQ.changed({"collisions": PopularityOrder()})]
RANDOM = KINDS[0]


def with_rows(split: Split, rows: list[int]) -> Split:
    """The same split with other rows in its catalog: how another log of the same items looks."""
    return replace(split, dataset=replace(split.dataset, catalog=Catalog(split.catalog.table[rows])))


@pytest.mark.parametrize("part", KINDS, ids=["random", "extra", "popularity"])
def test_a_folder_of_codes_is_a_tokenizer(part: ItemTokenizer, tmp_path: Path) -> None:
    fitted = part.fit(ring(users=8), Run(seed=4))
    save(tmp_path / "codes", fitted)
    again = check_tokenizer(SavedCodes(path=str(tmp_path / "codes")), ring(users=8))
    assert np.array_equal(again.codes.codes, fitted.codes.codes)


def test_what_is_loaded_is_what_was_saved(tmp_path: Path) -> None:
    fitted = RQ.fit(ring(users=8), Run(seed=4))
    save(tmp_path / "codes", fitted)
    loaded = load(tmp_path / "codes")
    assert loaded.part == RQ
    assert loaded.notes() == fitted.notes()
    assert loaded.catalog.table.equals(fitted.catalog.table)
    assert np.array_equal(loaded.codes.codes, fitted.codes.codes)


def test_a_run_outlives_the_folder(tmp_path: Path) -> None:
    save(tmp_path / "codes", RQ.fit(ring(users=8), Run()))
    part, split = SavedCodes(path=str(tmp_path / "codes")), ring(users=8)
    fitted = part.fit(split, Run())
    weights = fitted.weights()
    shutil.rmtree(tmp_path / "codes")
    restored = part.restore(split.catalog, weights)
    wider = ring(users=8, items=25).catalog
    assert np.array_equal(restored.encode(wider), fitted.encode(wider))
    assert restored.notes()["saved_in"] == str(tmp_path / "codes")


def test_items_are_found_by_id_and_not_by_row(tmp_path: Path) -> None:
    fitted = RANDOM.fit(ring(users=8), Run())
    save(tmp_path / "codes", fitted)
    rows = [7, 3, 0, 19, 4]
    other = SavedCodes(path=str(tmp_path / "codes")).fit(with_rows(ring(users=8), rows), Run())
    assert np.array_equal(other.codes.codes, fitted.codes.codes[rows])


def test_the_same_ids_with_other_titles_are_another_catalog(tmp_path: Path) -> None:
    """Two shops that both count their items from 1 have every id in common."""
    split = ring(users=8)
    save(tmp_path / "codes", RANDOM.fit(split, Run()))
    part, titles = SavedCodes(path=str(tmp_path / "codes")), pl.col("title")
    few = pl.when(pl.int_range(pl.len()) < 5).then(titles.str.to_uppercase()).otherwise(titles)
    for new, refused in ((few, False), ("Book about " + titles, True)):
        other = replace(split.dataset, catalog=Catalog(split.catalog.table.with_columns(new.alias("title"))))
        if refused:
            with pytest.raises(DataError, match=r"20 of the 20 items .* \(item 'i0' is 'Item 0' there and 'Book about"):
                part.fit(replace(split, dataset=other), Run())
        else:
            assert len(part.fit(replace(split, dataset=other), Run()).codes) == 20


def test_unknown_items_are_encoded_as_new_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    fitted = RQ.changed({"collisions": NearestFreeCode(), "levels": 3}).fit(ring(users=8, items=12), Run())
    save(tmp_path / "codes", fitted)
    part, wide = SavedCodes(path=str(tmp_path / "codes")), ring(users=8, items=15)
    wider = part.fit(wide, Run())
    assert "3 of 15 items are not in" in caplog.text
    assert np.array_equal(wider.codes.codes[:12], fitted.codes.codes)
    assert len(np.unique(wider.codes.codes, axis=0)) == 15
    later = ring(users=8, items=20).catalog  # those who come even later do not take the tuples of the three
    assert len(np.unique(wider.encode(later), axis=0)) == 20
    assert np.array_equal(part.restore(wide.catalog, wider.weights()).encode(later), wider.encode(later))


def test_another_dataset_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "codes", RANDOM.fit(ring(users=8), Run()))
    split = ring(users=8)
    table = split.catalog.table.with_columns(pl.format("x{}", "item_id").alias("item_id"))
    foreign = replace(split, dataset=replace(split.dataset, catalog=Catalog(table)))
    with pytest.raises(DataError, match=r"none of the 20 items .* such as 'i0', this dataset 'xi0'"):
        SavedCodes(path=str(tmp_path / "codes")).fit(foreign, Run())


def test_item_ids_cannot_take_new_items_from_a_folder_either(tmp_path: Path) -> None:
    save(tmp_path / "codes", ItemIds().fit(ring(users=8), Run()))
    with pytest.raises(DataError, match="item_ids has a code for these only"):
        SavedCodes(path=str(tmp_path / "codes")).fit(ring(users=8, items=21), Run())


def test_saving_replaces_codes_and_nothing_else(tmp_path: Path) -> None:
    save(tmp_path / "codes", ItemIds().fit(ring(users=8), Run()))
    save(tmp_path / "codes", RANDOM.fit(ring(users=8), Run()))
    assert load(tmp_path / "codes").part == RANDOM
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("of value")
    with pytest.raises(RunError, match="holds no codes"):
        save(tmp_path / "thesis", ItemIds().fit(ring(users=8), Run()))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["codes", "thesis"]


def test_a_failure_while_writing_leaves_the_codes_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "codes", RANDOM.fit(ring(users=8), Run()))
    fitted = ItemIds().fit(ring(users=8), Run())

    def full_disk(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("segue.tokenizers.saved_codes.checkpoint.write", full_disk)
    with pytest.raises(OSError, match="no space"):
        save(tmp_path / "codes", fitted)
    assert load(tmp_path / "codes").part == RANDOM
    assert [path.name for path in tmp_path.iterdir()] == ["codes"]


def test_what_is_no_folder_of_codes_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no codes"):
        load(tmp_path)
    save(tmp_path / "codes", RANDOM.fit(ring(users=8), Run()))
    description = tmp_path / "codes" / "tokenizer.json"
    description.write_text(json.dumps({"kind": "runes"}))
    with pytest.raises(SettingsError, match="unknown ItemTokenizer 'runes'"):
        load(tmp_path / "codes")
    description.write_text("{")
    with pytest.raises(RunError, match="damaged"):
        load(tmp_path / "codes")
