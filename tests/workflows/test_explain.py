"""Why an item was recommended: effects worked out by hand, paths that multiply to the score, and nothing made up."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from cli.shell import write_log
from decoding.token_models import random_codes, random_model
from recipes.test_popularity import with_training
from segue.core.errors import DataError, SettingsError
from segue.core.ranking import Rules
from segue.core.recipe import FittedModel, Recommender
from segue.core.run import Run
from segue.core.tables import Histories
from segue.decoding._path import path_chances
from segue.decoding._walk import tree_of
from segue.decoding.beam_search import BeamSearch
from segue.decoding.nearest_items import NearestItems
from segue.decoding.title_search import TitleSearch
from segue.procedures.untrained import Untrained
from segue.recipes import bigrec, item_knn, tiger
from segue.testing.worlds import ring
from segue.workflows.experiment import new
from segue.workflows.explain import explain, explain_run, window
from segue.workflows.fit import fit
from segue.workflows.recommend import recommend
from text_world import kinds
from tiny_systems import NAMES, fitted, past

HISTORY = (3, 9, 4, 1, 7, 2, 8, 3, 11, 5, 0, 6, 10)
KNN = {"shrinkage": 0.0}
TRAINING = [[0, 1], [0, 1, 2], [0, 0, 3]]
"""Cosines: 0 and 1 2/sqrt(6), 0 and 2 1/sqrt(3), 0 and 3 1/sqrt(3), 1 and 2 1/sqrt(2)."""


def knn(**settings: object) -> Recommender:
    return item_knn.RECIPE.changed({"shrinkage": 0.0, **settings}).fit(with_training(TRAINING), Run())


def effects(recommender: Recommender, history: list[int], item: int) -> dict[int, float]:
    why = explain(recommender, Histories.from_lists([history]), item)
    return {event.position: event.effect for event in why.events}


@pytest.mark.learns
def test_on_the_ring_the_newest_event_moves_the_next_item_and_the_oldest_does_not(learning_seed: int) -> None:
    """Without either, what is left is a walk that ends where the item is next, or one step before.

    An event left out from the middle leaves what nobody walked, and what is said of that is luck.
    """
    settings = {"batches.history": 5, "procedure.loop.epochs": 20, "procedure.loop.optimizer.rate": 0.01}
    walker = tiger.VARIANTS["small"].changed(settings).fit(ring(), Run(seed=learning_seed))
    why = explain(walker, Histories.from_lists([[3, 4, 5, 6, 7]]), 8)
    assert why.place == 1
    effect = {event.position: event.effect for event in why.events}
    assert effect[4] > 2
    assert effect[4] > 5 * abs(effect[0])
    assert [event.effect for event in why.events] == sorted((e.effect for e in why.events), key=abs, reverse=True)


def test_effects_of_item_knn_are_the_similarities() -> None:
    assert effects(knn(), [0, 3, 1], 2) == pytest.approx({0: 1 / math.sqrt(3), 1: 0.0, 2: 1 / math.sqrt(2)})


def test_where_age_counts_an_event_left_out_makes_the_older_ones_younger() -> None:
    """0 at age 2 and 1 at age 0: without the last event, 0 has age 1 and counts twice as much."""
    zero, one = 1 / math.sqrt(3), 1 / math.sqrt(2)
    wanted = {0: zero / 4, 1: zero / 4 - zero / 2, 2: one + zero / 4 - zero / 2}
    assert effects(knn(fading=0.5), [0, 3, 1], 2) == pytest.approx(wanted)


def test_who_does_not_look_at_the_history_is_not_moved_by_it() -> None:
    why = explain(fitted("popularity"), Histories.from_lists([[1, 2, 3]]), 5)
    assert [event.effect for event in why.events] == [0.0, 0.0, 0.0]
    assert "None of these events changes it" in why.note


def test_an_item_taken_twice_moves_ease_by_neither() -> None:
    """EASE counts what is in a history, not how often; so the effects add up to nothing and the note warns of that."""
    found = effects(fitted("ease"), [4, 9, 4], 5)
    assert (found[0], found[2]) == (0.0, 0.0)
    assert found[1] != 0.0


@pytest.mark.parametrize("name", NAMES)
def test_the_explained_score_and_place_are_those_of_the_recommendation(name: str) -> None:
    recommender = fitted(name)
    history = past(*(item % len(recommender.catalog) for item in HISTORY))
    listed = recommender.recommend(history, 3, Rules(seen=False))
    for place, (item, score) in enumerate(zip(listed.items[0], listed.scores[0], strict=True), start=1):
        if item >= 0:
            why = explain(recommender, history, int(item))
            assert why.score == pytest.approx(float(score), rel=1e-5, abs=1e-6)
            assert why.place == place


@pytest.mark.parametrize("name", NAMES)
def test_an_effect_is_what_the_shorter_history_says(name: str) -> None:
    """Cut to what the system looks at, then one event less: no older event moves in, and times stay with theirs."""
    recommender = fitted(name)
    whole = past(*(item % len(recommender.catalog) for item in HISTORY))
    seen = window(recommender, whole)
    why = explain(recommender, whole, 1)
    assert len(why.events) == seen
    only = Rules(seen=True, allow=np.array([1]))
    assert why.score == pytest.approx(recommender.recommend(whole.latest(seen), 1, only).scores[0, 0], rel=1e-5)
    first = len(HISTORY) - seen
    for event in why.events:
        kept = np.delete(np.arange(first, len(HISTORY)), event.position)
        shorter = Histories(
            items=whole.items[kept],
            starts=np.array([0]),
            ends=np.array([len(kept)]),
            users=whole.users,
            timestamps=None if whole.timestamps is None else whole.timestamps[kept],
            asked_at=whole.asked_at,
        )
        without = float(recommender.recommend(shorter, 1, only).scores[0, 0])
        assert why.score - event.effect == pytest.approx(without, rel=1e-4, abs=1e-5)
        assert event.item_id == recommender.catalog.ids[int(whole.items[first + event.position])]


def test_what_the_system_does_not_look_at_is_not_left_out() -> None:
    wanted = {"sasrec_small": 10, "bert4rec_small": 9, "tiger_small": 6, "din_small": 5, "item_knn": 13}
    for name, length in wanted.items():
        recommender = fitted(name)
        assert window(recommender, past(*(item % len(recommender.catalog) for item in HISTORY))) == length


def test_a_ranker_is_explained_by_the_events_of_its_own_pass() -> None:
    """With history 3 and slack 2 a request after 13 events begins at (13 - 3) // 3 * 3 = 9, and sees 4."""
    recommender = fitted("dfgr_small", **{"batches.history": 3, "batches.slack": 2})
    history = past(*(item % 12 for item in HISTORY))
    why = explain(recommender, history, 1)
    assert len(why.events) == 4
    only = Rules(seen=True, allow=np.array([1]))
    assert why.score == pytest.approx(recommender.recommend(history, 1, only).scores[0, 0], rel=1e-5)


