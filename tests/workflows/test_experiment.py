"""From words to an experiment, and through YAML and back."""

from pathlib import Path

import polars as pl
import pytest

from segue.core.errors import SettingsError
from segue.data.preparation import Preparation
from segue.data.split import LeaveTwoOut
from segue.simulation.world import World
from segue.workflows import systems
from segue.workflows.experiment import data_of, load, new, parse_setting
from segue.workflows.runs import dataset_of


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("backbone.depth=3", ("backbone.depth", 3)),
        ("rate=1e-3", ("rate", 0.001)),
        ("rate=0.5", ("rate", 0.5)),
        ("seen=true", ("seen", True)),
        ("evaluation.ks=[5, 10]", ("evaluation.ks", [5, 10])),
        ("split=leave_two_out", ("split", "leave_two_out")),
        ("data.positive=rating >= 4", ("data.positive", "rating >= 4")),
        ("data.positive=a == 'b=c'", ("data.positive", "a == 'b=c'")),
        ("length=", ("length", None)),
    ],
)
def test_a_setting_is_a_path_and_a_yaml_value(text: str, wanted: tuple) -> None:
    assert parse_setting(text) == wanted


@pytest.mark.parametrize("text", ["backbone.depth", "=3", "a=[1"])
def test_a_setting_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="--set"):
        parse_setting(text)


def test_a_path_that_names_none_of_our_parts_belongs_to_the_recipe() -> None:
    experiment = new("sasrec_small", "log.csv", {"backbone.depth": 3, "split": "leave_two_out", "data.core": 5}, 7)
    assert experiment.recipe.backbone.depth == 3
    assert experiment.split == LeaveTwoOut()
    assert experiment.data == Preparation(path=str(Path("log.csv").resolve()), core=5)
    assert experiment.seed == 7


def test_without_data_it_is_the_simulated_world() -> None:
    assert new("popularity", None, {}, None).data == World()
    assert data_of("world") == World()
    assert new("popularity", None, {"data.users": 50}, None).data == World(users=50)


def test_a_table_in_memory_is_data_that_can_be_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_CACHE", str(tmp_path / "cache"))
    rows = [(f"u{i % 5}", f"i{i * 7 % 4}", 1_700_000_000 + i) for i in range(40)]
    log = pl.DataFrame(rows, ["user", "item", "time"], orient="row")
    items = pl.DataFrame({"item": ["i0", "i1"], "title": ["Zero", "One"]})
    experiment = new("popularity", log.to_pandas(), {"data.core": 2}, items=items)
    (tmp_path / "recipe.yaml").write_text(experiment.yaml())
    again = load(tmp_path / "recipe.yaml")
    assert again == experiment
    assert again.data == new("popularity", log.lazy(), {"data.core": 2}, items=items).data
    dataset = dataset_of(again)
    assert len(dataset.log) == 40
    assert set(dataset.catalog.table["title"]) == {"Zero", "One", None}


@pytest.mark.parametrize("data", [None, "log.csv", Path("log.csv")])
def test_a_catalog_in_memory_wants_a_log_in_memory(data) -> None:
    with pytest.raises(SettingsError, match="items: goes with a table"):
        new("popularity", data, items=pl.DataFrame({"item": ["a"]}))


def test_data_that_are_no_table_are_refused() -> None:
    with pytest.raises(SettingsError, match="data: a value of type list is no log"):
        new("popularity", [("u", "i")])


def test_a_path_may_be_a_path_and_begin_at_home() -> None:
    assert new("popularity", Path("log.csv")).data == data_of("log.csv")
    assert data_of("~/logs/*.csv").path == str(Path.home() / "logs/*.csv")


def test_a_wrong_path_is_named() -> None:
    with pytest.raises(SettingsError, match=r"evaluation\.lenght: there is no such setting; did you mean 'length'"):
        new("popularity", None, {"evaluation.lenght": 5}, None)


@pytest.mark.parametrize("recipe", list(systems.systems()), ids=lambda recipe: recipe.name)
def test_every_system_survives_yaml(recipe, tmp_path: Path) -> None:
    experiment = new(recipe.name, "log.csv", {"evaluation.seen": True, "split": "global_time"}, 3)
    (tmp_path / "one.yaml").write_text(experiment.yaml(), encoding="utf-8")
    assert load(tmp_path / "one.yaml") == experiment


def test_a_short_file_is_enough(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("recipe: sasrec_small\ndata: log.csv\nbackbone: {depth: 1}\n", encoding="utf-8")
    assert load(tmp_path / "one.yaml") == new("sasrec_small", "log.csv", {"backbone.depth": 1}, None)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("- a list", "must be a mapping with 'recipe: NAME'"),
        ("backbone: gru", "must be a mapping with 'recipe: NAME'"),
        ("recipe: [", "is not YAML"),
        ("recipe: sasrek", "Did you mean 'sasrec'"),
        ("recipe: sasrec\nbackbone: {deepth: 2}", r"one\.yaml: recipe\.backbone\.deepth.*did you mean 'depth'"),
        ("recipe: sasrec\ndata: {paths: x}", r"one\.yaml"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(text: str, wanted: str, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=wanted):
        load(tmp_path / "one.yaml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml cannot be read"):
        load(tmp_path / "none.yaml")
