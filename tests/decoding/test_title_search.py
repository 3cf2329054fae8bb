"""Titles led down their trie: only what exists, weighed by log probability, the end included."""

import numpy as np
import pytest
import torch

from decoding.text_models import Told
from decoding.token_models import Flat
from segue.core.codes import ItemCodes
from segue.core.ranking import NOTHING, Rules
from segue.core.tables import Histories
from segue.decoding.beam_search import BeamSearch
from segue.decoding.title_search import TitleSearch

END = 0
CODES = ItemCodes(np.array([[1, 0, 0], [1, 2, 0], [2, 1, 2], [2, 0, 0]]), (3, 3, 3), shared=True, end=END)
CHANCES = [[0.1, 0.6, 0.3], [0.5, 0.3, 0.2], [0.4, 0.2, 0.4]]
NAMES = ["one", "one two", "two one two", "two"]


def model() -> Told:
    return Told({name: [0.0] for name in NAMES}, NAMES, codes=CODES, chances=CHANCES)


def asking(*items: int) -> Histories:
    return Histories.from_lists([[item] for item in items])


def test_values_by_hand() -> None:
    """The end is paid for once: 0.6 * 0.5, 0.6 * 0.2 * 0.4, 0.3 * 0.3 * 0.4 (no room for an end), 0.3 * 0.5."""
    ranking = TitleSearch()(model(), asking(0), 4, Rules(seen=True))
    assert ranking.items.tolist() == [[0, 3, 1, 2]]
    assert np.exp(ranking.scores[0]).tolist() == pytest.approx([0.3, 0.15, 0.048, 0.036])


def test_a_mean_by_token_is_kinder_to_long_titles() -> None:
    ranking = TitleSearch(per_token=True)(model(), asking(0), 4, Rules(seen=True))
    means = {0: np.log(0.3) / 2, 1: np.log(0.048) / 3, 2: np.log(0.036) / 3, 3: np.log(0.15) / 2}
    best = sorted(means, key=lambda item: -means[item])
    assert best == [0, 3, 1, 2]
    assert ranking.items.tolist() == [best]
    assert ranking.scores[0].tolist() == pytest.approx([means[item] for item in best])
    assert TitleSearch(per_token=True)(model(), asking(0), 2, Rules(seen=True)).items.tolist() == [best[:2]]


def test_what_is_best_by_token_may_lie_beyond_k() -> None:
    """0.275 in two tokens is more than 0.225 in three, but less by token: k = 1 must not hide the longer title."""
    codes = ItemCodes(np.array([[1, 0, 0], [2, 1, 2]]), (3, 3, 3), shared=True, end=END)
    chances = [[0.0, 0.5, 0.5], [0.55, 0.45, 0.0], [0.0, 0.0, 1.0]]
    told = Told({name: [0.0] for name in NAMES}, NAMES[:2], codes=codes, chances=chances)
    assert TitleSearch()(told, asking(0), 1, Rules(seen=True)).items.tolist() == [[0]]
    assert TitleSearch(per_token=True)(told, asking(0), 1, Rules(seen=True)).items.tolist() == [[1]]


@pytest.mark.parametrize("per_token", [False, True])
def test_what_is_forbidden_stays_out(per_token: bool) -> None:
    part = TitleSearch(search=BeamSearch(beams=1), per_token=per_token)
    ranking = part(model(), asking(0, 1), 4, Rules(deny=np.array([3])))
    assert ranking.items.tolist() == [[1, 2, NOTHING, NOTHING], [0, 2, NOTHING, NOTHING]]
    assert np.isneginf(ranking.scores[:, 2:]).all()
    empty = part(model(), Histories.from_lists([[]]), 2, Rules())
    assert empty.items.tolist() == [[NOTHING, NOTHING]], "who has no history is left to the recommender"


@pytest.mark.parametrize("per_token", [False, True])
def test_equal_scores_go_to_the_lower_item(per_token: bool) -> None:
    codes = ItemCodes(np.array([[2, 0], [1, 0], [2, 0]]), (3, 3), shared=True, end=END)
    told = Told({"a": [0.0], "b": [0.0]}, ["a", "b", "a"], codes=codes, chances=[[0.5, 0.25, 0.5], [1.0, 0.0, 0.0]])
    ranking = TitleSearch(per_token=per_token)(told, asking(0), 3, Rules(seen=True))
    scale = 2 if per_token else 1
    assert ranking.items.tolist() == [[0, 1, 2]]
    assert torch.tensor(ranking.scores * scale).exp().flatten().tolist() == pytest.approx([0.2] * 3, abs=1e-6)


def test_when_all_titles_have_ended_nothing_is_written_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """One title is long, and with two beams it is given up after its first code."""
    words = np.zeros((3, 9), dtype=np.int64)
    words[:, 0], words[2] = [1, 2, 3], 3
    codes = ItemCodes(words, (4,) * 9, shared=True, end=END)
    told = Told({name: [0.0] for name in NAMES}, NAMES[:3], codes=codes, chances=[[0.9, 1.0, 1.0, 0.1]] * 9)
    lengths = []
    extended = Flat.extended
    monkeypatch.setattr(Flat, "extended", lambda self, *more: lengths.append(self.level) or extended(self, *more))
    ranking = TitleSearch(search=BeamSearch(beams=2))(told, asking(0), 2, Rules(seen=True))
    assert ranking.items.tolist() == [[0, 1]]
    assert ranking.scores[0].tolist() == pytest.approx([np.log(1 / 3) + np.log(0.3)] * 2)
    assert lengths == [0]


def test_settings_survive_yaml() -> None:
    part = TitleSearch(search=BeamSearch(beams=3), per_token=True)
    assert TitleSearch.parse(part.dump()) == part
    assert TitleSearch().changed({"search.beams": 7}).search.beams == 7
