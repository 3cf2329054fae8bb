import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.core.ranking import NOTHING, Ranking
from segue.core.tables import Catalog
from segue.evaluation import categories as module
from segue.evaluation.accuracy import HitRate
from segue.evaluation.categories import ItemCategories
from segue.evaluation.category_hits import category_hits
from segue.evaluation.metric import Targets

# A shop: the root says nothing, 'soap' and 'pens' do; the last item is in no department.
SHOP = [["shop", "care", "soap"], ["shop", "care", "cream"], ["shop", "office", "pens"], ["shop", "office"], ["shop"]]


def of_lists(lists: list[list[str]]) -> ItemCategories:
    table = {"item_id": [str(item) for item in range(len(lists))], "categories": lists}
    found = ItemCategories.of(Catalog(pl.DataFrame(table, schema_overrides={"categories": pl.List(pl.String)})))
    assert found is not None
    return found


def ranking(*rows: list[int]) -> Ranking:
    items = np.array(rows, dtype=np.int64)
    return Ranking(items, np.zeros(items.shape))


def targets(*rows: list[int]) -> Targets:
    return Targets(np.array([item for row in rows for item in row], dtype=np.int64), np.cumsum([0, *map(len, rows)]))


def test_value_by_hand():
    rows = ranking([1, 2, 3], [2, 3, 1], [4, 1, 3], [3, NOTHING, NOTHING], [0, 1, 2])
    found = category_hits(rows, targets([0], [0], [2], [0], [4]), of_lists(SHOP), ks=(2, 3))
    assert list(found) == ["CategoryHR@1", "CategoryHR@2", "CategoryHR@3"]
    # cream beside soap; soap at place 3; office at place 3; never; a target without a telling category
    assert found["CategoryHR@1"].tolist() == [1, 0, 0, 0, 0]
    assert found["CategoryHR@2"].tolist() == [1, 0, 0, 0, 0]
    assert found["CategoryHR@3"].tolist() == [1, 1, 1, 0, 0]


def test_any_of_several_targets_may_be_met():
    found = category_hits(ranking([3, 1]), targets([0, 2]), of_lists(SHOP), ks=(1,))
    assert found["CategoryHR@1"].tolist() == [1]


def test_a_category_of_more_than_half_of_the_items_does_not_count():
    lists = [["a"], ["a"], ["b"], ["b"]]
    telling = of_lists(lists).telling()
    assert (telling.values.tolist(), telling.bounds.tolist()) == ([0, 0, 1, 1], [0, 1, 2, 3, 4])
    more = of_lists([*lists, ["b"]]).telling()
    assert (more.values.tolist(), more.bounds.tolist()) == ([0, 0], [0, 1, 2, 2, 2, 2])
    assert more.names == ("a", "b")


@pytest.mark.parametrize("lists", [[["a"], ["a"], []], [[], [], []]])
def test_where_no_category_tells_anything_there_is_no_metric(lists):
    assert category_hits(ranking([0]), targets([1]), of_lists(lists), ks=(1,)) == {}


@given(
    lists=st.lists(st.lists(st.sampled_from("abcdef"), max_size=3), min_size=6, max_size=6),
    rows=st.lists(st.lists(st.integers(-1, 5), min_size=4, max_size=4), min_size=1, max_size=6),
    held=st.lists(st.lists(st.integers(0, 5), max_size=3), min_size=6, max_size=6),
    chunk=st.sampled_from([1, 10, 4_000_000]),
)
def test_it_equals_the_obvious_loop_in_any_chunks_and_is_never_below_the_hit_rate(lists, rows, held, chunk):
    held = held[: len(rows)]
    tells = {name for name in "abcdef" if 0 < sum(name in one for one in lists) <= 3}
    kinds = [set(one) & tells for one in lists]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        found = category_hits(ranking(*rows), targets(*held), of_lists(lists), ks=(2, 4))
    assert bool(found) == bool(tells)
    for k in (1, 2, 4) if found else ():
        slow = [
            any(kinds[item] & kinds[target] for item in row[:k] if item != NOTHING for target in one)
            for row, one in zip(rows, held, strict=True)
        ]
        assert found[f"CategoryHR@{k}"].tolist() == slow
        hit = HitRate(k=k)(ranking(*rows), targets(*[[item for item in one if kinds[item]] for one in held]))
        assert (found[f"CategoryHR@{k}"] >= hit).all()
