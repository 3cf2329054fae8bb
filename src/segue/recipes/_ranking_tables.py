"""The table in which rankers stand side by side: one question, one budget of learning, on three data sets.

What would decide a comparison for another reason than the system is the same for all of them: what they are told, how
far they look back, the optimiser and its steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from segue.core.claim import Claim

LEARNING: dict[str, Any] = {
    "patience": 1,
    "precision": "float32",
    "optimizer": {"rate": 3e-3, "beta1": 0.9, "beta2": 0.98, "schedule": "linear", "warmup": 0.05},
}
"""Tried on the validation requests of the simulated world with DFGR, DIN and a transformer: a rate of 1e-2 learns
worse, smaller batches no better."""
SMALL_WORLD: dict[str, Any] = {"data.users": 800, "data.items": 100, "data.categories": 8, "data.width": 3}
"""In the usual world a plain table of the category clicked last tells more (AUC 0.76 of 1,200 users) than any system
here learns in minutes; in this one they pass it."""
SETS: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "world": (
        "world",
        SMALL_WORLD | {"split.facts": ["category:categories"]},
        ("AUC purchase", "AUC like", "LogLoss click", "GAUC click", "AUC click"),
    ),
    "kuairand": (
        "kuairand-pure",
        {
            "data.history": True,
            "split.tasks": ["is_click", "long_view", "is_like"],
            "split.actions": ["is_click", "long_view", "is_like", "earlier"],
            "split.facts": ["tag", "author_id", "user:user_active_degree", "place:number:tab"],
            "split.at": "2022-04-29T16:00:00",
        },
        ("AUC is_like", "AUC long_view", "LogLoss is_click", "GAUC is_click", "AUC is_click"),
    ),
    "taobao": (
        "taobao-userbehavior-sample",
        {"split": {"kind": "last_event", "events": None, "facts": ["category:category_id"]}},
        ("LogLoss taken", "GAUC taken", "AUC taken"),
    ),
    "taobao-last": (
        "taobao-userbehavior-sample",
        {"split": {"kind": "last_event", "facts": ["category:category_id"]}},
        ("LogLoss taken", "GAUC taken", "AUC taken"),
    ),
}
"""By the name of the row: the data set, its settings, and the measures shown, the deciding one last. On KuaiRand the
last day of Beijing is asked, and `tab` is told as it was when the rows were measured: it was found later that it would
be better told as a category. On Taobao every event of the learning users is learnt, or their last one alone, which is
GPSD's protocol."""


def ranking_claims(
    system: str,
    settings: Mapping[str, Any] = {},
    *,
    loop: str = "procedure.loop",
    rows: Sequence[str] = ("world", "kuairand", "taobao"),
    special: Mapping[str, Mapping[str, Any]] = {},
    suffix: str = "",
    group: str = "ranking",
    trained: bool = False,
    reference: bool = False,
) -> tuple[Claim, ...]:
    """The rows of a system in a table of rankers, with settings of its own.

    Args:
        loop: where its loop of learning is; empty for a system without one.
        rows: the data sets.
        special: further settings of its own for one row.
        suffix: behind the name of the row.
        trained: whether the runs are those of the row without the suffix.
        reference: whether the others are held against it.
    """
    return tuple(
        Claim(
            system=system,
            row=f"{row}{suffix}",
            data=data,
            settings={**_learning(loop, row), **asked, **settings, **special.get(row, {})},
            trained=row if trained else "",
            shown=shown,
            group=group,
            reference=reference,
            seeds=3 if loop else 1,
        )
        for row, (data, asked, shown) in ((row, SETS[row]) for row in rows)
    )


def _learning(loop: str, row: str) -> dict[str, Any]:
    """How much is learnt at once, and how often: the same for every system of a row."""
    if not loop:
        return {}
    epochs, users = (8, 16) if row == "world" else (4, 32)
    return {"batches.users": users, loop: LEARNING | {"epochs": epochs}}
