"""The table in which language-model recommenders stand side by side: one question, one budget, three data sets.

What would decide a comparison for another reason than the system is the same for all rows: the cases, what is told of
them, and the language model, a small one that is made on the spot from the data's own titles.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from segue.backbones.causal_transformer import CausalTransformer
from segue.backbones.tiny_lm import TinyLm
from segue.core.claim import Claim
from segue.core.recipe import Paper, ScoringRecipe
from segue.data.negatives import UniformNegatives
from segue.data.sequences import EveryPrefix, NextItem
from segue.decoding.nearest_items import NearestItems
from segue.decoding.top_scores import TopScores
from segue.encoders.collaborative_vectors import CollaborativeVectors
from segue.language.corpus import Corpus
from segue.language.tiny import TinyCheckpoint
from segue.layers.adapters import Lora
from segue.models.item_scorer import ItemScorer
from segue.models.text_generator import TextGenerator
from segue.objectives.next_words import NextWords
from segue.objectives.sampled_softmax import SampledSoftmax
from segue.procedures.supervised import Supervised
from segue.training.loop import Loop
from segue.training.optim import AdamW

_SASREC = ScoringRecipe(
    name="sasrec",
    paper=Paper(
        authors="Kang, McAuley", title="Self-Attentive Sequential Recommendation", year=2018, venue="ICDM",
        arxiv="1808.09781",
    ),
    batches=NextItem(history=50, users=128),
    backbone=CausalTransformer(
        width=64, depth=2, heads=1, inner=256, dropout=0.2, activation="gelu", position="rotary"
    ),
    model=ItemScorer(),
    objective=SampledSoftmax(negatives=UniformNegatives(count=3000)),
    decoder=TopScores(),
    procedure=Supervised(
        loop=Loop(epochs=12, optimizer=AdamW(rate=4e-3, schedule="linear", warmup=0.08), evaluate_every=2), users=512
    ),
)  # fmt: skip
SASREC = CollaborativeVectors(recipe=_SASREC)
"""What is known of the items by who took them, 64 numbers each, as in SOFT."""
SMALL_SASREC = CollaborativeVectors(
    recipe=_SASREC.changed(
        {"backbone.width": 32, "procedure.loop.epochs": 3, "objective.negatives.count": 64, "batches.history": 20}
    )
)
TUNING = Loop(epochs=3, precision="float32", optimizer=AdamW(rate=2e-3, schedule="linear", warmup=0.05))
"""A small model has little to begin with: it learns faster than a large one may. Plain tuning on `industrial` came to a
validation NDCG@10 of 0.037, 0.041 and 0.039 at rates of 1e-3, 2e-3 and 4e-3 (seed 0, 453 cases; the base had read some
prompts)."""
_ADAPTERS = Lora(
    rank=16, alpha=32, dropout=0.0,
    targets=("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
)  # fmt: skip
TINY: dict[str, Any] = {
    "batches": EveryPrefix(history=5, users=32, samples=2048),
    "prompts.history": 5,
    "prompts.letters": 30,
    "backbone": TinyLm(
        tiny=TinyCheckpoint(vocabulary=4000, width=128, depth=3, steps=800, rows=8, length=256),
        corpus=Corpus(descriptions=0, histories=30_000, letters=30),
        lora=None,
    ),
    "model": TextGenerator(length=24),
    "objective": NextWords(),
    "decoder": NearestItems(beams=4, length=24),
}  # fmt: skip
"""How much is learnt, by what, and how it answers.

