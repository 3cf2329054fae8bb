"""Joined vectors are those of their encoders side by side."""

import numpy as np
import pytest

from encoders.shelf import shop
from segue.core.errors import SettingsError
from segue.core.run import Run
from segue.core.tokenizing import ItemEncoder
from segue.encoders.collaborative_vectors import CollaborativeVectors
from segue.encoders.joined_vectors import JoinedVectors
from segue.encoders.text_vectors import TextVectors

TEXT, TAKEN = TextVectors(width=4), CollaborativeVectors(width=2)


def test_scaled_side_by_side_by_hand() -> None:
    split = shop()
    joined = JoinedVectors(encoders=(TEXT, TAKEN), scales=(2.0, 0.5)).fit(split, Run()).encode(split.catalog)
    text, taken = (part.fit(split, Run()).encode(split.catalog) for part in (TEXT, TAKEN))
    assert joined.shape == (8, 6)
    assert joined.dtype == np.float32
    assert (joined == np.hstack([2 * text, taken / 2])).all()


def test_restored_it_gives_the_same() -> None:
    split = shop()
    part = ItemEncoder.parse({"kind": "joined_vectors", "encoders": [TAKEN.dump(), TEXT.dump(), TAKEN.dump()]})
    fitted = part.fit(split, Run())
    assert (part.restore(fitted.weights()).encode(split.catalog) == fitted.encode(split.catalog)).all()


def test_scales_must_be_as_many_as_encoders() -> None:
    with pytest.raises(SettingsError, match="one for each of the 2 encoders, not 1"):
        JoinedVectors(encoders=(TEXT, TAKEN), scales=(1.0,)).fit(shop(), Run())


def test_joining_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="encoders"):
        JoinedVectors.parse({"encoders": []})
