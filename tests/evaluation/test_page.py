"""The page of a report: whole, self-contained, and safe with any title."""

from html.parser import HTMLParser

import numpy as np

from segue.evaluation.comparison import compare
from segue.evaluation.page import page, write_page
from segue.evaluation.protocol import Protocol
from segue.evaluation.reliability import Reliability
from segue.evaluation.report import DatasetNote, Measured, Report, Sample, SampleRequest, Shown, Value, means

VOID = {"meta"}


class Reader(HTMLParser):
    """Checks that tags close and collects the text."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], [], []

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        assert "src" not in dict(attributes)
        assert "href" not in dict(attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(text):
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader, " ".join(" ".join(reader.text).split())


def report(recipe="sasrec", **changes):
    fields = {
        "recipe": recipe,
        "dataset": DatasetNote(name="toy", digest="abcdef", users=300, items=50, events=9000),
        "protocol": Protocol(length=50),
        "users": 300,
        "metrics": {
            "NDCG@10": Value(mean=0.1857, error=0.002),
            "NDCG@20": Value(mean=0.21, error=0.002),
            "HR@10": Value(mean=0.315, error=0.004),
            "Recall@10": Value(mean=0.315, error=0.004),
        },
    }
    return Report(**(fields | changes))


def test_a_bare_report_is_a_whole_page():
    reader, text = read(page(report()))
    assert "script" not in reader.seen
    assert "sasrec on toy" in text
    assert "0.1857" in text
    assert Protocol(length=50).words() in text
    assert "Training" not in text
    assert "Beside others" not in text
    assert text.count("Recall@10") == 0  # equal to HR@10: shown once above, and in the table by its row
    assert "http" not in page(report())


def test_everything_that_is_given_is_shown():
    full = report(
        beyond={"coverage@10": 0.42, "gini@10": 0.9},
        slices={"tail": {"users": 120, "NDCG@10": 0.05}, "cold": {"users": 0}},
        recommended_deciles=[0.7, *[0.3 / 9] * 9],
        chosen_deciles=[0.5, *[0.5 / 9] * 9],
        seconds=125.0,
        cpu_seconds=240.0,
        peak_memory_mb=1530.0,
        hardware={"processor": "two cores"},
        versions={"segue": "0.1", "torch": "2.13"},
        command="segue fit sasrec --data toy",
        curves={"training loss": [(0, 7.0), (100, 5.0)], "empty": []},
        samples=[Sample(user="u1", history=["Old"], recommended=["Tea", "Coffee"], taken=["Coffee"])],
    )
    reader, text = read(page(full))
    for words in ("42.0%", "2.1 min", "1.5 GB", "two cores", "torch 2.13", "segue fit sasrec --data toy", "Coffee ✓"):
        assert words in text, words
    assert "share of the catalogue" in text
    assert reader.seen.count("svg") == 2
    assert "tail 120 0.0500" in text
    assert "cold 0 –" in text


def test_titles_cannot_break_the_page():
    wild = Sample(user="<u>", history=["</main>"], recommended=["<script>alert(1)</script>"], taken=[])
    reader, text = read(page(report(recipe="<b>bold</b>", command="a && b <c>", samples=[wild])))
    assert "script" not in reader.seen
    assert "<script>alert(1)</script>" in text
    assert "<b>bold</b> on toy" in text


def test_the_baselines_stand_beside_with_their_marks(tmp_path):
    rng = np.random.default_rng(0)
    runs = []
    for recipe, rate in (("popularity", 0.1), ("sasrec", 0.4)):
        values = {"NDCG@10": (rng.random(300) < rate).astype(float)}
        runs.append(Measured(report(recipe, metrics=means(values)), np.arange(300), values))
    write_page(tmp_path / "report.html", runs[1].report, compare(runs))
    reader, text = read((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "Beside others" in text
    assert "***" in text
    assert "difference to popularity" in text
    assert reader.seen.count("svg") == 1


def ranking_report(**changes):
    metrics = {
        name: Value(mean=mean, error=0.01)
        for name, mean in {"AUC click": 0.71, "GAUC click": 0.65, "LogLoss click": 0.5, "NDCG@5 click": 0.6}.items()
    }
    fields = {
        "metrics": metrics | {"AUC like": Value(mean=0.81)},
        "reliability": {
            "click": Reliability(predicted=[0.1, 0.5], observed=[0.2, 0.4], counts=[500, 500]),
            "like": Reliability(predicted=[0.1], observed=[0.1], counts=[1000]),
        },
        "slices": {
            "all": {"users": 300, "requests": 400, "impressions": 1000, "rate click": 0.3, "AUC click": 0.71},
            "history of no events": {"users": 2, "requests": 2, "impressions": 9, "rate click": 1.0},
            "item learnt from no impressions": {"users": 0, "requests": 0, "impressions": 0},
        },
    }
    return report("dfgr", **(fields | changes))


def test_a_ranker_has_its_measures_calibration_and_slices():
    reader, text = read(page(ranking_report()))
    assert "1,000 impressions of 300 users" in text
    assert "LogLoss ↓ 0.5000 ± 0.0100 –" in text  # of likes there is none
    assert "NDCG@5 0.6000" in text
    assert reader.seen.count("svg") == 2
    assert "all 300 400 1,000 0.7100 30.0%" in text
    assert "history of no events 2 2 9 – 100.0%" in text
    assert "item learnt from no impressions" not in text
    assert "Accuracy" not in text


def test_a_request_is_shown_with_what_came():
    shown = [
        Shown(title="<Tea>", probability=0.8, happened=True),
        Shown(title="Rum", probability=0.1, happened=False),
        Shown(title="Ale", probability=0.05, happened=None),
    ]
    sample = SampleRequest(user="u<1>", history=["Milk (click)"], task="click", shown=shown)
    text = read(page(ranking_report(requests=[sample])))[1]
    assert "u<1>" in text
    assert "<Tea> 80.0% ✓ Rum 10.0% Ale 5.0%" in text
    assert "Milk (click)" in text


def test_numbers_of_the_objective_are_drawn_small_and_by_group():
    curves = {
        "training loss": [(0, 7.0), (100, 5.0)],
        "flow/log Z": [(0, 1.0), (100, 2.0)],
        "flow/residual": [(0, 4.0), (100, 3.0)],
        "reward/mean": [(0, 1.0)],
        "sampler/window": [],
    }
    text = page(report(curves=curves))
    reader, words = read(text)
    assert reader.seen.count("svg") == 4
    assert "training loss" in words
    assert words.index(" flow ") < words.index("log Z") < words.index("residual") < words.index(" reward ")
    assert text.count('class="grid2 small"') == 2
    assert "sampler" not in words
    assert 'class="grid2 small"' not in page(report(curves={"training loss": [(0, 7.0)]}))
