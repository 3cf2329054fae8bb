"""A report as one page: no network, no script, light or dark as the reader's screen is, and fit for a phone."""

from __future__ import annotations

from html import escape
from pathlib import Path

from segue.core.whole import write_text
from segue.evaluation.charts import decile_chart, interval_chart, line_chart
from segue.evaluation.code_page import codes_section
from segue.evaluation.comparison import Comparison, Row, number
from segue.evaluation.data_note import data_section
from segue.evaluation.language_note import language_section
from segue.evaluation.ranking_page import ranking_sections
from segue.evaluation.report import Report, Value, leading
from segue.evaluation.sheet import duration, figure, sheet, table, tiles

MEANINGS = {
    "coverage": "share of the catalogue that is recommended to anybody",
    "gini": "inequality between items: 0 all alike, 1 one takes all",
    "novelty": "surprise of a recommended item, in bits",
    "popularity lift": "popularity of what is recommended over that of what users chose; 1 keeps their taste",
    "diversity": "how little two items of a list share in categories: 0 all alike, 1 nothing shared",
    "calibration": "distance of a list's mix of categories from the user's own, in nats; 0 is the same mix",
}


def write_page(path: Path, report: Report, comparison: Comparison | None = None) -> None:
    """Write the page beside the report; a reader sees the old page or the new one."""
    write_text(path, page(report, comparison))


def page(report: Report, comparison: Comparison | None = None) -> str:
    """The whole page as text; what the report does not have is left out of it."""
    title = f"{report.recipe} on {report.dataset.name}"
    sections = (
        _head(report),
        data_section(report.data),
        _compared(report, comparison),
        _curves(report),
        *(ranking_sections(report) or [_accuracy(report)]),
        _beyond(report),
        codes_section(report.codes, report.beam) if report.codes is not None else "",
        language_section(report.language) if report.language is not None else "",
        _samples(report),
        _origin(report),
    )
    return sheet(title, sections)


def _head(report: Report) -> str:
    data = report.dataset
    impressions = report.slices.get("all", {}).get("impressions", 0) if report.reliability else 0
    shown_items = f"{impressions:,.0f} impressions of " if impressions else ""
    shown = [(name, f"{value.mean:.4f}") for name, value in _leading(report)]
    shown += [(name, f"{value:.1%}") for name, value in report.beyond.items() if name.startswith("coverage")]
    if report.seconds:
        shown.append(("to train", duration(report.seconds)))
    if report.peak_memory_mb:
        shown.append(("peak memory", _memory(report.peak_memory_mb)))
    return (
        f'<header><p class="over">Segue report</p><h1>{escape(report.recipe)} on {escape(data.name)}</h1>'
        f'<p class="soft">{data.users:,} users, {data.items:,} items, {data.events:,} events. Measured on '
        f"{shown_items}{report.users:,} users under protocol <code>{report.fingerprint}</code>.</p>"
        f"{tiles(shown)}</header>"
    )


def _compared(report: Report, comparison: Comparison | None) -> str:
    if comparison is None or len(comparison.rows) < 2:
        return ""
    metrics = [name for name, _ in _leading(report) if name in comparison.metrics] or list(comparison.metrics[:4])
    mixed = len(comparison.protocols) > 1
    head = ["system", *metrics, *(["protocol"] if mixed else [])]
    rows = []
    for row in comparison.rows:
        notes = [f"{len(row.seeds)} seeds"] if len(row.seeds) > 1 else []
        notes += ["knows the world: the best there is"] if row.name == "oracle" else []
        cells = [escape(row.name) + "".join(f" <small>{note}</small>" for note in notes)]
        cells += [_cell(row, metric) for metric in metrics]
        cells += [f"<code>{row.fingerprint}</code>"] if mixed else []
        rows.append((cells, row.name == report.recipe))
    chart = interval_chart(
        [
            (row.name, found.mean, found.low, found.high)
            for row in comparison.rows
            if (found := row.differences.get(metrics[0])) is not None
        ]
    )
    first = escape(comparison.reference.name)
    drawn = (
        f'<figure class="card" style="margin-top:.8rem"><h3>{escape(metrics[0])}: difference to {first}</h3>{chart}'
        "<figcaption>Mean over users with its 95 % bootstrap interval. Grey intervals include no difference."
        "</figcaption></figure>"
    )
    return (
        f'<section><h2>Beside others</h2><p class="soft">{escape(comparison.words())}</p>'
        f"{table(head, rows)}{drawn if chart else ''}</section>"
    )


def _cell(row: Row, metric: str) -> str:
    mean, _, around = number(row.spreads[metric]).partition(" ± ")
    return f"{mean} <small>± {around}</small><i>{row.mark(metric)}</i>" if around else f"{mean}<i></i>"


