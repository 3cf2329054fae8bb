"""Two catalogs are the same, or it is said how they differ."""

from __future__ import annotations

from segue.service.same_catalog import difference


def test_the_same_items_in_another_order_are_the_same() -> None:
    assert difference(["a", "b", "c"], ["c", "a", "b"]) is None


def test_what_came_while_serving_may_be_in_a_later_run_or_not() -> None:
    assert difference(["a", "b"], ["a", "b", "new"], added={"new", "newer"}) is None
    assert difference(["a", "b"], ["a", "b"], added={"new"}) is None
    assert difference(["a", "b"], ["a", "b", "other"], added={"new"}) == (
        "2 items against 3, 1 are new (first: 'other')"
    )


def test_numbers_and_the_first_ids_are_named() -> None:
    assert difference(["a", "b", "c"], ["b", "c", "d", "e"]) == (
        "3 items against 4, 1 are missing (first: 'a'), 2 are new (first: 'd', 'e')"
    )
    assert difference(["i1", "i2"], ["m1"]) == "2 items against 1, none in common (first: 'i1' against 'm1')"
