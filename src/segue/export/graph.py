"""What is exported: a graph, what goes in and what comes out; and which graph a fitted system has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn

from segue.core.errors import SettingsError
from segue.core.ranking_recipe import FittedRanker, Ranker
from segue.core.recipe import FittedModel, Recommender, TokenRecipe
from segue.core.text_recipe import FittedText
from segue.decoding.beam_search import BeamSearch
from segue.evaluation.note import Note
from segue.export.codes import CodesGraph
from segue.export.linear import MixingGraph, NeighboursGraph
from segue.export.ranks import RanksGraph
from segue.export.scores import ScoresGraph
from segue.recipes.ease import LinearRecommender
from segue.recipes.item_knn import ItemKnn

DType = Literal["int64", "float32", "bool"]


class Port(Note):
    """An input or an output: a name in its shape is a size that may differ from call to call."""

    name: str
    dtype: DType
    shape: tuple[str | int, ...]
    meaning: str


@dataclass(frozen=True)
class Graph:
    """Takes its inputs by place and gives a tuple of its outputs."""

    module: nn.Module
    form: Literal["scores", "items", "probabilities"]
    """All scores of the catalog, the best items of a search, or the probability of each action for each candidate."""
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    window: int | None
    """The most events of a history that it looks at."""

    @property
    def names(self) -> list[str]:
        """Of the inputs, in order."""
        return [port.name for port in self.inputs]


def graph_of(recommender: Recommender, *, timed: bool, k: int | None = None) -> Graph:
    """The graph of a fitted system; `timed` says whether its log has times, and k how many items a search names.

    Raises:
        SettingsError: there is none; says why and what can be exported.
    """
    if isinstance(recommender, FittedText):
        raise SettingsError(
            f"{recommender.recipe.name} is a language model ({recommender.checkpoint}) with prompts before it and "
            "titles behind it, and is no single graph. Its checkpoint is in the format of transformers and can be used "
            "as it is; what was learnt beside it is in weights.safetensors. Serve the run itself with 'segue serve'."
        )
    if isinstance(recommender, Ranker):
        return _ranks(recommender, timed)
    if isinstance(recommender, FittedModel) and isinstance(recommender.recipe, TokenRecipe):
        return _codes(recommender, k)
    if k is not None:
        raise SettingsError(
            f"-k is for systems that search for items; {recommender.recipe.name} gives all scores. Leave it out."
        )
    if isinstance(recommender, FittedModel):
        return _scores(recommender, timed)
    return _sums(recommender)


def _ranks(recommender: Ranker, timed: bool) -> Graph:
    if not isinstance(recommender, FittedRanker):
        raise _same_for_everybody(recommender)
    module = RanksGraph(recommender, timed=timed).eval()
    schema = recommender.schema
    actions = Port(
        name="actions", dtype="float32", shape=("users", "length", len(schema.actions)),
        meaning=f"1 where the user did this with the event's item, else 0: {', '.join(schema.actions)}",
    )  # fmt: skip
    shown = Port(
        name="candidates", dtype="int64", shape=("users", "candidates"),
        meaning="rows of the items that are judged, filled up with any row",
    )  # fmt: skip
    facts = [
        Port(
            name=f"{one.of}_{one.name}",
            dtype="int64" if one.size else "float32",
            shape=("users",) if one.of == "user" else ("users", "candidates"),
            meaning=f"what is known of the {one.of}: "
            + (f"a category below {one.size}, 0 for unknown" if one.size else "a standardised number, 0 for unknown"),
        )
        for of in ("user", "place")
        for one in schema.fields_of(of)
    ]
    answer = Port(
        name="probabilities", dtype="float32", shape=("users", "candidates", len(schema.tasks)),
        meaning=f"P(action) for each candidate: {', '.join(schema.tasks)}",
    )  # fmt: skip
    times = (_TIMES, _ASKED_AT) if module.timed else ()
    inputs = (_ITEMS, _LENGTHS, actions, shown, *times, *facts)
    return Graph(module, "probabilities", inputs, (answer,), module.newest.longest)


def _codes(recommender: FittedModel, k: int | None) -> Graph:
    catalog, decoder = len(recommender.catalog), recommender.decoder
    if k is None:
        beams = decoder.beams if isinstance(decoder, BeamSearch) else 1
        k = beams if isinstance(beams, int) else max(beams)
    k = min(k, catalog)
    module = CodesGraph(recommender, k).eval()
    allowed = Port(
        name="allowed", dtype="bool", shape=("users", catalog),
        meaning="false for what this user must not get, such as the items of the history",
    )  # fmt: skip
    user = Port(
        name="user", dtype="int64", shape=("users",),
        meaning="row of the user in the log that the run was fitted on, -1 for anybody else",
    )  # fmt: skip
    found = Port(
        name="found", dtype="int64", shape=("users", k), meaning="rows of the best items, best first; -1 for none"
    )
    scores = Port(
        name="scores", dtype="float32", shape=("users", k),
        meaning="log P of each item in nats; of an empty history how often it occurs in training; -inf for none",
    )  # fmt: skip
    inputs = (_ITEMS, _LENGTHS, allowed, *((user,) if module.model.user_table is not None else ()))
    return Graph(module, "items", inputs, (found, scores), module.newest.window)


def _scores(recommender: FittedModel, timed: bool) -> Graph:
    module = ScoresGraph(recommender, timed=timed).eval()
    width = module.model.item_vectors().shape[1]
    users = Port(
        name="user_vectors", dtype="float32", shape=("users", width),
        meaning="what is compared with the vectors of items; 0 for an empty history",
    )  # fmt: skip
    scores = _scores_port(len(recommender.catalog), "; of an empty history how often the item occurs in training")
    times = ((_TIMES, _ASKED_AT) if module.told else (_TIMES,)) if module.timed else ()
    return Graph(module, "scores", (_ITEMS, _LENGTHS, *times), (users, scores), module.newest.window)


def _sums(recommender: Recommender) -> Graph:
    weights, recipe = recommender.weights(), recommender.recipe
    module: nn.Module
    if isinstance(recommender, LinearRecommender):
        module = MixingGraph(weights["mixing"])
    elif isinstance(recipe, ItemKnn):
        module = NeighboursGraph(weights["nearest"], weights["similarity"], recipe.fading)
    else:
        raise _same_for_everybody(recommender)
    return Graph(module.eval(), "scores", (_ITEMS, _LENGTHS), (_scores_port(len(recommender.catalog), ""),), None)


def _same_for_everybody(recommender: Recommender) -> SettingsError:
    return SettingsError(
        f"{recommender.recipe.name} has no graph to export: it answers from counts, which are in weights.safetensors "
        "as they are. Systems around a model of items, codes or candidates can be exported, and ease and item_knn."
    )


def example(graph: Graph) -> tuple[torch.Tensor, ...]:
    """Inputs of the right kinds that the graph can be traced with."""
    sizes = {"users": 3, "length": 7, "candidates": 5}
    made = []
    for port in graph.inputs:
        shape = [sizes[size] if isinstance(size, str) else size for size in port.shape]
        made.append(torch.zeros(shape, dtype=getattr(torch, port.dtype)))
    made[1] += torch.tensor([1, 4, 7])
    return tuple(made)


def zeros_for(port: Port, **sizes: int) -> np.ndarray:
    """An empty array for an input, with these sizes where it leaves them open."""
    shape = [sizes[size] if isinstance(size, str) else size for size in port.shape]
    return np.zeros(shape, dtype=port.dtype)


def _scores_port(catalog: int, stranger: str) -> Port:
    meaning = f"the score of every item, in the order of the catalog{stranger}"
    return Port(name="scores", dtype="float32", shape=("users", catalog), meaning=meaning)


_ITEMS = Port(
    name="items", dtype="int64", shape=("users", "length"),
    meaning="rows of the items of each history, oldest first, filled up on the right with any row",
)  # fmt: skip
_LENGTHS = Port(name="lengths", dtype="int64", shape=("users",), meaning="how many events each history has")
_TIMES = Port(
    name="timestamps", dtype="int64", shape=("users", "length"),
    meaning="Unix seconds of each event, filled up like the items",
)  # fmt: skip
_ASKED_AT = Port(name="asked_at", dtype="int64", shape=("users",), meaning="Unix seconds of the question")
