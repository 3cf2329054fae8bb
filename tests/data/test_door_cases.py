"""Single files at the door, each with the right outcome written by hand."""

import re

import pytest

from data.door.case import Case
from data.door.cases import CASES
from data.door.segue_reader import Refusal, histories_of, prepared_or_refusal

PARAMETERS = [pytest.param(case, id=case.name, marks=[pytest.mark.slow] if case.slow else []) for case in CASES]


@pytest.mark.parametrize("case", PARAMETERS)
def test_comes_in_right_or_not_at_all(tmp_path, case: Case):
    for name, content in case.files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    path = tmp_path / next(iter(case.files))
    found = prepared_or_refusal(path, tmp_path / "out", case.settings)
    if isinstance(found, Refusal):
        assert case.right is None or case.or_refused, found
        assert "\n" not in found.text
        assert [words for words in case.said if not re.search(words, found.text)] == [], found
        assert not (tmp_path / "out").exists()
        return
    assert case.right is not None, histories_of(found)
    assert histories_of(found) == case.right
    assert found.origin["dropped"] == ({"incomplete": case.incomplete} if case.incomplete else {})
    notes = found.origin["notes"]
    assert [words for words in case.notes if not any(re.search(words, note) for note in notes)] == [], notes
    assert {name: found.log.columns[name].tolist() for name in case.columns} == case.columns
    assert not set(case.absent) & set(found.log.columns)
    assert case.check is None or case.check(found), found.catalog.table
