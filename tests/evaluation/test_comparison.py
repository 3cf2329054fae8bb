"""One table, one protocol, one set of users; stars only after correction."""

import numpy as np
import pytest

from segue.core.errors import ProtocolError
from segue.evaluation.comparison import compare, number
from segue.evaluation.protocol import Protocol
from segue.evaluation.report import DatasetNote, Measured, Report, means
from segue.evaluation.significance import Spread, holm

USERS = np.arange(400)


def run(recipe, hits, *, seed=0, protocol=None, digest="d", users=USERS, name="HR@10", settings=None):
    values = {name: hits.astype(float), "NDCG@10": hits * 0.5}
    report = Report(
        recipe=recipe,
        dataset=DatasetNote(name="toy", digest=digest, users=400, items=9, events=4000),
        protocol=protocol or Protocol(),
        users=len(users),
        metrics=means(values),
        seed=seed,
        settings=settings or {},
    )
    return Measured(report, users, values)


def hits(rate, seed=0):
    return np.random.default_rng(seed).random(400) < rate


BASE, SAME, BETTER = hits(0.2, 0), hits(0.2, 1), hits(0.4, 2)


def test_the_better_one_gets_stars_and_the_equal_one_none():
    table = compare([run("popularity", BASE), run("twin", SAME), run("sasrec", BETTER)])
    assert [row.name for row in table.rows] == ["popularity", "twin", "sasrec"]
    first, twin, better = table.rows
    assert (first.differences, first.mark("HR@10")) == ({}, "")
    assert twin.mark("HR@10") == ""
    assert better.mark("HR@10") == "***"
    assert better.differences["HR@10"].mean == pytest.approx(BETTER.mean() - BASE.mean())
    assert better.differences["HR@10"].low > 0
    raw = [row.differences["HR@10"].p for row in table.rows[1:]]
    assert [row.corrected["HR@10"] for row in table.rows[1:]] == holm(raw)


def test_seeds_of_one_recipe_are_one_row():
    runs = [run("a", BASE, seed=0), run("b", BETTER, seed=0), run("a", SAME, seed=1)]
    table = compare(runs, metrics=["HR@10"])
    assert [(row.name, row.seeds) for row in table.rows] == [("a", (0, 1)), ("b", (0,))]
    spread = table.reference.spreads["HR@10"]
    assert spread.mean == pytest.approx((BASE.mean() + SAME.mean()) / 2)
    assert spread.deviation == pytest.approx(np.std([BASE.mean(), SAME.mean()], ddof=1))
    assert table.rows[1].differences["HR@10"].mean == pytest.approx(BETTER.mean() - spread.mean)


def test_other_settings_of_one_recipe_are_no_seeds_of_it():
    learnt = {"width": 8, "tokenizer": {"kind": "rq_vae", "size": 256, "levels": 3}, "seen": False}
    random = {"width": 8, "tokenizer": {"kind": "random_codes", "size": 16}, "seen": False}
    many = {"width": 9, "tokenizer": {"kind": "rq_vae", "size": 1, "levels": 1}, "seen": True}
    runs = [run("a", BASE, settings=learnt), run("a", BETTER, settings=random), run("a", SAME, seed=1, settings=learnt)]
    table = compare([*runs, run("a", SAME, settings=many)], metrics=["HR@10"])
    assert [(row.name, row.seeds) for row in table.rows] == [
        ("a", (0, 1)),
        ("a (tokenizer=random_codes)", (0,)),
        ("a (width=9, tokenizer.size=1, tokenizer.levels=1, …)", (0,)),
    ]


def test_two_protocols_are_refused_unless_asked_for():
    runs = [run("a", BASE), run("b", BETTER, protocol=Protocol(seen=True))]
    with pytest.raises(ProtocolError, match="They differ in seen: False and True"):
        compare(runs)
    table = compare(runs, mixed=True)
    assert len(table.protocols) == 2
    text = table.markdown()
    assert "| protocol |" in text
    assert text.count(Protocol(seen=True).fingerprint) == 2
    assert table.rows[1].differences  # the same users: a fair question


def test_other_data_are_refused():
    with pytest.raises(ProtocolError, match=r"different data: toy \(d\) and toy \(other\)"):
        compare([run("a", BASE), run("b", BETTER, digest="other")])


def test_other_users_are_refused_or_in_a_mixed_table_not_tested():
    runs = [run("a", BASE), run("b", BETTER, users=USERS[::-1])]
    with pytest.raises(ValueError, match="different users"):
        compare(runs)
    assert compare(runs, mixed=True).rows[1].differences == {}


def test_metrics_must_be_shared():
    runs = [run("a", BASE), run("b", BETTER, name="HR@20")]
    assert compare(runs).metrics == ("NDCG@10",)
    with pytest.raises(ValueError, match=r"not all runs have the metric 'HR@10'; they share: NDCG@10"):
        compare(runs, metrics=["HR@10"])
    with pytest.raises(ValueError, match="nothing to compare"):
        compare([])


def test_the_table_as_text():
    lines = compare([run("a", BASE), run("b", BETTER)], metrics=["HR@10"]).markdown().splitlines()
    assert lines[0] == "| system | HR@10 |"
    assert lines[2].startswith(f"| a | {BASE.mean():.4f} ± ")
    assert lines[3].endswith("*** |")
    assert lines[-1] == f"{Protocol().fingerprint}: {Protocol().words()}"


def test_one_run_alone_is_a_table():
    table = compare([run("a", BASE)])
    assert len(table.rows) == 1
    assert number(Spread.of(np.array([0.5]))) == "0.5000"
