"""Product codes: each piece by itself, and a rotation that makes the pieces lose less."""

import numpy as np
import pytest
import torch

from encoded import ColumnVectors, split_of
from segue.core.errors import SettingsError
from segue.core.run import Run
from segue.testing.tokenizers import check_tokenizer
from segue.tokenizers.collisions import ExtraCode, NearestFreeCode, PopularityOrder
from segue.tokenizers.product_codes import ProductCodebooks, ProductCodes


def tokenizer(**settings: object) -> ProductCodes:
    return ProductCodes(**{"encoder": ColumnVectors(), "levels": 4, "size": 8, **settings})  # type: ignore[arg-type]


def turned(items: int = 400, width: int = 8, seed: int = 0) -> np.ndarray:
    """Two strong directions and weak others, turned at random."""
    rng = np.random.default_rng(seed)
    scales = np.array([10.0, 8.0, *([0.3] * (width - 2))])
    rotation, _ = np.linalg.qr(rng.standard_normal((width, width)))
    return (rng.standard_normal((items, width)) * scales @ rotation).astype(np.float32)


def loss(part: ProductCodes, vectors: np.ndarray, seed: int) -> float:
    fitted = part.fit(split_of(vectors), Run(seed=seed))
    return float(np.square(fitted.vectors() - fitted.reconstructed()).sum())


@pytest.mark.learns
def test_planted_pieces_are_found_and_nothing_is_left(learning_seed: int) -> None:
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 10) for z in (5, 6, 7)], dtype=np.float32)
    vectors = np.column_stack([corners, corners[:, 2]]).repeat(3, axis=0)
    # Pieces (x), (y), (z, z): their codebooks are all the values there are.
    part = tokenizer(levels=3, size=(2, 2, 3), collisions=PopularityOrder())
    fitted = part.fit(split_of(vectors), Run(seed=learning_seed))
    assert [book.shape[1] for book in fitted.codebooks.books] == [1, 1, 2]
    np.testing.assert_array_equal(np.sort(fitted.codebooks.books[1][:, 0]), [0, 10])
    np.testing.assert_allclose(fitted.reconstructed(), vectors, atol=1e-5)
    assert len(np.unique(fitted.codes.codes, axis=0)) == 12
    assert fitted.notes()["unexplained"] == pytest.approx([0, 0, 0], abs=1e-6)


def test_codes_are_the_nearest_of_each_piece() -> None:
    vectors = turned()
    fitted = tokenizer(collisions=PopularityOrder()).fit(split_of(vectors), Run(seed=0))
    for level, book in enumerate(fitted.codebooks.books):
        piece = vectors[:, 2 * level : 2 * level + 2]
        nearest = np.square(piece[:, None] - book.numpy()).sum(2).argmin(1)
        np.testing.assert_array_equal(fitted.codes.codes[:, level], nearest)


@pytest.mark.learns
@pytest.mark.parametrize("seed", range(4))
def test_rotated_codes_lose_no_more_than_plain_ones_on_turned_data(seed: int, learning_seed: int) -> None:
    vectors = turned(seed=seed)
    parts = (tokenizer(rotated=rotated, sample=None) for rotated in (False, True))
    plain, rotated = (loss(part, vectors, learning_seed) for part in parts)
    assert rotated < 0.8 * plain


@pytest.mark.learns
def test_turning_in_turn_loses_less_than_the_first_rotation(learning_seed: int) -> None:
    vectors = np.random.default_rng(0).gumbel(size=(400, 8)).astype(np.float32) ** 3
    parts = (tokenizer(rotated=True, rounds=rounds, sample=None) for rounds in (1, 20))
    once, often = (loss(part, vectors, learning_seed) for part in parts)
    assert often < once


def test_the_rotation_keeps_lengths() -> None:
    fitted = tokenizer(rotated=True).fit(split_of(turned()), Run(seed=0))
    rotation = fitted.codebooks.rotation
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(8), atol=1e-5, rtol=0)


@pytest.mark.parametrize("rotated", [False, True])
def test_costs_are_squared_distances_of_the_first_pieces(rotated: bool) -> None:
    vectors = turned()
    books: ProductCodebooks = tokenizer(rotated=rotated).fit(split_of(vectors), Run(seed=0)).codebooks
    codes = books.nearest(torch.from_numpy(vectors))
    rows = np.array([3, 200, 3])
    for depth in range(4):
        costs = books.costs(vectors)(rows, codes[rows, :depth])
        assert costs.shape == (3, 8)
        np.testing.assert_array_equal(costs.argmin(1), codes[rows, depth])
    whole = np.square(vectors - books.spoken(codes)).sum(1)
    np.testing.assert_allclose(costs.min(1), whole[rows], rtol=1e-3)


@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize("collisions", [ExtraCode(), NearestFreeCode()])
def test_it_does_what_every_tokenizer_must(rotated: bool, collisions: object) -> None:
    fitted = check_tokenizer(tokenizer(rotated=rotated, rounds=4, collisions=collisions), split_of(turned(150)))
    restored = fitted.part.restore(fitted.catalog, fitted.weights())
    assert restored.notes() == fitted.notes()


@pytest.mark.learns
def test_a_rotation_learned_from_a_sample_helps_everybody(learning_seed: int) -> None:
    vectors = turned(items=2000)
    parts = (tokenizer(rotated=rotated, sample=30) for rotated in (False, True))
    plain, rotated = (loss(part, vectors, learning_seed) for part in parts)
    assert rotated < 0.8 * plain


def test_more_levels_than_numbers_are_refused() -> None:
    with pytest.raises(SettingsError, match="vectors of 8 numbers cannot be cut into 9 pieces; set levels to 8"):
        tokenizer(levels=9).fit(split_of(turned()), Run(seed=0))
