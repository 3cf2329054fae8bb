"""`segue tokenize` and `segue codes`: give items codes, look into them, add new items."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from segue.cli.words import Device, Json, print_json, settings, start_torch

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

    from segue.evaluation.code_health import CodeHealth
    from segue.workflows.codes import Node, Place

app = typer.Typer(help="Look into the codes of items, check their health, add new items.", no_args_is_help=True)

Codes = Annotated[
    Path,
    typer.Argument(
        metavar="CODES", help="A folder that 'segue tokenize' wrote, or a run of a token system.", show_default=False
    ),
]


def tokenize(
    data: Annotated[str, typer.Option(help="A log, as for 'segue fit'; its items must have what is encoded (titles).")],
    out: Annotated[Path, typer.Option(help="The folder of codes to make.")],
    tokenizer: Annotated[
        str | None,
        typer.Option(help="A kind of tokenizer, or a system that has one; tiger_tuned unless given."),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="A setting of the tokenizer (size=64, encoder.width=64), of "
                     "the data (data.core=5) or of the split. May be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of codebooks and of what is drawn.")] = 0,
    overwrite: Annotated[bool, typer.Option(help="Replace codes that are there.")] = False,
    device: Device = "auto",
    as_json: Json = False,
) -> None:  # fmt: skip
    """Give each item of a log a short tuple of codes, and say how well they serve.

    Examples:
      segue tokenize --data reviews/ --out codes/
      segue tokenize --data log.csv --out codes/ --tokenizer residual_k_means --set size=64 --set encoder.width=64
    """
    place = start_torch(device)
    from segue.cli.progress import Bar
    from segue.core.run import Run
    from segue.workflows.tokenize import OURS, USUAL, experiment_of, tokenizer_of
    from segue.workflows.tokenize import tokenize as make_codes

    chosen = settings(changes)
    bar = Bar()
    run = Run(seed=seed, device=place, watches=() if as_json else (bar,))
    try:
        _, health = make_codes(
            tokenizer_of(tokenizer, chosen), experiment_of(data, chosen, seed), out, run, overwrite=overwrite
        )
    except KeyboardInterrupt:
        typer.secho(f"\nstopped; nothing was written to {out}.", err=True)
        raise typer.Exit(130) from None
    finally:
        bar.end()
    if as_json:
        print_json({"folder": str(out), **health.model_dump(mode="json")})
        return
    _show_health(health, out)
    typer.echo(f"report: {out / 'report.html'}")
    typer.echo(f"look inside:  segue codes inspect {out}")
    theirs = "".join(f" --set {quote(one)}" for one in changes or () if one.split("=")[0].split(".")[0] in OURS)
    typer.echo(f"learn on it:  segue fit {USUAL} --data {data}{theirs} --set tokenizer={out}")


@app.command()
def inspect(
    codes: Codes,
    prefix: Annotated[str, typer.Option(help="Begin at this prefix, such as 12,7.")] = "",
    item: Annotated[str | None, typer.Option(help="Show where the item of this id is.")] = None,
    depth: Annotated[int, typer.Option(min=1, help="Levels below the prefix.")] = 2,
    n: Annotated[int, typer.Option("-n", min=1, help="Codes, or items, shown at each place.")] = 10,
    as_json: Json = False,
) -> None:
    """Browse the tree of codes: what each prefix means, in the words typical of its items.

    Example: segue codes inspect codes/ --prefix 12 -n 5
    """
    from rich.console import Console

    from segue.workflows.codes import browse, open_codes, place_of

    tokenizer = open_codes(codes)
    if item is not None:
        place = place_of(tokenizer, item, n)
        if as_json:
            print_json(place.model_dump(mode="json"))
        else:
            Console().print(_place(place))
        return
    node = browse(tokenizer, _prefix(prefix), depth, n)
    if as_json:
        print_json(node.model_dump(mode="json"))
        return
    Console().print(_tree(node, len(tokenizer.codes)))


@app.command()
def health(codes: Codes, as_json: Json = False) -> None:
    """Say how well the codes serve, and what should be seen to.

    Example: segue codes health codes/
    """
    from rich.console import Console
    from rich.text import Text

    from segue.workflows.codes import health_of

    found = health_of(codes)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    _show_health(found, codes)
    console = Console()
    for alarm in found.alarms:
        console.print(Text.assemble(("to be seen to: ", "yellow"), alarm))
    if not found.alarms:
        console.print("Nothing to be seen to.")


@app.command()
def add(
    codes: Codes,
    items: Annotated[Path, typer.Option(help="A table of items (CSV, Parquet, JSON lines) with their ids and texts.")],
    out: Annotated[Path, typer.Option(help="The folder of codes to make.")],
    overwrite: Annotated[bool, typer.Option(help="Replace codes that are there.")] = False,
    as_json: Json = False,
) -> None:
    """Give new items codes; the codes of known items stay as they are.

    Example: segue codes add codes/ --items new_items.csv --out codes-today/
    """
    from segue.workflows.codes import add_items

    added, after = add_items(codes, items, out, overwrite=overwrite)
    if as_json:
        print_json({"folder": str(out), "added": added, **after.model_dump(mode="json")})
        return
    typer.echo(f"{added:,} items added, {after.items - added:,} kept their codes.")
    _show_health(after, out)


def _prefix(text: str) -> list[int]:
    from segue.core.errors import SettingsError

    try:
        return [int(code) for code in text.replace(",", " ").split()]
    except ValueError:
        raise SettingsError(f"--prefix {text!r}: write codes as numbers, such as 12,7.") from None


def _show_health(health: CodeHealth, folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    near = any(depth.neighbours is not None for depth in health.depths)
    following = any(depth.successors is not None for depth in health.depths)
    columns = ["depth", "used", "perplexity", "collisions", "largest"]
    columns += ["near items"] if near else []
    columns += ["next items"] if following else []
    for column in columns:
        table.add_column(column, justify="left" if column == "depth" else "right", no_wrap=True)
    for level, depth in zip(health.levels, health.depths, strict=True):
        row = [
            f"{depth.depth}",
            f"{level.used:,}/{level.size:,}",
            f"{level.perplexity:.1f}",
            f"{depth.collisions:.1%}",
            f"{depth.largest:.1%}",
        ]
        row += [_beside(depth.neighbours, depth.neighbours_chance)] if near else []
        row += [_beside(depth.successors, depth.successors_chance)] if following else []
        table.add_row(*row)
    console = Console()
    seconds = health.origin.get("seconds")
    kind = health.origin.get("kind", "codes")
    took = f", {seconds:.1f} s" if isinstance(seconds, int | float) else ""
    console.print(f"{kind} in {folder}: {health.items:,} items{took}", highlight=False, markup=False)
    console.print(table)
    words = ["near, next items: share of them with the same prefix (by chance)"] if near or following else []
    if health.levels[-1].counting:
        words.append(f"level {len(health.levels)} only tells items apart that share all codes before it")
    if health.collisions_before:
        words.append(f"collisions before they were resolved {health.collisions_before[-1]:.2%}")
    if health.reconstruction is not None:
        words.append(f"the codes keep {1 - health.reconstruction:.1%} of the vectors' variance")
    if words:
        console.print("\n".join(words), highlight=False)


def _beside(value: float | None, chance: float | None) -> str:
    return "" if value is None or chance is None else f"{value:.1%} ({chance:.1%})"


def _tree(node: Node, items: int) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    whole = Text.assemble((f"{items:,} items", "bold")) if not node.prefix else _line(node, whole=True)
    tree = Tree(whole)
    _grow(tree, node)
    return tree


def _grow(tree: Tree, node: Node) -> None:
    from rich.text import Text

    for child in node.children:
        _grow(tree.add(_line(child)), child)
    if node.more:
        tree.add(Text(f"and {node.more:,} more", style="dim"))


def _line(node: Node, *, whole: bool = False) -> Text:
    from rich.text import Text

    name = ",".join(map(str, node.prefix)) if whole else str(node.prefix[-1])
    counted = f"{node.items:,} items, {node.share:.1%}" if node.items > 1 else ""
    titles = _shortened(node.titles if node.items > 1 else node.titles[:1])
    parts: list[str | tuple[str, str]] = [(name, "bold cyan")]
    parts += [("  " + counted, "")] if counted else []
    parts += [("  " + " · ".join(node.words), "green")] if node.words and node.items > 1 else []
    line = Text.assemble(*parts, ("  " + titles, "dim"))
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _place(place: Place) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    codes = ",".join(map(str, place.codes))
    tree = Tree(Text.assemble((place.item_id, "bold"), f"  {place.title}  ", (codes, "bold cyan")))
    path = tree.add("its path")
    for node in place.path:
        path = path.add(_line(node, whole=True))
    if place.beside:
        common = ",".join(map(str, place.codes[: place.together]))
        beside = tree.add(Text(f"items beside it, under {common}"))
        for other in place.beside:
            tuple_ = ",".join(map(str, other.codes))
            beside.add(Text.assemble((tuple_, "cyan"), f"  {other.item_id}  ", (other.title, "dim")))
        if place.more:
            beside.add(Text(f"and {place.more:,} more", style="dim"))
    else:
        tree.add("no other item shares its first code")
    return tree


def _shortened(titles: Sequence[str], most: int = 60) -> str:
    from html import unescape

    titles = [unescape(title) for title in titles]
    return "; ".join(title if len(title) <= most else title[: most - 1] + "…" for title in titles)
