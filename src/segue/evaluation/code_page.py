"""The health of codes as a section of a report, and as a page of its own."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape
from pathlib import Path

from segue.core.whole import write_text
from segue.evaluation.beam_gap import BeamGap
from segue.evaluation.charts import pair_chart, ranked_chart
from segue.evaluation.code_health import CodeHealth, DepthHealth
from segue.evaluation.sheet import duration, figure, sheet, table, tiles

KEY = '<span class="key bar"></span>{}<span class="key quiet"></span>{}. '

DRAWN = 8
"""Levels whose use is drawn; the table has all of them (a title has dozens)."""


def write_code_page(path: Path, health: CodeHealth, name: str) -> None:
    """Write the page of codes that stand alone; `name` is the data they are of."""
    write_text(path, code_page(health, name))


def code_page(health: CodeHealth, name: str) -> str:
    """The whole page as text."""
    kind = str(health.origin.get("kind", "codes"))
    used = [level for level in health.levels if not level.counting]
    shown = [
        ("of the codes used", f"{sum(level.used for level in used) / sum(level.size for level in used):.1%}"),
        ("items without a tuple of their own", f"{health.colliding:.2%}"),
    ]
    if health.collisions_before:
        shown.append(("collisions before they were resolved", f"{health.collisions_before[-1]:.2%}"))
    if health.reconstruction is not None:
        shown.append(("of the vectors' variance kept", f"{1 - health.reconstruction:.1%}"))
    if isinstance(seconds := health.origin.get("seconds"), int | float):
        shown.append(("to fit", duration(float(seconds))))
    sizes = " x ".join(str(level.size) for level in health.levels)
    head = (
        f'<header><p class="over">Segue codes</p><h1>{escape(kind)} of {escape(name)}</h1>'
        f'<p class="soft">{health.items:,} items, {len(health.levels)} codes each, out of {sizes}.</p>'
        f"{tiles(shown)}</header>"
    )
    return sheet(f"{kind} of {name}", (head, codes_section(health), _origin(health)))


def codes_section(health: CodeHealth, gap: BeamGap | None = None) -> str:
    """The section "The codes": alarms, numbers by depth, what the search lost, drawings, and what first codes mean."""
    alarms = "".join(f"<li>{escape(alarm)}</li>" for alarm in health.alarms)
    warned = f'<div class="card" role="note"><h3>To be seen to</h3><ul>{alarms}</ul></div>' if alarms else ""
    return (
        '<section><h2>The codes</h2><p class="soft">How the tuples cover the catalogue: what each level uses, and what '
        f"items with the same first codes have in common.</p>{warned}{_by_depth(health)}{_lost(gap)}"
        f'<div class="grid2">{_usage(health)}{_tree(health)}</div>{_branches(health)}</section>'
    )


def _by_depth(health: CodeHealth) -> str:
    columns = {
        "neighbours": "near items share it",
        "successors": "next items share it",
        "likeness": "cosine",
    }
    there = {name: words for name, words in columns.items() if _known(health.depths, name)}
    rows = []
    for level, depth in zip(health.levels, health.depths, strict=True):
        counting = " <small>counts</small>" if level.counting else ""
        cells = [
            f"{depth.depth}{counting}",
            f"{level.used:,} <small>of {level.size:,}</small>",
            f"{level.perplexity:.1f}",
            f"{depth.prefixes:,}",
            f"{_percent(depth.collisions)} <small>{_percent(depth.colliding)} not alone</small>",
            _percent(depth.largest),
        ]
        for name in there:
            value, chance = getattr(depth, name), getattr(depth, f"{name}_chance", None)
            beside = f" <small>by chance {_percent(chance)}</small>" if chance is not None else ""
            cells.append(f"{value:.3f}" if name == "likeness" and value is not None else f"{_percent(value)}{beside}")
        rows.append((cells, False))
    head = ["depth", "codes used", "perplexity", "prefixes", "collisions", "largest prefix", *there.values()]
    return table(head, rows)


def _lost(gap: BeamGap | None) -> str:
    if gap is None:
        return ""
    rows = []
    for name, answer in (("the recipe's decoder", gap.beam), ("exactly", gap.exact)):
        values = [f"{value:.4f}" for value in answer.metrics.values()]
        rows.append(([escape(name), *values, _percent(answer.mass), duration(answer.seconds)], False))
    head = ["", *gap.exact.metrics, f"probability of the {gap.k}", "time"]
    return (
        '<div class="card" style="margin-top:.8rem"><h3>What the search lost</h3>'
        f'<p class="soft">{gap.users:,} test users asked twice. Of the exact {gap.k} items the search names '
        f"{_percent(gap.overlap)}; the first item is another one for {_percent(gap.other_first)}. Items of the "
        f"catalogue have {_percent(gap.inside)} of the model's probability; the rest lies on tuples that no item "
        f"has.</p>{table(head, rows)}</div>"
    )


def _usage(health: CodeHealth) -> str:
    figures = []
    for place, level in enumerate(health.levels[:DRAWN], start=1):
        said = f"Level {place}: {level.used} of {level.size} codes are used; perplexity {level.perplexity:.1f}"
        weighted = level.weighted_perplexity
        caption = f"Items of each code, most frequent first; dotted: all alike. Perplexity {level.perplexity:.1f}"
        caption += f", weighted by events {weighted:.1f}." if weighted is not None else "."
        if level.profile:
            figures.append(
                figure(f"Level {place}", ranked_chart(level.profile, health.items / level.size, said), caption)
            )
    return "".join(figures)


def _tree(health: CodeHealth) -> str:
    depths = health.depths
    rates = [depth.collisions for depth in depths]
    before = (health.collisions_before or [])[: len(depths)]
    key = KEY.format("as they are", "before they were resolved") if before else ""
    before += [0.0] * (len(depths) - len(before))  # a level that the policy added
    drawn = figure(
        "Collisions by depth",
        pair_chart(rates, before, "1 - prefixes / items: " + _listed(depths, rates)),
        f"{key}1 - prefixes / items: 0 when every item has its own.",
    )
    even = [depth.efficiency for depth in depths]
    drawn += figure(
        "Balance of the prefixes",
        pair_chart(even, [depth.largest for depth in depths], "Entropy efficiency: " + _listed(depths, even)),
        KEY.format("entropy over its most", "items under the largest prefix") + "By depth; 100 % entropy is even.",
    )
    for name, title, words in (
        ("neighbours", "Nearest by vector", "of the ten nearest items"),
        ("successors", "Taken next", "of the items taken next in training"),
    ):
        if _known(depths, name):
            ours = [getattr(depth, name) or 0.0 for depth in depths]
            chance = [getattr(depth, f"{name}_chance") or 0.0 for depth in depths]
            chart = pair_chart(ours, chance, f"{title}, sharing the prefix: {_listed(depths, ours)}")
            drawn += figure(title, chart, KEY.format(f"share the prefix, {words}", "by chance") + "By depth.")
    return drawn


def _branches(health: CodeHealth) -> str:
    if not health.branches:
        return ""
    rows = [
        (
            [
                f"{branch.code}",
                f"{branch.items:,}",
                _percent(branch.share),
                f'<span class="wrap">{escape(", ".join(branch.words))}</span>',
                f'<span class="wrap">{escape("; ".join(branch.titles))}</span>',
            ],
            False,
        )
        for branch in health.branches
    ]
    return '<h2>What the first codes mean</h2><p class="soft">The most frequent ones.</p>' + table(
        ["first code", "items", "share", "typical words", "some titles"], rows
    )


def _origin(health: CodeHealth) -> str:
    facts = {name: value for name, value in health.origin.items() if name != "seconds"} | health.notes
    shown = "".join(
        f"<dt>{escape(name.replace('_', ' '))}</dt><dd>{escape(_words(value))}</dd>" for name, value in facts.items()
    )
    return f"<section><h2>How these codes were made</h2><dl>{shown}</dl></section>" if shown else ""


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        few = value if len(value) <= 12 else [*value[:4], "…", *value[-4:]]
        return ", ".join(_words(inner) for inner in few)
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.4g}"
    return str(value)


def _known(depths: Iterable[DepthHealth], name: str) -> bool:
    return any(getattr(depth, name) is not None for depth in depths)


def _listed(depths: Iterable[DepthHealth], values: Iterable[float]) -> str:
    return ", ".join(f"depth {depth.depth} {_percent(value)}" for depth, value in zip(depths, values, strict=True))


def _percent(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1%}" if value >= 0.05 or value == 0 else f"{value:.2%}" if value >= 0.0005 else f"{value:.1e}"
