"""What the report of a ranker says, on requests whose answer is known; and the whole way in the simulated world."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segue.core.errors import SettingsError
from segue.core.impressions import UNKNOWN
from segue.core.run import Run
from segue.data.preparation import Preparation
from segue.evaluation.report import Measured, read_report
from segue.recipes import item_rate
from segue.testing.requests import parity_requests
from segue.workflows.compare import compare_runs
from segue.workflows.evaluate import evaluate_run
from segue.workflows.experiment import Experiment, Questions, new
from segue.workflows.fit import fit, write_up
from segue.workflows.measure import Cost
from segue.workflows.measure_ranking import asked_requests, measure_ranking

SPLIT = parity_requests()
ASKED = Experiment(recipe=item_rate.RECIPE)
WORLD = {"data.users": 80, "data.items": 40, "data.categories": 4, "data.clicks": 10.0}


def knowing(asked):
    """The truth about clicks, nine times in ten, and nothing about likes."""
    chances = np.full(asked.labels.shape, 0.5)
    right = np.random.default_rng(0).random(len(asked.items)) < 0.9
    chances[:, 0] = np.where((asked.labels[:, 0] == 1) == right, 0.9, 0.1)
    return chances


def measured(judge=knowing, **changes) -> Measured:
    return measure_ranking("knowing", judge, ASKED.model_copy(update=changes), SPLIT)


def test_the_report_says_how_and_on_what():
    report = measured().report
    assert report.users == 60
    assert report.metrics["AUC like"].mean == 0.5
    assert report.metrics["AUC click"].mean > 0.8
    assert report.protocol.candidates == "items shown in the request"
    assert report.protocol.positives == "click, like"
    assert report.protocol.target_time
    assert report.protocol.seen
    assert "last request of each user" in report.protocol.words()
    assert set(report.reliability) == {"click", "like"}
    assert sum(report.reliability["click"].counts) == len(SPLIT.asked.items)
    assert report.reliability["like"].predicted == [0.5]


def test_slices_hold_every_impression_once():
    slices = measured().report.slices
    assert slices["all"]["impressions"] == 180
    assert slices["all"]["requests"] == 60
    assert slices["all"]["rate click"] == pytest.approx(SPLIT.asked.labels[:, 0].mean())
    for what in ("history of", "item learnt from"):
        assert sum(part["impressions"] for name, part in slices.items() if name.startswith(what)) == 180
    assert slices["history of 6 to 20 events"]["impressions"] == 180  # five requests of three before
    assert slices["history of no events"] == {"users": 0, "requests": 0, "impressions": 0}
    assert slices["history of 6 to 20 events"]["AUC like"] == 0.5


def test_sample_requests_are_sorted_and_say_what_came():
    report = measured().report
    assert len(report.requests) == 5
    for sample in report.requests:
        chances = [one.probability for one in sample.shown]
        assert chances == sorted(chances, reverse=True)
        assert {one.happened for one in sample.shown} == {True, False}
        assert len(sample.history) == 5
        assert all(line.startswith("i") and line.endswith(")") for line in sample.history)


def test_what_nobody_knows_is_in_no_measure():
    asked = SPLIT.asked
    labels = asked.labels.copy()
    labels[::2, 0] = UNKNOWN
    split = replace(SPLIT, asked=replace(asked, labels=labels))
    report = measure_ranking("knowing", knowing, ASKED, split).report
    assert sum(report.reliability["click"].counts) == 90
    assert None in {one.happened for sample in report.requests for one in sample.shown}


def test_without_both_outcomes_there_is_nothing_to_measure():
    split = replace(SPLIT, asked=replace(SPLIT.asked, labels=np.zeros_like(SPLIT.asked.labels)))
    with pytest.raises(SettingsError, match="click, like both happened"):
        measure_ranking("knowing", knowing, ASKED, split)


def test_fewer_users_and_shorter_histories_can_be_asked():
    asked = asked_requests(ASKED.model_copy(update={"evaluation": Questions(users=7, length=4)}), SPLIT)
    assert len(np.unique(asked.histories.users)) == 7
    assert asked.histories.lengths.max() == 4
    again = asked_requests(ASKED.model_copy(update={"evaluation": Questions(users=7), "seed": 5}), SPLIT)
    assert np.array_equal(asked.items, again.items)


def test_drawn_items_are_another_protocol():
    split = replace(SPLIT, asked=replace(SPLIT.asked, events=np.full(len(SPLIT.asked.items), -1)))
    report = measure_ranking("knowing", knowing, ASKED, split).report
    assert report.protocol.candidates == "items taken and items drawn"


def test_a_run_of_requests_has_its_page_and_stands_beside_another(tmp_path: Path) -> None:
    for name, strength in (("one", 1.0), ("other", 1e6)):
        recipe = item_rate.RECIPE.changed({"strength": strength})
        ranker = recipe.fit(SPLIT, Run())
        experiment = Experiment(recipe=recipe, data=Preparation(path="parity"))
        report, table = write_up(experiment, ranker, SPLIT, tmp_path / name, Run(), Cost(seconds=2.0), ("popularity",))
        assert [row.name for row in table.rows] == ["item_rate"]
        assert read_report(tmp_path / name) == report
        assert "Calibration" in (tmp_path / name / "report.html").read_text(encoding="utf-8")
    comparison = compare_runs([tmp_path / "one", tmp_path / "other"])
    assert comparison.metrics == ("AUC click", "GAUC click", "LogLoss click", "AUC like")
    assert [row.name for row in comparison.rows] == ["item_rate", "item_rate (strength=1000000.0)"]
    assert comparison.rows[1].spreads["AUC click"].mean == pytest.approx(0.5, abs=0.1)
    assert "Of LogLoss less is better." in comparison.markdown()


def test_nobody_beats_the_oracle_of_the_world(tmp_path: Path) -> None:
    report = fit(new("item_rate", None, WORLD, 0), tmp_path / "run")
    lines = (tmp_path / "run" / "comparison.md").read_text(encoding="utf-8").splitlines()
    head, _, ours, oracle = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines[:4])
    assert head == ["system", "AUC click", "GAUC click", "LogLoss click", "AUC like", "AUC purchase"]
    assert (ours[0], oracle[0]) == ("item_rate", "oracle")
    better = [float(best.split()[0]) - float(mine.split()[0]) for best, mine in zip(oracle[1:], ours[1:], strict=True)]
    assert [difference > 0 for difference in better] == [True, True, False, True, True]
    before = read_report(tmp_path / "run")
    again, _ = evaluate_run(tmp_path / "run", baselines=())
    assert again.metrics == before.metrics == report.metrics


def test_who_answers_with_lists_is_told_to_split_otherwise(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="requests_by_time asks about single items"):
        fit(new("popularity", None, {**WORLD, "split": "requests_by_time"}, 0), tmp_path / "run")
    assert not (tmp_path / "run").exists()
