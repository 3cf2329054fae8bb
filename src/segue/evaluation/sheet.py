"""The frame of every page: its style, its tables; no network, no script, light or dark as the reader's screen is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

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
.small{grid-template-columns:repeat(auto-fit,minmax(min(100%,16rem),1fr))}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:.75rem;margin-top:.8rem}
table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}
th,td{padding:.5rem .9rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th{color:var(--soft);font-weight:500;font-size:.82rem}
th:first-child,td:first-child{text-align:left}
tr:last-child td{border-bottom:0}
tr.us td{background:var(--wash);font-weight:600}
.tight th,.tight td{padding:.5rem .45rem}.tight th:first-child,.tight td:first-child{padding-left:.9rem}
.tight td:first-child small{display:block;white-space:normal;max-width:8rem}
td small{color:var(--soft);font-weight:400}
td i{color:var(--accent);font-style:normal;display:inline-block;min-width:1.7em;margin-left:.25em;
text-align:left}
svg{width:100%;height:auto;display:block;max-width:34rem}
svg text{fill:var(--soft);font-size:11px;font-family:inherit;font-variant-numeric:tabular-nums}
.grid{stroke:var(--line)}.axis{stroke:var(--soft);stroke-dasharray:2 3}
.line{fill:none;stroke:var(--accent);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.second{stroke:var(--quiet)}.thin{stroke-width:1;opacity:.6}
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
.wrap{white-space:normal;display:inline-block;text-align:left;min-width:12rem}
@media print{body{background:#fff}.card,.tile,.scroll{break-inside:avoid}}
"""


def sheet(title: str, sections: Iterable[str]) -> str:
    """A whole page; the sections are HTML already, and empty ones are left out."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(section for section in sections if section)
        + "\n</main>\n</body>\n</html>\n"
    )


def table(head: Sequence[str], rows: Iterable[tuple[Sequence[str], bool]]) -> str:
    """Cells are HTML already; a row with True stands out."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(
        ('<tr class="us">' if ours else "<tr>") + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
        for cells, ours in rows
    )
    tight = ' class="tight"' if len(head) > 5 else ""
    return f'<div class="scroll"><table{tight}><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def figure(title: str, chart: str, caption: str = "") -> str:
    """A drawing on a card with its title above and its caption below, both HTML already; nothing without a drawing."""
    said = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f'<figure class="card"><h3>{title}</h3>{chart}{said}</figure>' if chart else ""


def tiles(shown: Iterable[tuple[str, str]]) -> str:
    """Names and values as a row of small cards."""
    cards = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(name)}</span></div>' for name, value in shown
    )
    return f'<div class="tiles">{cards}</div>'


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 100:
        return f"{seconds:.3g} s"
    if seconds < 5_400:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"
