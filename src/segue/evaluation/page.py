"""A report as one page: no network, no script, light or dark as the reader's screen is, and fit for a phone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from segue.evaluation.charts import decile_chart, interval_chart, line_chart
from segue.evaluation.comparison import Comparison, Row, number
from segue.evaluation.report import Report, Value, write_atomically

STYLE = """
:root{color-scheme:light dark;--paper:#fbfaf7;--card:#fff;--ink:#1d2326;--soft:#667076;--line:#e4e1d9;--accent:#0f766e;
--wash:#e6f2f0;--quiet:#c3c7c4}
@media (prefers-color-scheme:dark){:root{--paper:#14181a;--card:#1b2124;--ink:#e8e6e1;--soft:#98a2a6;--line:#2d3539;
--accent:#4fc3b4;--wash:#1d3533;--quiet:#525c61}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
sans-serif;-webkit-text-size-adjust:100%}
main{max-width:62rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}
h1{font-size:clamp(1.7rem,5vw,2.4rem);line-height:1.15;margin:0 0 .4rem;letter-spacing:-.02em}
h2{font-size:1.15rem;margin:2.6rem 0 .3rem;letter-spacing:-.01em}
h3{font-size:.9rem;font-weight:600;margin:0 0 .5rem}
p{margin:.3rem 0 .9rem;max-width:46rem}header p{max-width:none}
.soft,figcaption{color:var(--soft)}
.over{color:var(--accent);font-weight:600;font-size:.8rem;letter-spacing:.08em;margin:0 0 .5rem;
text-transform:uppercase}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.75rem;margin:1.5rem 0 0}
.tile,.card{background:var(--card);border:1px solid var(--line);border-radius:.75rem}
.tile{padding:.8rem 1rem}.tile b{display:block;font-size:1.45rem;line-height:1.25;letter-spacing:-.02em}
.tile span{color:var(--soft);font-size:.82rem}
.card{padding:1rem 1.1rem;margin:0;min-width:0}
.grid2{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:.9rem;margin-top:.8rem}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:.75rem;margin-top:.8rem}
table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}
th,td{padding:.5rem .9rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th{color:var(--soft);font-weight:500;font-size:.82rem}
th:first-child,td:first-child{text-align:left}
tr:last-child td{border-bottom:0}
tr.us td{background:var(--wash);font-weight:600}
td small{color:var(--soft);font-weight:400}
td i{color:var(--accent);font-style:normal;display:inline-block;min-width:1.7em;margin-left:.25em;
text-align:left}
svg{width:100%;height:auto;display:block;max-width:34rem}
svg text{fill:var(--soft);font-size:11px;font-family:inherit;font-variant-numeric:tabular-nums}
.grid{stroke:var(--line)}.axis{stroke:var(--soft);stroke-dasharray:2 3}
.line{fill:none;stroke:var(--accent);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.dot,.bar{fill:var(--accent)}.quiet{fill:var(--quiet)}
figcaption{font-size:.85rem;margin-top:.4rem}
.key{display:inline-block;width:.7em;height:.7em;border-radius:2px;margin:0 .35em 0 0}
.key.bar{background:var(--accent)}.key.quiet{background:var(--quiet);margin-left:.9em}
ol,ul{margin:.2rem 0 .6rem;padding-left:1.3rem}li{margin:.1rem 0}
li.hit{color:var(--accent);font-weight:600}
dl{display:grid;grid-template-columns:minmax(7rem,auto) 1fr;gap:.35rem 1.2rem;margin:.8rem 0 0;font-size:.92rem}
dt{color:var(--soft)}dd{margin:0;min-width:0;overflow-wrap:anywhere}
code{font:.86em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;background:var(--wash);padding:.1em .35em;
border-radius:.3em;overflow-wrap:anywhere}
@media print{body{background:#fff}.card,.tile,.scroll{break-inside:avoid}}
"""

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
    write_atomically(path, page(report, comparison))


def page(report: Report, comparison: Comparison | None = None) -> str:
    """The whole page as text; what the report does not have is left out of it."""
    title = f"{report.recipe} on {report.dataset.name}"
    sections = (
        _head(report),
        _compared(report, comparison),
        _curves(report),
        _accuracy(report),
        _beyond(report),
        _samples(report),
        _origin(report),
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(section for section in sections if section)
        + "\n</main>\n</body>\n</html>\n"
    )


def _head(report: Report) -> str:
    data = report.dataset
    tiles = [(name, f"{value.mean:.4f}") for name, value in _leading(report)]
    tiles += [(name, f"{value:.1%}") for name, value in report.beyond.items() if name.startswith("coverage")]
    if report.seconds:
        tiles.append(("to train", _duration(report.seconds)))
    if report.peak_memory_mb:
        tiles.append(("peak memory", _memory(report.peak_memory_mb)))
    shown = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(name)}</span></div>' for name, value in tiles
    )
    return (
        f'<header><p class="over">Segue report</p><h1>{escape(report.recipe)} on {escape(data.name)}</h1>'
        f'<p class="soft">{data.users:,} users, {data.items:,} items, {data.events:,} events. Measured on '
        f"{report.users:,} users under protocol <code>{report.fingerprint}</code>.</p>"
        f'<div class="tiles">{shown}</div></header>'
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
    figure = (
        f'<figure class="card" style="margin-top:.8rem"><h3>{escape(metrics[0])}: difference to {first}</h3>{chart}'
        "<figcaption>Mean over users with its 95 % bootstrap interval. Grey intervals include no difference."
        "</figcaption></figure>"
    )
    return (
        f'<section><h2>Beside others</h2><p class="soft">{escape(comparison.words())}</p>'
        f"{_table(head, rows)}{figure if chart else ''}</section>"
    )


def _cell(row: Row, metric: str) -> str:
    mean, _, around = number(row.spreads[metric]).partition(" ± ")
    return f"{mean} <small>± {around}</small><i>{row.mark(metric)}</i>" if around else f"{mean}<i></i>"


def _curves(report: Report) -> str:
    charts = [(name, line_chart(points, name)) for name, points in report.curves.items()]
    figures = "".join(
        f'<figure class="card"><h3>{escape(name)}</h3>{chart}</figure>' for name, chart in charts if chart
    )
    return f'<section><h2>Training</h2><div class="grid2">{figures}</div></section>' if figures else ""


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
    text += _table(["", *(f"at {k}" for k in ks)] if ks else ["", "value"], rows)
    if report.slices:
        shown = [name for name, _ in _leading(report)]
        text += _table(
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
            f"{_duration(report.seconds)}, {_duration(report.cpu_seconds)} of processor" if report.seconds else "",
        ),
        ("hardware", escape(", ".join(report.hardware.values()))),
        ("versions", escape(", ".join(f"{name} {version}" for name, version in report.versions.items()))),
        ("written", escape(report.written)),
    ]
    shown = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in entries if text)
    return f"<section><h2>How this was measured</h2><dl>{shown}</dl></section>"


def _leading(report: Report) -> list[tuple[str, Value]]:
    """The few metrics that stand for the rest, those at 10 where there are such."""
    wanted = ["NDCG@10", "HR@10", "Recall@10", "MRR@10"]
    found = [(name, report.metrics[name]) for name in wanted if name in report.metrics]
    values = [value.mean for _, value in found]
    # with one target a user, hit rate and recall are one number: once is enough
    if len(found) > 2 and [name for name, _ in found[1:3]] == wanted[1:3] and values[1] == values[2]:
        del found[2]
    return found or list(report.metrics.items())[:4]


def _table(head: Sequence[str], rows: Iterable[tuple[Sequence[str], bool]]) -> str:
    """Cells are HTML already; a row with True stands out."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(
        ('<tr class="us">' if ours else "<tr>") + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
        for cells, ours in rows
    )
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _optional(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.3g} s"
    if seconds < 5_400:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


def _memory(megabytes: float) -> str:
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"