def test_only_the_newest_events_are_tried() -> None:
    why = explain(knn(), Histories.from_lists([[0, 3, 1, 0, 1]]), 2, most=2)
    assert sorted(event.position for event in why.events) == [3, 4]
    assert "Only the newest 2 of 5 events" in why.note


@pytest.mark.parametrize("name", ["tiger_small", "tiger_t5_small"])
def test_the_path_multiplies_to_the_score(name: str) -> None:
    recommender = fitted(name)
    why = explain(recommender, past(*HISTORY), 12)
    assert isinstance(recommender, FittedModel)
    assert why.path is not None
    assert why.share is not None
    product = why.share * math.prod(step.probability for step in why.path)
    assert product == pytest.approx(math.exp(why.score), rel=1e-4)
    codes = recommender.tokenizer.codes.codes
    assert [step.code for step in why.path] == codes[12].tolist()
    sharing = [int((codes[:, :level] == codes[12, :level]).all(1).sum()) for level in range(1, codes.shape[1] + 1)]
    assert [step.items for step in why.path] == sharing


def test_the_words_of_the_path_are_those_of_the_titles() -> None:
    recommender = tiger.VARIANTS["small"].changed({"procedure.loop.epochs": 1}).fit(kinds(users=20), Run(seed=1))
    why = explain(recommender, Histories.from_lists([[1, 2, 3]]), 4)
    assert why.path is not None
    assert why.item.title == "Amber Jungle"
    assert {word.capitalize() for word in why.path[-1].words} <= {"Amber", "Jungle"}
    assert why.path[-1].items == 1
    assert why.path[-1].words


