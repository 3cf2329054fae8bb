"""Collaborative vectors put together what the same users take, however they were come by."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import torch
import yaml

from encoders.shelf import catalog, shop
from segue.core.errors import DataError, SettingsError
from segue.core.part import Part
from segue.core.recipe import Paper, Recipe
from segue.core.run import Run
from segue.core.tables import Catalog, Split
from segue.core.tokenizing import ItemEncoder
from segue.encoders.collaborative_vectors import CollaborativeVectors
from segue.testing.worlds import ring, two_tastes


class Numbered(Recipe):
    """Its vector of item i is (i, 1); it writes down the folder that it was given."""

    def fit(self, split: Split, run: Run) -> SimpleNamespace:  # type: ignore[override]
        vectors = torch.stack([torch.arange(float(len(split.catalog))), torch.ones(len(split.catalog))], dim=1)
        model = SimpleNamespace(item_vectors=lambda: vectors)
        return SimpleNamespace(model=model, catalog=split.catalog, folder=run.folder)


class Wordless(Recipe):
    """Has no vectors."""

    def fit(self, split: Split, run: Run) -> SimpleNamespace:  # type: ignore[override]
        return SimpleNamespace(catalog=split.catalog)


PAPER = Paper(authors="Nobody", title="None", year=2000)
NUMBERED = Numbered(name="numbered", paper=PAPER)


def test_the_svd_tells_two_tastes_apart() -> None:
    split = two_tastes(users=512, items=20)
    vectors = CollaborativeVectors(width=2).fit(split, Run()).encode(split.catalog)
    cosines = vectors @ vectors.T
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0)
    assert cosines[:10, :10].min() > 0.9
    assert cosines[10:, 10:].min() > 0.9
    assert abs(cosines[:10, 10:]).max() < 0.1


def test_held_out_events_are_not_looked_at() -> None:
    """Only the last two events of each user are changed."""
    split = ring(users=64)
    before = CollaborativeVectors(width=4).fit(split, Run()).encode(split.catalog)
    for stop in split.test.stops:
        split.dataset.log.items[stop - 2 : stop] = 0
    assert (CollaborativeVectors(width=4).fit(split, Run()).encode(split.catalog) == before).all()


def test_an_item_that_nobody_took_gets_the_mean(caplog: pytest.LogCaptureFixture) -> None:
    split = two_tastes(users=64, items=20)
    split.dataset.log.items[split.dataset.log.items == 3] = 4
    vectors = CollaborativeVectors(width=4).fit(split, Run()).encode(split.catalog)
    assert "1 of 20 items have no training event" in caplog.text
    mean = np.delete(vectors, 3, axis=0).sum(0)
    assert vectors[3] @ mean / np.linalg.norm(mean) > 0.9


def test_a_recipe_is_fitted_on_the_spot_in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = []
    fit = Numbered.fit
    monkeypatch.setattr(Numbered, "fit", lambda self, split, run: folders.append(run.folder) or fit(self, split, run))
    split = shop()
    fitted = CollaborativeVectors(recipe=NUMBERED, normalized=False).fit(split, Run(folder=tmp_path))
    assert fitted.encode(split.catalog)[:, 0].tolist() == list(range(8))
    assert folders == [tmp_path / "collaborative_vectors"]


def test_a_real_recommender_has_vectors() -> None:
    from segue.recipes.sasrec import RECIPE

    split = ring(users=32)
    small = RECIPE.changed({"procedure.loop.epochs": 1, "backbone.width": 8, "batches.history": 8})
    fitted = CollaborativeVectors(recipe=small).fit(split, Run())
    vectors = fitted.encode(split.catalog)
    assert vectors.shape[0] == 20
    assert np.isfinite(vectors).all()


def test_a_run_is_aligned_by_item_id() -> None:
    split = shop()
    theirs = Catalog(pl.concat([split.catalog.table.reverse(), catalog("further").table]))
    opened = NUMBERED.fit(SimpleNamespace(catalog=theirs), Run())  # type: ignore[arg-type]
    part = CollaborativeVectors(run="runs/first", normalized=False)
    fitted = part.fit(split, Run(open_run=lambda path: {Path("runs/first"): opened}[path]))
    assert fitted.encode(split.catalog)[:, 0].tolist() == list(range(7, -1, -1))


def test_items_that_the_run_does_not_know_are_counted() -> None:
    split = shop()
    opened = NUMBERED.fit(SimpleNamespace(catalog=Catalog(split.catalog.table.head(5))), Run())  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"3 of 8 items have no vector in runs/first \(first: 'i5'\)"):
        CollaborativeVectors(run="runs/first").fit(split, Run(open_run=lambda _: opened))


def test_new_items_cannot_be_encoded() -> None:
    fitted = CollaborativeVectors(width=2).fit(shop(), Run())
    with pytest.raises(DataError, match="1 of 1 items have no vector in the training histories"):
        fitted.encode(catalog("new"))


def test_restored_it_gives_the_same() -> None:
    split = shop()
    fitted = CollaborativeVectors(width=2).fit(split, Run())
    assert (fitted.part.restore(fitted.weights()).encode(split.catalog) == fitted.encode(split.catalog)).all()


class Holder(Part):
    """Has vectors of behaviour, as a recipe around a language model does."""

    behaviour: ItemEncoder | None = None


def test_a_recipe_inside_another_part_survives_yaml() -> None:
    from segue.recipes.sasrec import RECIPE

    holder = Holder(behaviour=CollaborativeVectors(recipe=RECIPE, normalized=False))
    again = Holder.parse(yaml.safe_load(yaml.safe_dump(holder.dump())))
    assert again == holder
    assert type(again.behaviour.recipe) is type(RECIPE)  # type: ignore[union-attr]
    wider = holder.changed({"behaviour.recipe.backbone.width": 8})
    assert wider.behaviour.recipe.backbone.width == 8  # type: ignore[union-attr]
    of_a_run = Holder().changed({"behaviour": "collaborative_vectors", "behaviour.run": "runs/sasrec"})
    assert of_a_run.behaviour == CollaborativeVectors(run="runs/sasrec")


def test_what_cannot_be_is_explained() -> None:
    with pytest.raises(SettingsError, match="both were given"):
        CollaborativeVectors(recipe=NUMBERED, run="runs/first").fit(shop(), Run())
    with pytest.raises(SettingsError, match="without access to other runs"):
        CollaborativeVectors(run="runs/first").fit(shop(), Run())
    with pytest.raises(SettingsError, match="'wordless' has no vectors of items"):
        CollaborativeVectors(recipe=Wordless(name="wordless", paper=PAPER)).fit(shop(), Run())
