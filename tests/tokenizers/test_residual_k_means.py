"""Residual k-means: what is left falls with each level, and the balanced form is balanced."""

import logging

import numpy as np
import pytest

from encoded import ColumnVectors, catalog_of, split_of
from segue.core.errors import DataError, SettingsError
from segue.core.run import Run
from segue.core.tokenizing import ItemTokenizer
from segue.testing.tokenizers import check_tokenizer
from segue.tokenizers.collisions import ExtraCode, NearestFreeCode, PopularityOrder
from segue.tokenizers.residual_k_means import ResidualCodebooks, ResidualKMeans


def cloud(items: int = 300, width: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((items, width)).astype(np.float32)


def tokenizer(**settings: object) -> ResidualKMeans:
    return ResidualKMeans(**{"encoder": ColumnVectors(), "levels": 3, "size": 16, **settings})  # type: ignore[arg-type]


def planted() -> np.ndarray:
    """4 far groups, in each the same 3 near ones: (-100 or 100, -100 or 100) + (-1, 0 or 1, 0)."""
    far = np.array([[x, y] for x in (-100, 100) for y in (-100, 100)])
    near = np.array([[x, 0] for x in (-1, 0, 1)])
    return (far[:, None] + near[None]).reshape(-1, 2).repeat(5, axis=0).astype(np.float32)


@pytest.mark.learns
def test_planted_levels_are_found_and_nothing_is_left(learning_seed: int) -> None:
    vectors = planted()
    run = Run(seed=learning_seed)
    fitted = tokenizer(levels=2, size=(4, 3), collisions=PopularityOrder()).fit(split_of(vectors), run)
    assert fitted.codes.sizes == (4, 3)
    assert len(np.unique(fitted.codes.codes, axis=0)) == 12
    np.testing.assert_allclose(fitted.reconstructed(), vectors, atol=1e-4)
    notes = fitted.notes()
    assert notes["utilisation"] == [1.0, 1.0]
    # after the first level -1, 0, 1 are left, 20 of each; before, 100 * 100 * 2 more of each of 60
    assert notes["inertia"] == pytest.approx([40, 0], abs=1e-2)
    assert notes["unexplained"] == pytest.approx([40 / (60 * 20_000 + 40), 0], abs=1e-6)
    assert notes["collisions"]["collision_rate_before"] == pytest.approx([1 - 4 / 60, 1 - 12 / 60])


@pytest.mark.learns
@pytest.mark.parametrize("balanced", [False, True])
def test_what_is_left_falls_with_each_level(balanced: bool, learning_seed: int) -> None:
    vectors = cloud()
    fitted = tokenizer(levels=4, balanced=balanced, sample=None).fit(split_of(vectors), Run(seed=learning_seed))
    books, codes = fitted.codebooks.books, fitted.codes.codes
    left = [
        float(np.square(vectors - ResidualCodebooks(books[:depth]).spoken(codes[:, :depth])).sum())
        for depth in range(1, 5)
    ]
    assert left[0] > left[1] > left[2] > left[3]
    assert left == pytest.approx(fitted.notes()["inertia"], rel=1e-4)
    np.testing.assert_array_equal(fitted.vectors(), vectors)
    assert float(np.square(fitted.vectors() - fitted.reconstructed()).sum()) == pytest.approx(left[-1])


@pytest.mark.parametrize("items", [256, 300])
def test_balanced_codes_have_equally_many_items_at_every_level(items: int) -> None:
    fitted = tokenizer(balanced=True).fit(split_of(cloud(items)), Run(seed=0))
    for level in range(3):
        counts = np.bincount(fitted.codes.codes[:, level], minlength=16)
        assert counts.max() - counts.min() == (0 if items == 256 else 1)


def test_codes_are_the_nearest_ones_and_new_items_get_the_nearest() -> None:
    vectors = cloud()
    fitted = tokenizer(collisions=PopularityOrder()).fit(split_of(vectors), Run(seed=0))
    rest = vectors.copy()
    for level, book in enumerate(book.numpy() for book in fitted.codebooks.books):
        nearest = np.square(rest[:, None] - book).sum(2).argmin(1)
        np.testing.assert_array_equal(fitted.codes.codes[:, level], nearest)
        rest -= book[nearest]
    further = fitted.encode(catalog_of(vectors[:5] + 1e-4, prefix="new"))
    np.testing.assert_array_equal(further, fitted.codes.codes[:5])


@pytest.mark.parametrize("balanced", [False, True])
def test_known_items_keep_their_codes_beside_new_ones(balanced: bool) -> None:
    vectors = cloud()
    fitted = tokenizer(balanced=balanced, collisions=NearestFreeCode()).fit(split_of(vectors), Run(seed=0))
    before = fitted.codes.codes.copy()
    both = catalog_of(np.concatenate([vectors, vectors[:9]]))  # i300 to i308 have the vectors of others
    codes = fitted.encode(both)
    np.testing.assert_array_equal(codes[:300], before)
    np.testing.assert_array_equal(fitted.codes.codes, before)
    assert len(np.unique(codes, axis=0)) == 309
    np.testing.assert_array_equal(fitted.decode(codes[:300]), np.arange(300))


@pytest.mark.parametrize("collisions", [ExtraCode(), PopularityOrder(), NearestFreeCode()])
@pytest.mark.parametrize("settings", [{}, {"balanced": True}, {"size": (5, 40), "levels": 2, "start": "sample"}])
def test_it_does_what_every_tokenizer_must(settings: dict[str, object], collisions: object) -> None:
    check_tokenizer(tokenizer(**settings, collisions=collisions), split_of(cloud(150)))


def test_notes_and_new_items_are_the_same_after_restoring() -> None:
    split, part = split_of(cloud()), tokenizer()
    fitted = part.fit(split, Run(seed=0))
    restored = part.restore(split.catalog, fitted.weights())
    assert restored.notes() == fitted.notes()
    further = catalog_of(cloud(20, seed=1), prefix="new")
    np.testing.assert_array_equal(restored.encode(further), fitted.encode(further))


def test_another_seed_gives_other_codes() -> None:
    first, other = (tokenizer().fit(split_of(cloud()), Run(seed=seed)).codes.codes for seed in (3, 4))
    assert (first != other).any()


@pytest.mark.learns
def test_learning_from_a_sample_still_gives_everybody_codes(learning_seed: int) -> None:
    fitted = tokenizer(sample=4, size=(4, 3), levels=2).fit(split_of(planted()), Run(seed=learning_seed))
    assert len(fitted.codes) == 60
    assert fitted.notes()["inertia"][0] < 60 * 100


def test_every_level_and_step_is_told() -> None:
    class Counting:
        steps, told = 0, 0

        def begin(self, what: str, steps: int) -> None:
            self.steps += steps

        def advance(self, steps: int, note: str = "") -> None:
            assert note.startswith("inertia")
            self.told += steps

        def end(self) -> None: ...

        def log(self, step: int, values: object) -> None: ...

    counting = Counting()
    tokenizer().fit(split_of(cloud()), Run(seed=0, watches=(counting,)))
    assert counting.steps == counting.told == 3 * 25


def test_vectors_that_are_not_numbers_are_refused_with_the_items_id() -> None:
    vectors = cloud()
    vectors[7, 2] = np.nan
    vectors[9, 0] = np.inf
    with pytest.raises(DataError, match=r"2 of 300 items are not finite numbers \(first: item 'i7'\)"):
        tokenizer().fit(split_of(vectors), Run(seed=0))


def test_fewer_items_than_codes_are_refused_with_what_to_set() -> None:
    with pytest.raises(SettingsError, match=r"301 codes cannot be learnt from 300 items; set size to"):
        tokenizer(size=(16, 301, 16)).fit(split_of(cloud()), Run(seed=0))


def test_its_kind_is_the_name_of_its_file() -> None:
    assert ItemTokenizer.kinds()["residual_k_means"] is ResidualKMeans


def test_sizes_must_be_as_many_as_levels() -> None:
    with pytest.raises(SettingsError, match="size names 2 codebooks and there are 3 levels"):
        ResidualKMeans.parse({"encoder": "column_vectors", "levels": 3, "size": [4, 4]})


@pytest.mark.learns
def test_a_collapsed_codebook_is_warned_of(learning_seed: int, caplog: pytest.LogCaptureFixture) -> None:
    few = cloud(5).repeat(60, axis=0)
    with caplog.at_level(logging.WARNING):
        fitted = tokenizer(levels=2).fit(split_of(few), Run(seed=learning_seed))
    assert "level 1 of residual_k_means has collapsed: items use 5 of its 16 codes" in caplog.text
    assert fitted.notes()["utilisation"][0] == 5 / 16
    caplog.clear()
    tokenizer().fit(split_of(cloud()), Run(seed=learning_seed))
    assert caplog.text == ""
