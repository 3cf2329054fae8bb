"""Every kind of value and fault by every door, with the right outcome written by hand."""

import re

import pytest

from data.door.doors import Door
from data.door.kinds import PAIRS, Kind
from data.door.segue_reader import Refusal, histories_of, prepared_or_refusal

EACH = [pytest.param(door, kind, id=f"{door.name}-{kind.name}") for door, kind in PAIRS]


@pytest.mark.parametrize(("door", "kind"), EACH)
def test_by_every_door_alike(tmp_path, door: Door, kind: Kind):
    path = door.write(tmp_path, kind.rows(door), kind.change(door) if kind.change else None)
    found = prepared_or_refusal(path, tmp_path / "out", door.settings)
    if isinstance(found, Refusal):
        assert kind.right is None or kind.or_refused(door), found
        assert "\n" not in found.text
        assert path.name in found.text
        assert [words for words in kind.said(door) if not re.search(words, found.text)] == [], found
        assert not (tmp_path / "out").exists()
        return
    assert kind.right is not None, histories_of(found)
    right = {user.replace("{separator}", door.separator): events for user, events in kind.right.items()}
    assert histories_of(found) == right
    assert found.origin["dropped"] == ({"incomplete": len(kind.lacking)} if kind.lacking else {})
    if kind.lacking:
        first = rf"\(first: data row {kind.lacking[0] + 1:,}\b"
        assert any(re.search(first, note) for note in found.origin["notes"]), found.origin["notes"]
