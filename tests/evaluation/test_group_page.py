"""A published table beside ours, as text and as a page, with what is missing said."""

import pytest

from evaluation.test_page import read
from segue.evaluation.group_page import (
    Cell,
    GroupReport,
    Pair,
    Point,
    Sweep,
    System,
    Table,
    markdown,
    page,
    write_group,
)
from segue.evaluation.protocol import Protocol
from segue.evaluation.report import DatasetNote

SFT = Cell(mean=0.04, error=0.001, deviation=0.0004, published=0.0344)
TB = Cell(
    mean=0.05, error=0.001, deviation=0.0002, published=0.0433, gain=0.25, published_gain=0.2587,
    difference=(0.01, 0.005, 0.015), p=0.0004,
)  # fmt: skip


def system(name: str, cell: Cell, *, missing: tuple[int, ...] = ()) -> System:
    seeds = [seed for seed in (0, 1, 2) if seed not in missing]
    return System(
        name=name, row="beauty", seeds=seeds, missing=list(missing), cells={"HR@5": cell}, source="the paper, table 2",
        evidence="read",
    )  # fmt: skip


def group(*systems: System, points: tuple[Point, ...] = ()) -> GroupReport:
    table = Table(
        data="amazon-beauty",
        dataset=DatasetNote(name="amazon-beauty", digest="abcdef", users=22_363, items=12_101, events=198_502),
        protocol=Protocol(seen=True),
        users=22_363,
        systems=list(systems),
    )
    sweeps = [Sweep(quantity="trajectories", data="amazon-beauty", metric="NDCG@10", points=list(points))]
    return GroupReport(group="gflowgr", tables=[table], sweeps=sweeps if points else [])


@pytest.mark.parametrize(
    ("cell", "ours", "theirs"),
    [
        (SFT, "0.0400 ± 0.0004", "0.0344"),
        (TB, "0.0500 ± 0.0002*** (+25.0 %)", "0.0433 (+25.9 %)"),
        (Cell(mean=0.05, error=0.001, gain=-0.1, p=0.2), "0.0500 ± 0.0010 (\N{MINUS SIGN}10.0 %)", ""),
        (Cell(published=0.1), "missing", "0.1000"),
    ],
    ids=["first", "better", "one seed, unpublished", "not there"],
)
def test_a_cell_by_hand(cell: Cell, ours: str, theirs: str) -> None:
    assert cell.ours() + cell.gained() == ours
    assert cell.theirs() == theirs


def test_the_text_has_ours_and_theirs_and_what_is_missing() -> None:
    said = markdown(group(system("letter", SFT), system("gflowgr", TB, missing=(2,))))
    assert "| system | HR@5 | published |" in said
    assert "| gflowgr | 0.0500 ± 0.0002*** (+25.0 %) | 0.0433 (+25.9 %) |" in said
    assert "- amazon-beauty: gflowgr --row beauty: seed 2" in said
    assert "- letter, gflowgr: the paper, table 2 [read]" in said, "a source is written once"
    assert Protocol(seen=True).words() in said


def test_the_page_is_whole_and_draws_what_there_is(tmp_path) -> None:
    point = Point(at=3, system="gflowgr", row="b", default=True, seeds=[0], missing=[], validation=[0.05], test=[0.04])
    other = point.model_copy(update={"at": 5.0, "default": False, "validation": [], "test": [], "missing": [0]})
    report = group(system("letter", SFT), system("<gflowgr>", TB), points=(point, other))
    write_group(tmp_path / "gflowgr", report)
    assert {path.name for path in (tmp_path / "gflowgr").iterdir()} == {"report.json", "report.md", "report.html"}
    reader, words = read((tmp_path / "gflowgr" / "report.html").read_text("utf-8"))
    assert "<gflowgr> 3 seeds 0.0500 ± 0.0002*** (+25.0 %) published 0.0433 (+25.9 %)" in words
    assert reader.seen.count("svg") == 2
    assert "trajectories 5 (gflowgr --row b): seed 0" in words
    back = GroupReport.model_validate_json((tmp_path / "gflowgr" / "report.json").read_text("utf-8"))
    assert back == report


def test_pairs_stand_under_their_table() -> None:
    pair = Pair(
        system="soft", row="beauty", beside="bigrec--beauty", metric="HR@5", seeds=[0, 1], gain=-0.1,
        difference=(-0.004, -0.006, -0.002), p=0.0004,
    )  # fmt: skip
    report = group(system("letter", SFT), system("gflowgr", TB))
    table = report.tables[0].model_copy(update={"pairs": [pair, pair.model_copy(update={"gain": None, "p": 0.034})]})
    report = report.model_copy(update={"tables": [table]})
    said = markdown(report)
    interval = "-0.0040 [-0.0060, -0.0020]".replace("-", "\N{MINUS SIGN}")
    assert "| system | against | seeds | gain | HR@5 | p |\n| --- | --- | ---: | ---: | ---: | ---: |" in said
    assert f"| soft --row beauty | bigrec --row beauty | 2 | \N{MINUS SIGN}10.0 % | {interval} | < 0.001 |" in said
    assert f"| – | {interval} | 0.034 |" in said
    _, words = read(page(report))
    assert f"soft beauty bigrec beauty 2 \N{MINUS SIGN}10.0 % {interval} < 0.001" in words


def test_a_table_of_nothing_is_a_page_too() -> None:
    nothing = Table(data="x", dataset=None, protocol=None, users=0, systems=[system("a", Cell(), missing=(0, 1, 2))])
    _, words = read(page(GroupReport(group="g", tables=[nothing], sweeps=[])))
    assert "x · not measured yet" in words
    assert "seeds 0, 1, 2" in words
