"""The padded graphs say what the fitted systems say, whatever their settings; what has no graph is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from export.graphs import apart, eager, system
from segue.core.errors import SettingsError
from segue.core.run import Run
from segue.decoding.exact_likelihood import ExactLikelihood
from segue.export.graph import graph_of
from segue.export.parity import largest_difference
from segue.procedures.untrained import Untrained
from segue.recipes import bigrec
from text_world import kinds
from tiny_systems import fitted

CLOSE = 1e-5
LLAMA = {"backbone.norm": "rms", "backbone.position": "rotary", "backbone.activation": "swiglu"}
FEW = {"batches.history": 4, "batches.slack": 3}
"""Windows that begin late: most requests of the parity world have more events."""


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("sasrec_small", {}),
        ("sasrec_small", {**LLAMA, "backbone.order": "post", "backbone.depth": 1}),
        ("sasrec_small", {"backbone.gated": True, "backbone.activation": "gelu", "backbone.eps": 1e-5}),
        ("sasrec_small", {**LLAMA, "model.normalized": True, "model.temperature": 0.1, "model.scaled": True}),
        ("sasrec_small", {"model.head": True, "backbone.order": "post"}),
        ("bert4rec_small", {}),
        ("bert4rec_small", {"backbone.order": "pre", "backbone.depth": 2, "backbone.activation": "swiglu"}),
        ("gru4rec_small", {"backbone.depth": 2}),
        ("hstu_tuned", {}),
        ("hstu_tuned", {"batches.target_time": False, "model.normalized": True}),
        ("hstu_tuned", {"backbone.timed": False}),
        ("item_knn", {}),
        ("item_knn_fading", {}),
        ("ease", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(map(str, value.values())) or "usual",
)
def test_scores_are_those_of_the_system(name: str, settings: dict[str, object]) -> None:
    assert apart(name, **settings) < CLOSE


def test_a_log_without_times_has_a_graph_without_them() -> None:
    _, graph, _ = system("hstu_tuned", timed=False, **{"batches.target_time": False})
    assert graph.names == ["items", "lengths"]
    assert apart("hstu_tuned", timed=False, **{"batches.target_time": False}) < CLOSE
    _, timed, _ = system("hstu_tuned")
    assert timed.names == ["items", "lengths", "timestamps", "asked_at"]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("tiger_small", {}),
        ("tiger_small", {**LLAMA, "backbone.depth": 2, "model.tied": False, "decoder.beams": (3, 5)}),
        ("tiger_small", {"decoder.renormalized": True, "model.softmax": "vocabulary", "model.scaled": True}),
        ("tiger_small", {"model.user_tokens": 7, "backbone.order": "post", "backbone.gated": True}),
        ("tiger_small", {"tokenizer": "item_ids"}),
        ("tiger_t5_small", {}),
        ("tiger_t5_small", {"model.ended": False, "model.user_tokens": 0, "backbone.depth": 2, "decoder.beams": 4}),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(map(str, value.values())) or "usual",
)
def test_the_search_finds_what_our_search_finds(name: str, settings: dict[str, object]) -> None:
    assert apart(name, **settings) < CLOSE


def test_items_that_share_a_tuple_share_its_probability() -> None:
    """Three levels of two codes for twenty items: eight tuples."""
    shared = {"tokenizer.levels": 3, "tokenizer.size": 2, "tokenizer.collisions": "popularity_order"}
    recommender, graph, cases = system("tiger_small", **shared)
    assert len(np.unique(recommender.tokenizer.codes.codes, axis=0)) < len(recommender.catalog)
    assert largest_difference(graph, cases, eager(graph)) < CLOSE


def test_k_widens_the_beam_as_it_does_with_us() -> None:
    _, graph, cases = system("tiger_small", k=17, **{"decoder.beams": 2})
    assert [port.shape for port in graph.outputs] == [("users", 17), ("users", 17)]
    assert largest_difference(graph, cases, eager(graph)) < CLOSE
    _, narrow, _ = system("tiger_small", **{"decoder.beams": (2, 3)})
    assert narrow.outputs[0].shape == ("users", 3)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("dfgr_small", {}),
        ("dfgr_small", {**FEW, "backbone.own": True, "backbone.timed": False}),
        ("dfgr_small", {"model.actions": "none", "model.hidden": (8, 8), **FEW}),
        ("metagr_small", FEW),
        ("metagr_small", {"model.apart": False, **FEW}),
        ("gpsd_small", {**FEW, "procedure.events.history": 7}),
        ("deepfm_small", FEW),
        ("dcn_v2_small", {"model.recent": 4, **FEW}),
        ("dlrm_small", {"model.recent": 4}),
        ("din_small", FEW),
        ("din_small", {"model.softmax": True, "model.recent": 4}),
        ("gpsd_small", {"model.embedding": 8, "model.head": "linear", "model.actions": False}),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(map(str, value.values())) or "usual",
)
def test_probabilities_are_those_of_the_ranker(name: str, settings: dict[str, object]) -> None:
    assert apart(name, **settings) < CLOSE


def test_the_comparison_sees_a_small_change_of_one_weight() -> None:
    """The cases can fail: by the weight of one place of one code, item, or task."""
    for name, changed in (("sasrec_small", "trunk.places.weight"), ("tiger_small", "table.weight")):
        recommender, graph, cases = system(name)
        weights = dict(recommender.model.named_parameters())
        with torch.no_grad():
            before = weights[changed][0].clone()
            weights[changed][0] *= 1.1
            try:
                assert largest_difference(graph, cases, eager(graph)) > 1e-3
            finally:
                weights[changed][0] = before
        assert largest_difference(graph, cases, eager(graph)) < CLOSE


def test_the_cases_have_one_event_none_and_more_than_are_looked_at() -> None:
    for name in ("sasrec_small", "bert4rec_small", "tiger_small"):
        _, graph, cases = system(name)
        assert graph.window is not None
        assert {0, 1, graph.window + 5} <= set(cases.lengths.tolist())
    _, _, cases = system("dfgr_small", **FEW)
    assert cases.lengths.min() == 0
    assert cases.lengths.max() > 7, "more than history and slack together"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("popularity", "answers from counts"),
        ("item_rate", "answers from counts"),
        ("dien_small", "no padded form"),
    ],
)
def test_what_has_no_graph_is_refused_with_what_has_one(name: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason) as refused:
        graph_of(fitted(name), timed=True)
    assert "can" in str(refused.value)


def test_another_search_and_a_length_for_what_does_not_search_are_refused() -> None:
    with pytest.raises(SettingsError, match="token_generator and exact_likelihood"):
        graph_of(fitted("tiger_small", decoder=ExactLikelihood()), timed=True)
    with pytest.raises(SettingsError, match="-k is for systems that search"):
        graph_of(fitted("sasrec_small"), timed=True, k=5)
    with pytest.raises(SettingsError, match="hstu \\(without candidates\\)"):
        graph_of(fitted("hstu_tuned", **{"backbone.candidates": 1}), timed=True)


@pytest.mark.slow
def test_of_a_language_model_the_checkpoint_is_named() -> None:
    settings = {"backbone.tiny.steps": 2, "procedure": Untrained()}
    with pytest.raises(SettingsError, match=r"language model \(tiny_lm\).*format of transformers"):
        graph_of(bigrec.VARIANTS["small"].changed(settings).fit(kinds(users=24), Run(seed=1)), timed=True)
