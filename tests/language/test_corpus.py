"""What a small language model reads: the catalogue, and nothing of the log that was held out."""

import itertools
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from segue.core.errors import DataError
from segue.core.run import Run
from segue.core.tables import Catalog, Histories, Split
from segue.language.corpus import Corpus, windows
from segue.testing import ring


def described(split: Split, **columns: list[object]) -> Split:
    table = split.catalog.table.with_columns(**{name: pl.Series(values) for name, values in columns.items()})
    return replace(split, dataset=replace(split.dataset, catalog=Catalog(table)))


def test_each_title_once_and_descriptions_cut() -> None:
    world = described(
        ring(items=4),
        title=["A", "B", "A", None],
        description=["long  story\nof a", "", None, "of one without a title"],
    )
    read = Corpus(descriptions=10, histories=0).texts(world, Run())
    assert read.to_list() == ["A", "B", "A: long story", "i3: of one wit"]
    lists = described(world, description=[["one", "two"], [], ["three"], None])
    assert Corpus(histories=0).texts(lists, Run()).to_list() == ["A", "B", "A: one two", "A: three"]
    assert Corpus(histories=0, descriptions=0).texts(world, Run()).to_list() == ["A", "B"]


def test_histories_are_read_as_lists_of_titles_in_order() -> None:
    world = ring(users=30, items=10)
    read = Corpus(histories=50, length=3).texts(world, Run())[10:]
    assert len(read) == 50
    for text in read:
        steps = [int(title.removeprefix("Item ")) for title in text.split("; ")]
        assert len(steps) in (2, 3)
        assert all((after - before) % 10 == 1 for before, after in itertools.pairwise(steps))


def test_of_a_title_only_its_beginning_is_read_where_so_many_letters_are_wanted() -> None:
    world = described(
        ring(users=6, items=4), title=["One Ring", "One Ring Box", "Two", "Two Towers"], description=["x", "", "", ""]
    )
    read = Corpus(letters=8, histories=5, length=2, sentences=1).texts(world, Run())
    assert read.to_list()[:4] == ["One Ring", "Two", "Two Towe", "One Ring: x"]
    assert {title for text in read.to_list()[4:9] for title in text.split("; ")} == {"One Ring", "Two", "Two Towe"}
    assert any(title in read.to_list()[9] for title in ("Ring Box", "Towers")), "prompts have a setting of their own"


def test_sentences_are_prompts_with_their_responses() -> None:
    world = ring(users=30, items=10)
    corpus = Corpus.parse({"histories": 0, "sentences": 7, "prompts": {"history": 2}})
    read = corpus.texts(world, Run())[10:]
    assert len(read) == 7
    for text in read:
        before, answer = text.split("### Response:\n")
        told = [int(word.split('"')[0]) for word in before.split("Item ")[1:]]
        assert answer == f'"Item {(told[-1] + 1) % 10}"'
        assert len(told) in (1, 2)


def test_nothing_that_was_held_out_is_read() -> None:
    # Held-out events are items that occur nowhere else: their titles may be known, never that anybody took them.
    world = ring(users=40, items=12)
    items = world.dataset.log.items.copy() % 10
    ends = world.dataset.log.offsets[1:]
    items[ends - 1], items[ends - 2] = 11, 10
    log = replace(world.dataset.log, items=items)
    moved = {name: replace(getattr(world, name), items=items) for name in ("train",)}
    cases = {
        name: replace(getattr(world, name), histories=replace(getattr(world, name).histories, items=items))
        for name in ("validation", "test")
    }
    hidden = replace(world, dataset=replace(world.dataset, log=log), **moved, **cases)
    total = int((hidden.train.lengths - 1).clip(0).sum())
    read = Corpus(histories=total, length=100, sentences=total).texts(hidden, Run())
    assert len(read) == 12 + 2 * total, "every training history is read, from everywhere"
    assert read[:12].str.contains("Item 1[01]").sum() == 2
    assert not read[12:].str.contains("Item 1[01]").any()


def test_windows_are_different_pieces_of_the_rows() -> None:
    histories = Histories.from_lists([[0, 1, 2], [3], [4, 5], [], [6, 7, 8, 9]])
    found = windows(histories, 100, 3, np.random.default_rng(0))
    items, bounds = found.packed()
    pieces = [items[begin:end].tolist() for begin, end in itertools.pairwise(bounds)]
    assert pieces == [[0, 1], [0, 1, 2], [4, 5], [6, 7], [6, 7, 8], [7, 8, 9]]
    some = windows(histories, 4, 2, np.random.default_rng(0))
    assert len(set(zip(some.starts, some.ends, strict=True))) == 4
    assert (some.lengths == 2).all()


def test_no_histories_at_all_are_no_lists() -> None:
    world = ring(users=5)
    empty = replace(world, train=replace(world.train, ends=world.train.starts))
    assert len(Corpus().texts(empty, Run())) == 20


def test_the_seed_decides_which_pieces_are_read() -> None:
    world = ring(users=64)
    corpus = Corpus(histories=10)
    assert corpus.texts(world, Run()).to_list() == corpus.texts(world, Run()).to_list()
    assert corpus.texts(world, Run()).to_list() != corpus.texts(world, Run(seed=1)).to_list()


def test_a_catalogue_without_titles_says_so() -> None:
    world = ring(items=3)
    bare = replace(world, dataset=replace(world.dataset, catalog=Catalog(world.catalog.table.select("item_id"))))
    with pytest.raises(DataError, match=r"this catalogue has none .*item_id.*column 'title'"):
        Corpus().texts(bare, Run())
    with pytest.raises(DataError, match="has none"):
        Corpus().texts(described(world, title=[None, "", " "]), Run())
