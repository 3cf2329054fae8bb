"""Names that are words, and different ones."""

import numpy as np

from segue.simulation.words import categories, own_word, titles


def test_every_number_has_a_word_of_its_own():
    words = [own_word(number) for number in [*range(9_000), *range(700_000, 700_500)]]
    assert len(set(words)) == len(words)
    assert all(word.isalpha() and word[0].isupper() for word in words)


def test_a_small_world_has_one_category_of_each_department_first():
    names = categories(30)
    assert [department for department, _, _ in names[:6]] == [
        "Outdoors",
        "Home",
        "Electronics",
        "Books",
        "Food",
        "Play",
    ]
    assert len({name for _, name, _ in names}) == 30
    assert names[24][1] == "Hiking 2"


def test_a_title_is_its_own_word_and_two_of_its_category():
    names = categories(4)
    for title, kind in zip(titles(np.array([0, 3, 3]), names, np.random.default_rng(0)), [0, 3, 3], strict=True):
        own, one, two = title.split()
        assert one != two
        assert {one, two} <= set(names[kind][2])
        assert own not in names[kind][2]
