"""The page of codes and the section of a report: whole, drawn well, safe with any title."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np

from evaluation.coded import Given, two_camps
from evaluation.test_charts import inside
from evaluation.test_page import read, report
from segue.core.tables import Histories
from segue.evaluation.beam_gap import Answer, BeamGap
from segue.evaluation.code_health import CodeHealth, examine
from segue.evaluation.code_page import code_page, write_code_page
from segue.evaluation.page import page
from segue.evaluation.report import Report

WILD = "<script>alert(1)</script> & co"


def sick():
    vectors = two_camps(20)
    codes = np.column_stack([np.zeros(40, int), np.arange(40) // 2])
    notes = {"collision_rate_before": [0.97, 0.5], "losses": [3.0] * 30, WILD: WILD}
    tokenizer = Given(codes, (8, 20), [f"{WILD} thing {row}" for row in range(40)], vectors, vectors / 2, notes)
    health = examine(tokenizer, Histories.from_lists([list(range(40))]), np.random.default_rng(0))
    return health.model_copy(update={"origin": {"kind": "given", "seconds": 3.0, "settings": {"size": 8}}})


def test_a_page_of_codes_is_whole_and_shows_what_there_is(tmp_path):
    write_code_page(tmp_path / "report.html", sick(), "<b>toy</b>")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    reader, words = read(text)
    assert "script" not in reader.seen
    assert "http" not in text
    assert "given of <b>toy</b>" in words
    for said in ("has collapsed", "Level 2", "Collisions by depth", "Taken next", "Nearest by vector", "by chance"):
        assert said in words, said
    assert WILD in words
    assert reader.seen.count("svg") == 6  # two levels, collisions, balance, neighbours, successors


def test_each_drawing_is_well_formed_and_stays_in_its_frame():
    drawings = re.findall(r"<svg.*?</svg>", code_page(sick(), "toy"), flags=re.DOTALL)
    assert len(drawings) == 6
    for drawing in drawings:
        assert inside(drawing).get("aria-label")
    corners = ElementTree.fromstring(drawings[1]).find("polygon").get("points").split()
    assert len(corners) == 2 + 2 * 20
    heights = {corner.split(",")[1] for corner in corners[1:-1]}
    assert len(heights) == 1  # every code of the second level has two items


def test_bare_codes_have_a_page_too():
    health = examine(Given([[0], [1], [2]], (3,)), None, np.random.default_rng(0))
    reader, words = read(code_page(health, "toy"))
    assert reader.seen.count("svg") == 3
    assert "Nearest by vector" not in words
    assert "What the first codes mean" not in words


def test_a_report_of_a_token_system_has_the_section_and_survives_its_file():
    full = report(codes=sick())
    _, words = read(page(full))
    assert "The codes" in words
    assert "The codes" not in read(page(report()))[1]
    assert Report.model_validate_json(full.model_dump_json()).codes == full.codes


def test_a_report_from_before_there_were_codes_is_still_read():
    old = report().model_dump(mode="json")
    del old["codes"]
    assert Report.model_validate(old).codes is None
    assert isinstance(report(codes=sick()).codes, CodeHealth)


LOST = BeamGap(
    users=200,
    k=10,
    beam=Answer(metrics={"HR@10": 0.25, "NDCG@10": 0.125}, mass=0.06, seconds=0.5),
    exact=Answer(metrics={"HR@10": 0.30, "NDCG@10": 0.15}, mass=0.08, seconds=9.0),
    overlap=0.75,
    other_first=0.055,
    inside=0.875,
)


def test_what_the_search_lost_is_a_card_and_survives_its_file():
    full = report(codes=sick(), beam=LOST)
    _, words = read(page(full))
    for said in ("What the search lost", "200 test users", "names 75.0%", "for 5.5%", "have 87.5%", "0.1500", "9 s"):
        assert said in words, said
    assert Report.model_validate_json(full.model_dump_json()).beam == LOST
    assert "What the search lost" not in read(page(report(codes=sick())))[1]


def test_a_report_from_before_the_search_was_measured_is_still_read():
    old = report(codes=sick()).model_dump(mode="json")
    del old["beam"]
    assert Report.model_validate(old).beam is None
