"""Systems of known character, asked about a world of known truth."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from segue.core.errors import DataError
from segue.core.ranking import NOTHING, Ranking
from segue.core.run import Run
from segue.core.tables import Catalog, Dataset
from segue.data.split import LeaveOneOut
from segue.evaluation.beyond_accuracy import popularity_lift
from segue.simulation.world import TINY
from segue.studies.exposure_bias import ExposureBias, Findings, Subject, requests_of, shown_before
from segue.workflows import systems
from workflows.small_tokens import RECIPE

STUDY = ExposureBias(k=10, liked=0.2)


@cache
def world():
    simulation = TINY.simulate()
    return simulation, LeaveOneOut().cut(simulation.dataset(), 0)


def examined(subject: Subject, study: ExposureBias = STUDY) -> Findings:
    return study(subject, *world(), Run())


def ranked_by(scores: np.ndarray, k: int = 10) -> Subject:
    """Whoever ranks the items of each test user by these scores."""
    items = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    values = np.take_along_axis(scores, items, axis=1)
    return Subject(lambda histories, k, rules: Ranking(np.where(np.isfinite(values), items, NOTHING), values))


def test_the_ideal_is_right_in_everything() -> None:
    simulation, split = world()
    means = examined(Subject.ideal(simulation, split.dataset)).means
    assert means["hidden recall@10"] == means["value@10"] == pytest.approx(1)
    assert means["rank correlation"] == means["slope"] == pytest.approx(1)
    assert means["calibration error"] == pytest.approx(0, abs=1e-9)


def test_the_oracle_of_the_log_is_as_biased_as_the_log() -> None:
    simulation, split = world()
    oracle, ideal = (examined(who(simulation, split.dataset)).means for who in (Subject.oracle, Subject.ideal))
    assert oracle["slope"] > 1.2, "the shop shows most what is liked most"
    assert oracle["NDCG@10"] > ideal["NDCG@10"]
    assert oracle["popularity lift@10"] > ideal["popularity lift@10"]
    assert oracle["value@10"] < 1


def test_a_user_was_shown_what_earlier_requests_showed() -> None:
    simulation, split = world()
    requests = requests_of(split.dataset, split.test.histories)
    mask = shown_before(simulation, requests)
    shown = simulation.impressions
    for row, request in enumerate(requests.tolist()):
        user = int(simulation.state.users[request])
        before = shown.filter((pl.col("user") == user) & (pl.col("request") < request))["item"].to_numpy()
        assert set(np.flatnonzero(mask[row])) == set(before)
    assert (mask != simulation.ever_shown(simulation.state.users[requests])).any(), "the future is not known"


def test_ranking_what_was_never_shown_by_preference_finds_all_hidden_favourites() -> None:
    simulation, split = world()
    requests = requests_of(split.dataset, split.test.histories)
    scores = simulation.preference(requests)
    scores[shown_before(simulation, requests) | simulation.clicked(requests)] = -np.inf
    found = examined(ranked_by(scores)).per_user["hidden recall@10"]
    known = np.isfinite(found)
    assert 0.2 < known.mean() < 1, "some users have hidden favourites and some have none"
    assert (found[known] == 1).all()
    worst = examined(ranked_by(-np.where(np.isfinite(scores), scores, np.inf))).per_user["hidden recall@10"]
    np.testing.assert_array_equal(np.isfinite(worst), known, "who has any does not depend on the system")
    assert worst[known].mean() < 0.5


def test_recall_is_of_at_most_k_and_value_of_the_best_list() -> None:
    simulation, split = world()
    requests = requests_of(split.dataset, split.test.histories)
    preference = simulation.preference(requests)
    one_list = np.argsort(-preference, axis=1)[:, [3, 0]]
    findings = examined(
        Subject(lambda histories, k, rules: Ranking(one_list, np.zeros(one_list.shape))), ExposureBias(k=2, liked=0.2)
    )
    shown = shown_before(simulation, requests)
    for user in range(len(split.test)):
        past = split.test.histories.take(np.array([user])).packed()[0]
        likes = np.argsort(-preference[user])[:8]  # a fifth of forty
        hidden = [item for item in likes if item not in past and not shown[user, item]]
        hits = sum(item in hidden for item in one_list[user])
        expected = hits / min(len(hidden), 2) if hidden else np.nan
        assert findings.per_user["hidden recall@2"][user] == pytest.approx(expected, nan_ok=True)
        best = np.sort(np.delete(preference[user], past))[-2:].sum()
        worth = preference[user, one_list[user]].sum()
        assert findings.per_user["value@2"][user] == pytest.approx(worth / best)


def test_popular_items_have_a_lift_above_one_and_it_is_that_of_the_reports() -> None:
    _, split = world()
    popular = systems.find("popularity").fit(split, Run())
    findings = examined(Subject.of(popular))
    ranking = popular.recommend(split.test.histories, 10)
    assert findings.means["popularity lift@10"] > 1
    assert findings.means["popularity lift@10"] == pytest.approx(
        popularity_lift(ranking, split.test.histories, split.item_counts())
    )


def test_an_empty_place_is_worth_nothing() -> None:
    _, split = world()
    scores = np.full((len(split.test), 40), -np.inf)
    scores[1:, 0] = 1.0
    findings = examined(ranked_by(scores))
    assert findings.per_user["value@10"][0] == 0
    assert np.isnan(findings.per_user["popularity lift@10"][0])
    assert findings.per_user["value@10"][1] > 0


def test_items_may_stand_in_another_order_than_in_the_world() -> None:
    simulation, split = world()
    dataset = split.dataset
    log = replace(dataset.log, items=39 - dataset.log.items)
    turned = Dataset("turned", log, Catalog(dataset.catalog.table.reverse()), "turned")
    other = LeaveOneOut().cut(turned, 0)
    for who in (Subject.oracle, Subject.ideal):
        one = examined(who(simulation, dataset)).means
        assert STUDY(who(simulation, turned), simulation, other, Run()).means == pytest.approx(one)


def test_a_system_of_codes_is_asked_for_probabilities_user_by_user() -> None:
    _, split = world()
    subject = Subject.of(RECIPE.fit(split, Run()))
    assert subject.chances is not None
    histories = split.test.histories
    together = subject.chances(histories)
    assert together.shape == (len(histories), 40)
    np.testing.assert_allclose(together[7], subject.chances(histories.take(np.array([7])))[0], rtol=1e-4)
    assert {"rank correlation", "slope", "calibration error"} <= set(examined(subject).means)
    none = histories.take(np.array([0, 1]))
    stranger = subject.chances(replace(none, ends=np.array([none.starts[0], none.ends[1]])))
    assert (stranger[0] == stranger[0, 0]).all()
    np.testing.assert_allclose(stranger[1], together[1], rtol=1e-4)


def test_a_system_without_probabilities_has_no_calibration(tmp_path: Path) -> None:
    _, split = world()
    findings = examined(Subject.of(systems.find("popularity").fit(split, Run())))
    assert "slope" not in findings.means
    assert findings.points == []
    findings.save(tmp_path, "found")
    kept = json.loads((tmp_path / "found.json").read_text())
    assert kept["means"] == findings.means
    with np.load(tmp_path / "found.npz") as arrays:
        np.testing.assert_array_equal(arrays["hidden recall@10"], findings.per_user["hidden recall@10"])
        assert len(arrays["users"]) == len(split.test)


def test_another_log_is_refused() -> None:
    simulation, split = world()
    blind = replace(split.dataset, log=replace(split.dataset.log, columns={}))
    with pytest.raises(DataError, match="needs the column 'request'"):
        STUDY(Subject.ideal(simulation, split.dataset), simulation, replace(split, dataset=blind), Run())
