"""A fitted system's graph, its cases, and how far the graph is from the system when nothing is written to a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from jaxtyping import config

from segue.core.ranking_recipe import FittedRanker
from segue.core.recipe import Recommender
from segue.core.tables import Histories
from segue.export.cases import Cases, cases_of_histories, cases_of_requests, histories_of
from segue.export.graph import Graph, graph_of
from segue.export.parity import Program, largest_difference
from segue.testing.requests import parity_requests
from segue.testing.worlds import ring
from tiny_systems import fitted


@contextmanager
def unchecked() -> Iterator[None]:
    """Shapes are not checked while torch traces: sizes have no numbers then. The graphs are checked as they are."""
    config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        config.update("jaxtyping_disable", False)


def eager(graph: Graph) -> Program:
    def run(inputs):
        with torch.inference_mode():
            return [found.numpy() for found in graph.module(*(torch.from_numpy(inputs[name]) for name in graph.names))]

    return run


@cache
def world(timed: bool) -> Histories:
    """The ring with irregular times, seconds to months apart, or with none."""
    histories = ring(users=40).dataset.log.histories()
    steps = np.random.default_rng(0).integers(0, 22, len(histories.items))
    return replace(histories, timestamps=1_500_000_000 + np.cumsum(2**steps) if timed else None)


def system(
    name: str, *, timed: bool = True, k: int | None = None, **settings: object
) -> tuple[Recommender, Graph, Cases]:
    recommender = fitted(name, **settings)
    graph = graph_of(recommender, timed=timed, k=k)
    if isinstance(recommender, FittedRanker):
        asked = parity_requests(users=30)
        return recommender, graph, cases_of_requests(graph, recommender, asked.learnt.take(np.arange(0, 120, 3)))
    rng = np.random.default_rng(1)
    histories = histories_of(world(timed), graph.window, 24, rng)
    return recommender, graph, cases_of_histories(graph, recommender, histories, rng)


def apart(name: str, **settings: object) -> float:
    _, graph, cases = system(name, **settings)
    return largest_difference(graph, cases, eager(graph))