def test_codes_of_a_renormalised_beam_compete_with_those_that_exist() -> None:
    """Asked for one item alone such a beam would say that it is certain; the explanation says what the list said."""
    recommender = fitted("tiger_small", **{"decoder.renormalized": True})
    history = past(*HISTORY)
    listed = recommender.recommend(history, 1, Rules())
    best = int(listed.items[0, 0])
    alone = recommender.recommend(history, 1, Rules(seen=True, allow=np.array([best]))).scores[0, 0]
    why = explain(recommender, history, best)
    assert why.score == pytest.approx(float(listed.scores[0, 0]), rel=1e-5)
    assert why.score < alone - 0.1


def test_a_path_follows_the_tree_that_the_rules_leave() -> None:
    codes = random_codes(12, 2, 3, seed=3, weighted=True)
    model = random_model(codes)
    past_ = Histories.from_lists([[1, 2], [], [5]])
    rules = Rules(deny=np.array([0, 4]))
    chances = path_chances(model, past_, 7, rules, renormalized=True)
    assert np.isnan(chances[1]).all()
    children = tree_of(model, rules).children[0].diff()
    assert chances.shape == (3, 3)
    assert (chances[[0, 2], :2] <= 0).all()
    assert len(children) == 1
    every = [path_chances(model, past_, item, Rules(), renormalized=True)[0].sum() for item in range(12)]
    assert np.exp(every).sum() == pytest.approx(1.0, rel=1e-5), "over all items they are a distribution"


def test_a_lone_event_is_not_left_out_where_nobody_knows_what_remains() -> None:
    why = explain(fitted("sasrec_small"), past(4), 5)
    assert why.events == []
    assert "not left out" in why.note
    assert [event.position for event in explain(fitted("item_knn"), past(4), 5).events] == [0]


def test_without_a_history_there_is_popularity() -> None:
    recommender = fitted("tiger_small")
    assert isinstance(recommender, FittedModel)
    why = explain(recommender, past(), 5)
    assert (why.score, why.events, why.path) == (float(recommender.counts[5]), [], None)


def test_what_is_in_the_history_has_no_place_and_the_note_says_why() -> None:
    why = explain(fitted("sasrec_small"), past(1, 2, 3), 2)
    assert why.place is None
    assert "in the history" in why.note
    assert explain(fitted("sasrec_small"), past(1, 2, 3), 2, rules=Rules(seen=True)).place is not None


def test_an_explanation_is_for_one_history() -> None:
    with pytest.raises(DataError, match="one history; 2 came"):
        explain(fitted("popularity"), Histories.from_lists([[1], [2]]), 0)


def test_a_run_explains_what_it_recommends(tmp_path: Path) -> None:
    log = write_log(tmp_path / "walks.csv", users=20)
    fit(new("item_knn", str(log), {}, 0), tmp_path / "run", baselines=())
    best = recommend(tmp_path / "run", user="u1", k=1)["items"][0]
    why = explain_run(tmp_path / "run", best["item_id"], user="u1")
    assert (why.item.item_id, why.score, why.place) == (best["item_id"], pytest.approx(best["score"]), 1)
    assert explain_run(tmp_path / "run", "i3", history=["i1", "i2"]).events
    with pytest.raises(SettingsError, match="either --user or --history"):
        explain_run(tmp_path / "run", "i3")
    with pytest.raises(DataError, match="'i999'"):
        explain_run(tmp_path / "run", "i999", user="u1")


@pytest.mark.slow
@pytest.mark.parametrize(
    "decoder",
    [
        NearestItems(beams=2, length=24),
        TitleSearch(),
        TitleSearch(per_token=True),
        TitleSearch(search=BeamSearch(beams=30, prefixes=256, renormalized=True)),
        TitleSearch(search=BeamSearch(beams=30, prefixes=256, renormalized=True), per_token=True),
    ],
    ids=["nearest", "title", "title_per_token", "title_renormalized", "title_renormalized_per_token"],
)
def test_texts_are_explained_by_the_score_that_they_are_recommended_by(decoder: object) -> None:
    settings = {"backbone.tiny.steps": 20, "procedure": Untrained(), "decoder": decoder}
    recommender = bigrec.VARIANTS["small"].changed(settings).fit(kinds(users=24), Run(seed=1))
    history = Histories.from_lists([[1, 2, 9]])
    listed = recommender.recommend(history, 4, Rules())
    why = explain(recommender, history, int(listed.items[0, 3]))
    assert why.score == pytest.approx(float(listed.scores[0, 3]), rel=1e-4, abs=1e-5)
    assert (why.place, why.path, len(why.events)) == (4, None, 3)