The language model has read what people took as lists of titles, as a large one has read the web, and no prompts. One
that had read 200 of them wrote one popular title for everybody before it was tuned. That is nearer to most truths
than what a tuned model writes, so SOFT's share never left 1 (`industrial`). Of a title only the beginning is read,
learnt and written: the rest of what shops call a title would cost most of the time that there is. All weights are
learnt: with a base of an earlier budget adapters of rank 16 on all layers came to a validation NDCG@10 of 0.006 after
96 steps, all weights to 0.015 after 128 (on `industrial`, each at one rate of its own).
"""
SMALL: dict[str, Any] = {
    "batches": EveryPrefix(history=5, users=32, samples=2048),
    "prompts.history": 5,
    "backbone": TinyLm(
        tiny=TinyCheckpoint(vocabulary=400, width=64, depth=2, steps=300, length=128),
        corpus=Corpus(sentences=400), lora=_ADAPTERS,
    ),
    "model": TextGenerator(length=48),
    "objective": NextWords(),
    "decoder": NearestItems(beams=2, length=24),
}  # fmt: skip
"""The same, to try things; its language model has read some prompts."""
_ROLLING = {"split": "rolling_time"}
_PRODUCTS = {"prompts.noun": "products", "prompts.verb": "bought"}
_MOVIES = {"prompts.noun": "movies", "prompts.verb": "watched"}
_ASKED = {"evaluation.seen": True, "evaluation.users": 2000}
SETS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "ml-1m": ("ml-1m/interactions.parquet", _ROLLING, _MOVIES),
    "beauty": ("amazon-beauty", _ROLLING, _PRODUCTS),
    "industrial": ("amazon-industrial-2018-text", {"split": "given", "data.keep_unseen": True}, _PRODUCTS),
}
"""By the name of the row: the data set, how it is cut, and what the prompts say of it. Cases are those of BIGRec and
SOFT, each event at its own moment; `industrial` brings a cut of its own. The copy of MovieLens with clock times has
half of its users."""
TRIE: dict[str, Any] = {"decoder": "title_search", "decoder.search.beams": 10}
"""The same model, asked within the trie of titles."""
POPULARITY: dict[str, Any] = {"decoder.injection": "injection", "decoder.injection.gamma": 100.0}
"""The same texts, with popularity weighed in. Of 1, 10 and 100, gamma was chosen on validation cases of `industrial`
by what plain tuning wrote (NDCG@10 0.0475, 0.0493, 0.0507; without 0.0405)."""
SHOWN = ("NDCG@5", "HR@5", "HR@10", "NDCG@10")


def text_claims(
    system: str,
    settings: Mapping[str, Any] = {},
    *,
    suffix: str = "",
    sets: Collection[str] = tuple(SETS),
    told: bool = True,
    asked: Mapping[str, Any] = {},
    seeds: int = 3,
    reference: bool = False,
    tuned: str = "",
    drafts: str = "",
    behaviour: str = "",
    beside: str = "",
    sweep: str = "",
    at: float | None = None,
    trained: str | None = None,
) -> tuple[Claim, ...]:
    """The rows of a system in the table, with settings of its own.

    Args:
        suffix: behind the name of the row.
        sets: the data sets that have such a row.
        told: whether the system has prompts.
        asked: changes of how a system is asked.
        reference: whether the others are held against it.
        tuned, drafts, behaviour: the systems whose rows do a part of the work, or SYSTEM--SUFFIX for rows with one.
        beside: the same of the rows that these are also held against.
        sweep: the quantity that is varied, where this is one point of a sweep.
        at: its value.
        trained: the suffix of the rows whose runs these ask; their own unless given.
    """
    return tuple(
        Claim(
            system=system,
            row=f"{row}{suffix}",
            data=data,
            settings={**cut, **(words if told else {}), **_ASKED, **settings},
            asked=dict(asked),
            shown=SHOWN,
            group="soft",
            seeds=seeds,
            reference=reference,
            tuned=_with_row(tuned, row) if tuned else "",
            drafts=_with_row(drafts, row) if drafts else "",
            behaviour=_with_row(behaviour, row) if behaviour else "",
            beside=_with_row(beside, row) if beside else "",
            sweep=sweep,
            at=at,
            trained=f"{row}{trained}" if trained is not None else "",
        )
        for row, (data, cut, words) in SETS.items()
        if row in sets
    )


def _with_row(name: str, row: str) -> str:
    """`bigrec_tiny--trie` as `bigrec_tiny--beauty-trie`."""
    system, _, suffix = name.partition("--")
    return f"{system}--{row}{f'-{suffix}' if suffix else ''}"
