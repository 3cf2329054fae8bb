"""The fingerprint of a protocol, and the refusal to mix two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.core.errors import ProtocolError
from segue.evaluation.protocol import Protocol, difference, same_protocol


def test_the_fingerprint_is_the_same_for_ever():
    assert Protocol().fingerprint == "d905e156"
    assert Protocol(seen=True, length=50, core=5).fingerprint == "b87a1a7b"


@pytest.mark.parametrize(
    "change",
    [
        {"split": "by time at 2014-01-01"},
        {"ties": "item id"},
        {"seen": True},
        {"target_time": True},
        {"length": 50},
        {"candidates": "100 negatives"},
        {"duplicates": "first kept"},
        {"level": "code"},
        {"core": 5},
        {"user_core": 5},
        {"item_core": 5},
        {"users": 1000},
        {"positives": "rating >= 4"},
    ],
)
def test_every_setting_moves_the_fingerprint_and_shows_in_words(change):
    changed = Protocol().changed(change)
    assert changed.fingerprint != Protocol().fingerprint
    assert changed.words() != Protocol().words()
    (name,) = change
    assert difference(Protocol(), changed) == {name: (getattr(Protocol(), name), change[name])}


def test_every_setting_is_tried_above():
    tried = {"split", "ties", "seen", "target_time", "length", "candidates", "duplicates", "level", "positives"}
    assert tried | {"core", "user_core", "item_core", "users"} == set(Protocol.model_fields)


@given(st.booleans(), st.one_of(st.none(), st.integers(1, 500)), st.text(max_size=20))
def test_a_fingerprint_survives_the_file(seen, length, split):
    protocol = Protocol(seen=seen, length=length, split=split)
    assert Protocol.parse(protocol.dump()).fingerprint == protocol.fingerprint
    assert len(protocol.fingerprint) == 8


def test_one_table_one_protocol():
    assert same_protocol([Protocol(seen=True), Protocol(seen=True)]) == Protocol(seen=True)
    with pytest.raises(ProtocolError, match="They differ in seen: False and True; length: None and 50") as caught:
        same_protocol([Protocol(), Protocol(seen=True, length=50)])
    assert Protocol().fingerprint in str(caught.value)
    with pytest.raises(ProtocolError, match="no protocol was given"):
        same_protocol([])


def test_words_by_hand():
    assert Protocol(length=50, core=5).words() == (
        "leave-one-out, ties in source order, seen items left out, target time unknown, last 50 events, "
        "all items ranked, duplicates kept, 5-core, positives: every event"
    )