def _curves(report: Report) -> str:
    """Loss and score large; the objective's own numbers, which have a slash in their name, small and by their group."""
    figures, groups = "", dict[str, str]()
    for name, points in report.curves.items():
        group, slash, one = name.partition("/")
        drawn = figure(escape(one or name), line_chart(points, name))
        if slash and drawn:
            groups[group] = groups.get(group, "") + drawn
        else:
            figures += drawn
    small = "".join(
        f'<h3 style="margin-top:1.4rem">{escape(group)}</h3><div class="grid2 small">{drawn}</div>'
        for group, drawn in groups.items()
    )
    large = f'<div class="grid2">{figures}</div>' if figures else ""
    return f"<section><h2>Training</h2>{large}{small}</section>" if large or small else ""


def _accuracy(report: Report) -> str:
    if not report.metrics:
        return ""
    names = list(dict.fromkeys(name.partition("@")[0] for name in report.metrics))
    ks = sorted({int(k) for name in report.metrics if (k := name.partition("@")[2]).isdigit()})
    rows = []
    for name in names:
        values = [report.metrics.get(f"{name}@{k}" if k else name) for k in ks or [0]]
        rows.append(
            (
                [escape(name)]
                + [f"{value.mean:.4f} <small>± {value.error:.4f}</small>" if value else "" for value in values],
                False,
            )
        )
    text = '<section><h2>Accuracy</h2><p class="soft">Mean over users ± its standard error.</p>'
    text += table(["", *(f"at {k}" for k in ks)] if ks else ["", "value"], rows)
    if report.slices:
        shown = [name for name, _ in _leading(report)]
        text += table(
            ["slice", "users", *shown],
            [
                (
                    [escape(name), f"{one.get('users', 0):,.0f}", *(_optional(one.get(metric)) for metric in shown)],
                    False,
                )
                for name, one in report.slices.items()
            ],
        )
    return text + "</section>"


def _beyond(report: Report) -> str:
    figures = []
    if report.recommended_deciles and report.chosen_deciles:
        figures.append(
            '<figure class="card"><h3>Popularity of what is recommended</h3>'
            + decile_chart(report.recommended_deciles, report.chosen_deciles)
            + '<figcaption><span class="key bar"></span>recommended<span class="key quiet"></span>chosen before. '
            "Tenths of the catalogue, most popular first.</figcaption></figure>"
        )
    if report.beyond:
        entries = "".join(
            f"<dt>{escape(name)}</dt><dd><b>{value:.3f}</b> "
            f'<span class="soft">{MEANINGS.get(name.partition("@")[0], "")}</span></dd>'
            for name, value in report.beyond.items()
        )
        figures.append(f'<div class="card"><h3>In numbers</h3><dl>{entries}</dl></div>')
    return f'<section><h2>Beyond accuracy</h2><div class="grid2">{"".join(figures)}</div></section>' if figures else ""


def _samples(report: Report) -> str:
    cards = []
    for sample in report.samples:
        taken = set(sample.taken)
        listed = "".join(
            f'<li class="hit">{escape(title)} ✓</li>' if title in taken else f"<li>{escape(title)}</li>"
            for title in sample.recommended
        )
        cards.append(
            f'<div class="card"><h3>{escape(sample.user)}</h3><p class="soft">Did last: '
            f"{escape(', '.join(sample.history)) or 'nothing'}</p><ol>{listed}</ol>"
            f'<p class="soft">Took next: {escape(", ".join(sample.taken)) or "unknown"}</p></div>'
        )
    return f'<section><h2>Some users</h2><div class="grid2">{"".join(cards)}</div></section>' if cards else ""


def _origin(report: Report) -> str:
    entries = [
        ("protocol", f"{escape(report.protocol.words())} <code>{report.fingerprint}</code>"),
        ("data", f"{escape(report.dataset.name)} <code>{escape(report.dataset.digest[:16])}</code>"),
        ("seed", str(report.seed)),
        ("command", f"<code>{escape(report.command)}</code>" if report.command else ""),
        (
            "time",
            f"{duration(report.seconds)}, {duration(report.cpu_seconds)} of processor" if report.seconds else "",
        ),
        ("hardware", escape(", ".join(report.hardware.values()))),
        ("versions", escape(", ".join(f"{name} {version}" for name, version in report.versions.items()))),
        ("written", escape(report.written)),
    ]
    shown = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in entries if text)
    return f"<section><h2>How this was measured</h2><dl>{shown}</dl></section>"


def _leading(report: Report) -> list[tuple[str, Value]]:
    """The few metrics that stand for the rest, those at 10 where there are such."""
    if report.reliability:
        return [(name, report.metrics[name]) for name in leading(report)]
    wanted = ["NDCG@10", "HR@10", "Recall@10", "MRR@10"]
    found = [(name, report.metrics[name]) for name in wanted if name in report.metrics]
    values = [value.mean for _, value in found]
    # with one target a user, hit rate and recall are one number: once is enough
    if len(found) > 2 and [name for name, _ in found[1:3]] == wanted[1:3] and values[1] == values[2]:
        del found[2]
    return found or list(report.metrics.items())[:4]


def _optional(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _memory(megabytes: float) -> str:
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"
