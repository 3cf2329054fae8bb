import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from data.logs import dataset_of, prepared
from segue.core.errors import DataError
from segue.data.store import load, save, verify


@pytest.fixture
def folder(tmp_path):
    prepared(tmp_path, [("1", "a", 5), ("1", "b", 6), ("2", "a", 7)])
    return tmp_path / "out"


def test_arrays_are_mapped_and_not_loaded(folder):
    dataset = load(folder)
    assert isinstance(dataset.log.items, np.memmap)
    assert dataset.log.items.dtype == np.int32
    assert dataset.log.offsets.tolist() == [0, 2, 3]


def test_a_dataset_from_memory_comes_back_equal_and_keeps_its_digest(tmp_path):
    dataset = dataset_of([[0, 1, 2], [2]], [[5, 6, 7], [8]])
    first = save(dataset, tmp_path / "first")
    assert first.log.items.tolist() == [0, 1, 2, 2]
    assert first.log.timestamps.tolist() == [5, 6, 7, 8]
    assert first.log.users.equals(dataset.log.users)
    assert save(first, tmp_path / "second").digest == first.digest
    other = dataset_of([[0, 1, 2], [1]], [[5, 6, 7], [8]])
    assert save(other, tmp_path / "third").digest != first.digest


def test_exposures_lie_beside_the_log_and_leave_its_digest(tmp_path):
    plain = dataset_of([[0, 2], [2]], [[5, 7], [8]])
    shown = dataset_of([[0, 1, 2], [2]], [[5, 6, 7], [8]]).log
    shown = replace(shown, columns={"click": np.array([1, 0, 1, 1], dtype=np.int8)}, users=plain.log.users)
    kept = save(replace(plain, exposures=shown), tmp_path / "with")
    assert kept.digest == save(plain, tmp_path / "without").digest
    assert isinstance(kept.exposures.items, np.memmap)
    assert kept.exposures.items.tolist() == [0, 1, 2, 2]
    assert kept.exposures.offsets.tolist() == [0, 3, 4]
    assert kept.exposures.timestamps.tolist() == [5, 6, 7, 8]
    assert kept.exposures.columns["click"].tolist() == [1, 0, 1, 1]
    assert kept.exposures.users is kept.log.users
    (tmp_path / "with" / "exposures" / "items.npy").unlink()
    with pytest.raises(DataError, match=r"exposures/items\.npy is missing"):
        load(tmp_path / "with")


def test_a_folder_of_before_there_were_exposures_opens_without(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["exposures"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert load(folder).exposures is None


def test_a_folder_that_is_none_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match="segue data prepare"):
        load(tmp_path / "nothing")
    with pytest.raises(DataError, match=r"manifest\.json"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["items.npy", "offsets.npy", "timestamps.npy"])
def test_a_cut_array_is_named(folder, name):
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:-4])
    with pytest.raises(DataError, match=name):
        load(folder)
    (folder / name).unlink()
    with pytest.raises(DataError, match=f"{name} is missing"):
        load(folder)


def test_arrays_of_another_length_are_refused(folder):
    np.save(folder / "items.npy", np.zeros(2, dtype=np.int32))
    with pytest.raises(DataError, match="manifest says 3"):
        load(folder)


def test_offsets_that_go_backwards_are_refused(folder):
    np.save(folder / "offsets.npy", np.array([0, 4, 3]))
    with pytest.raises(DataError, match=r"does not fit items\.npy"):
        load(folder)


@pytest.mark.parametrize(
    ("items", "said"),
    [
        (np.array([0, 1, 2], dtype=np.int32), r"items\.npy names the item in row 2 of a catalogue of 2"),
        (np.array([0, -1, 0], dtype=np.int32), r"row -1 of"),
        (np.array([0.0, 1.0, 0.0]), "holds float64"),
        (np.array(["a", "b", "c"]), "holds <U1"),
    ],
)
def test_items_that_are_no_rows_of_the_catalogue_are_refused(folder, items, said):
    np.save(folder / "items.npy", items)
    with pytest.raises(DataError, match=said):
        load(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda manifest: manifest.pop("counts"), "lacks what a manifest says"),
        (lambda manifest: manifest["counts"].pop("items"), "lacks what a manifest says"),
        (lambda manifest: manifest.update(counts=[1, 2]), "lacks what a manifest says"),
        (lambda manifest: manifest["counts"].update(events=-3), "-3 is not a count"),
        (lambda manifest: manifest.update(columns={"x": "../items.npy"}), "outside it"),
        (lambda manifest: manifest.update(columns=None), "lacks what a manifest says"),
        (lambda manifest: manifest.pop("timed"), "'timed'"),
        (lambda manifest: manifest.update(exposures=5), "lacks what a manifest says"),
        (lambda manifest: manifest.update(origin=5), "lacks what a manifest says"),
    ],
)
def test_a_manifest_that_lacks_something_is_named(folder, change, said):
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=said):
        load(folder)


def test_tables_without_ids_are_refused(folder):
    for name, key in (("users", "user_id"), ("catalog", "item_id")):
        whole = (folder / f"{name}.parquet").read_bytes()
        pl.read_parquet(folder / f"{name}.parquet").rename({key: "x"}).write_parquet(folder / f"{name}.parquet")
        with pytest.raises(DataError, match=f"no column '{key}'"):
            load(folder)
        (folder / f"{name}.parquet").write_bytes(whole)


def test_what_load_cannot_see_verify_finds(tmp_path):
    plain = dataset_of([[0, 1, 2], [2]], [[5, 6, 7], [8]])
    shown = replace(plain.log, columns={"click": np.array([1, 0, 1, 1], dtype=np.int8)})
    folder = tmp_path / "made"
    save(replace(plain, log=replace(plain.log, columns={"price": np.ones(4)}), exposures=shown), folder)
    verify(folder)
    for file in sorted(folder.rglob("*.npy")):
        whole = file.read_bytes()
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]) if file.name != "offsets.npy" else whole)
        if file.name != "offsets.npy":  # which load sees at once
            with pytest.raises(DataError, match="prepare the dataset again"):
                verify(folder)
        file.write_bytes(whole)
    pl.DataFrame({"user_id": ["x", "y"]}).write_parquet(folder / "users.parquet")
    with pytest.raises(DataError, match="is damaged or was changed"):
        verify(folder)


def test_another_version_is_refused(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"version": 99}))
    with pytest.raises(DataError, match=r"version 99.*reads version 1"):
        load(folder)
    (folder / "manifest.json").write_text('{"format":')
    with pytest.raises(DataError, match="not valid JSON"):
        load(folder)


def test_a_damaged_table_is_named(folder):
    (folder / "catalog.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"catalog\.parquet"):
        load(folder)


def test_what_is_there_is_never_overwritten_unasked(folder, tmp_path):
    dataset = load(folder)
    with pytest.raises(DataError, match="is a prepared dataset already"):
        save(dataset, folder)
    assert save(dataset_of([[0, 0]]), folder, replace=True).log.items.tolist() == [0, 0]
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="not a prepared dataset"):
        save(dataset, mine, replace=True)
    assert (mine / "thesis.txt").exists()
