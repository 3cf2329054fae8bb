"""What docs/data.md says of files that are read and refused is what the tests try."""

from data.door.case import Case
from data.door.cases import CASES
from data.door.doors import DOORS
from data.door.kinds import KINDS
from data.door.matrix import BEGIN, END, PAGE, matrix, written


def test_the_page_is_up_to_date():
    page = PAGE.read_text(encoding="utf-8")
    assert BEGIN in page
    assert END in page
    assert page == written(page), "run `make docs`"


def test_every_claim_and_every_form_is_in_the_matrix():
    text = matrix()
    claims = [row.says for row in (*CASES, *KINDS) if row.says]
    assert [claim for claim in claims if claim.replace("|", "\\|") not in text] == []
    assert [door.name for door in DOORS if door.name not in text] == []


def test_names_of_cases_are_their_own():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert all(isinstance(case, Case) for case in CASES)
