"""Grounding: an item for its own title, exact where titles nearly coincide, and never a forbidden one."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from decoding.test_beam_search import rules
from decoding.text_models import Scattered, Told
from segue.core.errors import SettingsError
from segue.core.ranking import NOTHING, Ranking, Rules
from segue.core.tables import Histories
from segue.decoding import _grounding, top_scores
from segue.decoding.injection import Injection
from segue.decoding.nearest_items import NearestItems

FILMS = {"Alien": [0.0, 0.0], "Brazil": [3.0, 4.0], "Cube": [0.0, 1.0], "Dune": [6.0, 8.0], "worse": [9.0, 9.0]}
EVERYTHING = Rules(seen=True)


def asking(*items: int) -> Histories:
    return Histories.from_lists([[item] for item in items])


def by_hand(model: Scattered, texts: Tensor, asked: Rules, histories: Histories, k: int) -> Ranking:
    """The differences of each text with each title, in double precision, and a stable sort."""
    places = model.places.double()[model.title_of]
    distances = (texts.double()[:, None] - places).norm(dim=2).numpy()
    items, scores = np.full((len(texts), k), NOTHING), np.full((len(texts), k), -np.inf)
    for row in range(len(texts)):
        allowed = np.flatnonzero(asked.allows(np.arange(len(places)), len(places)))
        if not asked.seen:
            allowed = np.setdiff1d(allowed, histories.items[histories.starts[row] : histories.ends[row]])
        best = allowed[np.argsort(distances[row, allowed], kind="stable")][:k]
        items[row, : len(best)], scores[row, : len(best)] = best, -distances[row, best]
    return Ranking(items, scores)


def test_values_by_hand() -> None:
    """Who has Alien is told Brazil: 0 to itself, 5 to Alien and to Dune, sqrt(18) to Cube."""
    model = Told(FILMS, ["Alien", "Brazil", "Cube", "Dune"], says=["Brazil"] * 4)
    ranking = NearestItems()(model, asking(0), 4, EVERYTHING)
    assert ranking.items.tolist() == [[1, 2, 0, 3]], "of the two at distance 5 the lower row is first"
    assert ranking.scores[0].tolist() == pytest.approx([0.0, -(18**0.5), -5.0, -5.0])
    assert ranking.scores[0, 0] == 0
    assert model.asked == [(1, 4, 64)]


def test_the_title_of_an_item_is_grounded_to_it() -> None:
    model = Told(FILMS, ["Alien", "Brazil", "Cube", "Dune"])
    ranking = NearestItems(beams=2, length=7)(model, asking(3, 0, 2, 1), 1, EVERYTHING)
    assert ranking.items[:, 0].tolist() == [3, 0, 2, 1]
    assert ranking.scores[:, 0].tolist() == [0.0] * 4
    assert model.asked == [(4, 2, 7)]


def test_items_with_one_title_follow_each_other() -> None:
    model = Told(FILMS, ["Cube", "Alien", "Cube", "Dune", "Cube"])
    ranking = NearestItems()(model, asking(2), 5, EVERYTHING)
    assert ranking.items.tolist() == [[0, 2, 4, 1, 3]]
    assert ranking.scores[0, :3].tolist() == [0.0] * 3
    assert NearestItems()(model, asking(2), 3, Rules()).items.tolist() == [[0, 4, 1]]


def test_who_has_no_history_is_left_to_the_recommender() -> None:
    model = Told(FILMS, ["Alien", "Brazil"])
    ranking = NearestItems()(model, Histories.from_lists([[], [1], []]), 3, EVERYTHING)
    assert ranking.items.tolist() == [[NOTHING] * 3, [1, 0, NOTHING], [NOTHING] * 3]
    assert model.asked == [(1, 4, 64)]
    assert (NearestItems()(model, Histories.from_lists([[]]), 2, Rules()).items == NOTHING).all()
    assert len(model.asked) == 1


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_it_is_a_sort_of_the_differences_whatever_the_size_of_a_tile(data: st.DataObject) -> None:
    """Titles come in heaps around points of length 50, a hundredth or a ten-thousandth wide."""
    rng = torch.Generator().manual_seed(data.draw(st.integers(0, 2**16)))
    titles, rows = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 5))
    middles = torch.randn(3, 16, generator=rng) * 12.5
    noise = data.draw(st.sampled_from([0.0, 1e-4, 1e-2, 1.0]))
    places = middles[torch.randint(3, (titles,), generator=rng)] + noise * torch.randn(titles, 16, generator=rng)
    title_of = torch.randint(titles, (data.draw(st.integers(1, 40)),), generator=rng)
    texts = places[torch.randint(titles, (rows,), generator=rng)].clone()
    texts[1:] += noise * torch.randn(rows - 1, 16, generator=rng)
    model, asked = Scattered(places, title_of), data.draw(rules(len(title_of)))
    histories = Histories.from_lists([[row % len(title_of), len(title_of) - 1] for row in range(rows)])
    k = data.draw(st.integers(1, len(title_of) + 2))
    with pytest.MonkeyPatch.context() as small:
        small.setattr(_grounding, "SPARE", data.draw(st.integers(0, 2)))
        small.setattr(_grounding, "CELLS", data.draw(st.sampled_from([7, 1 << 20])))
        for module in (top_scores, _grounding):
            small.setattr(module, "TILE", 8)
        small.setattr(_grounding._Cells, "users", 2)
        ranking = NearestItems().grounded(model, texts, histories, k, asked)
    truth = by_hand(model, texts, asked, histories, k)
    assert ((ranking.items == NOTHING) == (truth.items == NOTHING)).all()
    np.testing.assert_allclose(ranking.scores, truth.scores, rtol=1e-5, atol=1e-30)
    differ = ranking.items != truth.items
    with np.errstate(invalid="ignore"):  # what is not there stands at minus infinity
        gaps = np.abs(np.diff(truth.scores, axis=1, prepend=np.inf, append=-np.inf))
        steps, risen = np.diff(ranking.scores, axis=1), np.diff(ranking.items, axis=1) > 0
    lonely = np.minimum(gaps[:, :-1], gaps[:, 1:]) > 1e-5 * np.abs(truth.scores)
    assert not (differ & lonely).any(), "only near ties may swap"
    there = ranking.items[:, 1:] != NOTHING
    assert (steps <= 0)[there].all()
    assert risen[there & (steps == 0)].all(), "equal scores go to the lower row"


def test_products_alone_would_name_another_item() -> None:
    """A hundred titles a thousandth apart at length 50: more than are looked at exactly at first."""
    rng = torch.Generator().manual_seed(0)
    middle = torch.randn(64, generator=rng) * 6.25
    places = torch.cat([middle + 1e-3 * torch.randn(100, 64, generator=rng), torch.randn(200, 64, generator=rng)])
    model = Scattered(places, torch.arange(300))
    texts, histories = places[:100], Histories.from_lists([[0]] * 100)
    squared = places.square().sum(1) - 2 * texts @ places.T
    assert (squared.argmin(1) != torch.arange(100)).float().mean() > 0.3
    ranking = NearestItems().grounded(model, texts, histories, 5, EVERYTHING)
    assert ranking.items[:, 0].tolist() == list(range(100))
    assert (ranking.scores[:, 0] == 0).all()
    assert np.array_equal(ranking.items, by_hand(model, texts, EVERYTHING, histories, 5).items)


def test_more_equal_titles_than_are_looked_at() -> None:
    """A hundred items have one title and k is 3: the lowest three rows win, wherever they stand in a tile."""
    title_of = torch.cat([torch.ones(7, dtype=torch.int64), torch.zeros(100, dtype=torch.int64)])
    model = Scattered(torch.tensor([[30.0, 40.0], [30.0, 41.0]]), title_of)
    ranking = NearestItems().grounded(model, torch.tensor([[30.1, 40.0]]), asking(0), 3, EVERYTHING)
    assert ranking.items.tolist() == [[7, 8, 9]]


def test_the_whole_catalog_is_a_permutation() -> None:
    model = Scattered(torch.randn(50, 4), torch.arange(70) % 50)
    ranking = NearestItems().grounded(model, torch.randn(3, 4), asking(0, 1, 2), 70, EVERYTHING)
    assert (np.sort(ranking.items, axis=1) == np.arange(70)).all()


def test_popularity_by_hand() -> None:
    """Of the farthest, 5, with W from 0 to 1: Brazil 0, Alien 1 / 2, Cube 0.85 / 1.5, Dune 1 / 1."""
    model = Told(FILMS, ["Alien", "Brazil", "Cube", "Dune"], says=["Brazil"] * 4, counts=[6.0, 2.0, 4.0, 2.0])
    part = NearestItems(injection=Injection(gamma=1.0))
    ranking = part(model, asking(0), 4, EVERYTHING)
    assert ranking.items.tolist() == [[1, 0, 2, 3]]
    assert ranking.scores[0].tolist() == pytest.approx([0.0, -0.5, -(18**0.5 / 5) / 1.5, -1.0])


def test_behaviour_by_hand() -> None:
    """Who has Alien: Dune is just like it (W = 1), Cube the contrary (0), and Brazil in between (0.5)."""
    model = Told(
        FILMS, ["Alien", "Brazil", "Cube", "Dune"], says=["Brazil"] * 4,
        behaviour=[[2.0, 0.0], [0.0, 1.0], [-3.0, 0.0], [1.0, 0.0]],
    )  # fmt: skip
    part = NearestItems(injection=Injection(by="behaviour", gamma=2.0))
    ranking = part(model, Histories.from_lists([[2, 0], [0]]), 4, Rules())
    assert ranking.items[1].tolist() == [1, 3, 2, NOTHING]
    assert ranking.scores[1, :3].tolist() == pytest.approx([0.0, -1 / 4, -(18**0.5) / 5])
    assert ranking.items[0].tolist() == [1, 3, NOTHING, NOTHING], "the mean of two contrary items likes all equally"
    assert ranking.scores[0, 1] == pytest.approx(-1.0)


def test_without_vectors_of_behaviour_it_says_what_to_set() -> None:
    part = NearestItems(injection=Injection(by="behaviour"))
    with pytest.raises(SettingsError, match="set 'behaviour'"):
        part(Told(FILMS, ["Alien", "Brazil"]), asking(0), 1, Rules())


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from([0.0, 0.3, 2.0, 50.0]), st.sampled_from([1e-3, 1.0]))
def test_the_nearest_stays_first_and_the_rest_is_a_sort(seed: int, gamma: float, noise: float) -> None:
    rng = torch.Generator().manual_seed(seed)
    places = 6.25 * torch.randn(64, generator=rng) + noise * torch.randn(60, 64, generator=rng)
    model = Scattered(places, torch.arange(60))
    texts, histories = places[:4] + noise * torch.randn(4, 64, generator=rng), asking(0, 1, 2, 3)
    plain = NearestItems().grounded(model, texts, histories, 60, EVERYTHING)
    part = NearestItems(injection=Injection(gamma=gamma))
    with pytest.MonkeyPatch.context() as small:
        small.setattr(_grounding, "SPARE", 1)
        short = part.grounded(model, texts, histories, 5, EVERYTHING)
        injected = part.grounded(model, texts, histories, 60, EVERYTHING)
    assert (injected.items[:, 0] == plain.items[:, 0]).all()
    assert (injected.scores[:, 0] == 0).all()
    assert (short.items == injected.items[:, :5]).all()
    distances = (texts.double()[:, None] - places.double()).norm(dim=2).numpy()
    low, high = distances.min(1, keepdims=True), distances.max(1, keepdims=True)
    weighed = (distances - low) / (high - low) * (1 + np.arange(60) / 59) ** -gamma
    np.testing.assert_allclose(-injected.scores, np.sort(weighed, axis=1), rtol=1e-3, atol=1e-5)
    if gamma == 0:
        assert (injected.items == plain.items).all()


def test_settings_survive_yaml() -> None:
    part = NearestItems(injection=Injection(by="behaviour", gamma=0.5))
    assert NearestItems.parse(part.dump()) == part
    changed = NearestItems().changed({"injection": "injection", "injection.gamma": 0.25})
    assert changed.injection == Injection(gamma=0.25)
    with pytest.raises(SettingsError, match="gamma"):
        Injection.parse({"gamma": -1.0})
