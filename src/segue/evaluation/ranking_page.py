"""The sections of a report's page that only rankers have: measures by task, calibration, slices, sample requests."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from segue.evaluation.probabilities import LOWER_IS_BETTER
from segue.evaluation.reliability import reliability_chart
from segue.evaluation.report import Report, SampleRequest, Shown
from segue.evaluation.sheet import figure, table

MEANINGS = {
    "AUC": "share of pairs in the right order",
    "GAUC": "the same within users, by impressions",
    "LogLoss": "-log P(what happened), in nats",
    "NE": "log loss over that of the base rate",
    "ECE": "how far probabilities are from rates",
    "NDCG": "of the sorted request",
}


def ranking_sections(report: Report) -> list[str]:
    """All of them; of a report of another kind none."""
    return [_measures(report), _calibration(report), _slices(report), _requests(report)] if report.reliability else []


def _measures(report: Report) -> str:
    tasks = list(report.reliability)
    rows = []
    for measure in dict.fromkeys(name.partition(" ")[0] for name in report.metrics):
        values = [report.metrics.get(f"{measure} {task}") for task in tasks]
        lower = " ↓" if measure in LOWER_IS_BETTER else ""
        short, _, k = measure.partition("@")
        meaning = MEANINGS.get(short, "") + (f", first {k} places" if k else "")
        rows.append(
            (
                [f"{escape(measure)}{lower}"]
                + [f"{value.mean:.4f} <small>± {value.error:.4f}</small>" if value else "–" for value in values]
                + [f'<span class="wrap soft" style="width:18rem">{meaning}</span>'],
                False,
            )
        )
    return (
        '<section><h2>Measures by action</h2><p class="soft">± is the standard error, which allows for impressions of '
        "one user being alike. ↓ less is better.</p>" + table(["", *tasks, ""], rows) + "</section>"
    )


def _calibration(report: Report) -> str:
    figures = "".join(
        figure(escape(task), reliability_chart(curve, task), f"{sum(curve.counts):,} impressions")
        for task, curve in report.reliability.items()
    )
    said = (
        "The probability that was said (across) and how often it came (up, ± 2 standard errors), in bins of equally "
        "many impressions. On the dotted line both agree."
    )
    return f'<section><h2>Calibration</h2><p class="soft">{said}</p><div class="grid2">{figures}</div></section>'


def _slices(report: Report) -> str:
    if not report.slices:
        return ""
    counts, tasks = ("users", "requests", "impressions"), list(report.reliability)
    rows = [
        (
            [escape(name), *(f"{one.get(count, 0):,.0f}" for count in counts)] + [_area(one, task) for task in tasks],
            False,
        )
        for name, one in report.slices.items()
        if one.get("impressions")
    ]
    return (
        '<section><h2>By history and item</h2><p class="soft">The AUC by how much was known of user and item; in small '
        f"how often it came.</p>{table(['', *counts, *(f'AUC {task}' for task in tasks)], rows)}</section>"
    )


def _requests(report: Report) -> str:
    cards = "".join(_card(one) for one in report.requests)
    return f'<section><h2>Some requests</h2><div class="grid2">{cards}</div></section>' if cards else ""


def _card(request: SampleRequest) -> str:
    listed = "".join(_line(one) for one in request.shown)
    return (
        f'<div class="card"><h3>{escape(request.user)}</h3><p class="soft">Did last: '
        f"{escape(', '.join(request.history)) or 'nothing'}</p><ol>{listed}</ol>"
        f'<p class="soft">Sorted by P({escape(request.task)}); ✓ where it came.</p></div>'
    )


def _line(shown: Shown) -> str:
    said = f"{escape(shown.title)} {shown.probability:.1%}"
    return f'<li class="hit">{said} ✓</li>' if shown.happened else f"<li>{said}</li>"


def _area(part: Mapping[str, float], task: str) -> str:
    """The AUC in a slice and the rate beside it; a slice of one outcome has only the rate."""
    area, rate = part.get(f"AUC {task}"), part.get(f"rate {task}")
    if rate is None:
        return "–"
    share = f"{rate:.1%}" if rate >= 0.01 or not rate else f"{rate:.2%}"
    return f"{'–' if area is None else f'{area:.4f}'} <small>{share}</small>"
