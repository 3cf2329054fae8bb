"""`segue llm`: make a small language model on the spot, and ask what it would take to train a large one."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from segue.cli.words import Device, Json, print_json, settings, start_torch

if TYPE_CHECKING:
    from segue.language.estimate import Estimate, Line
    from segue.language.tiny import TinyReport

app = typer.Typer(
    help="Language models for recommenders: make a small one, plan for a large one.", no_args_is_help=True
)


@app.command(name="make-tiny")
def make_tiny(
    data: Annotated[str, typer.Option(help="A log whose items have titles, as for 'segue fit'; or 'world'.")],
    out: Annotated[Path, typer.Option(help="The checkpoint folder to make.")],
    family: Annotated[str | None, typer.Option(help="llama, qwen2 or qwen3.")] = None,
    vocabulary: Annotated[int | None, typer.Option(help="Tokens, from 300 to 4000; 2000 unless given.")] = None,
    width: Annotated[int | None, typer.Option(help="Coordinates of a state; 128 unless given.")] = None,
    depth: Annotated[int | None, typer.Option(help="Layers; 4 unless given.")] = None,
    steps: Annotated[int | None, typer.Option(help="Training steps of about 2,000 tokens; 200 unless given.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Another setting of the checkpoint (heads=8), of what it "
                     "reads (corpus.histories=0), of the data (data.core=5) or of the split. May be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the weights and of what is read.")] = 0,
    device: Device = "auto",
    as_json: Json = False,
) -> None:  # fmt: skip
    """Train a tokenizer and a small language model on the titles of a log, in minutes and without a download.

    The folder is an ordinary checkpoint: whatever is tried with it takes the same path with real weights. The model
    reads each title once, descriptions, and lists of titles from the training histories; never an event that the split
    holds out, so give the split (--set split=...) that you will fit with. It knows nothing but your data: numbers
    measured with it say nothing about large language models.

    Examples:
      segue llm make-tiny --data ml-1m/ --out checkpoints/ml-1m
      segue llm make-tiny --data log.csv --out checkpoints/qwen --family qwen3 --width 64 --depth 2 --vocabulary 1000
    """
    place = start_torch(device)
    from segue.cli.progress import Bar
    from segue.core.run import Run
    from segue.workflows.language import make
    from segue.workflows.tokenize import OURS

    named = {"family": family, "vocabulary": vocabulary, "width": width, "depth": depth, "steps": steps}
    chosen = settings(changes) | {name: value for name, value in named.items() if value is not None}
    bar = Bar()
    try:
        report = make(data, out, chosen, Run(seed=seed, device=place, watches=() if as_json else (bar,)))
    except KeyboardInterrupt:
        typer.secho(f"\nstopped; nothing was written to {out}.", err=True)
        raise typer.Exit(130) from None
    finally:
        bar.end()
    if as_json:
        print_json({"folder": str(out), **report.model_dump(mode="json")})
        return
    _show(report, out)
    theirs = "".join(f" --set {quote(one)}" for one in changes or () if one.split("=")[0].split(".")[0] in OURS)
    typer.echo(
        f"learn on it:  segue fit bigrec --data {quote(data)}{theirs} --set backbone.checkpoint={quote(str(out))}"
    )


@app.command()
def estimate(
    checkpoint: Annotated[
        str, typer.Argument(metavar="CHECKPOINT", help="A folder, or a name on the Hugging Face hub; only its config "
                            "is read.", show_default=False)
    ],
    device: Annotated[
        str, typer.Option(help="h200, h100, a100, 4090, or 'here' to measure this machine's CPU.")
    ] = "h200",
    samples: Annotated[int, typer.Option(min=1, help="Prompts of an epoch.")] = 4096,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over them.")] = 7,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens of a prompt with its response.")] = 150,
    response: Annotated[int, typer.Option(min=1, help="How many of these are of the response.")] = 20,
    batch: Annotated[int, typer.Option(min=1, help="Prompts computed at once.")] = 8,
    rank: Annotated[int, typer.Option(min=0, help="Of the adapters (LoRA); 0 learns all weights.")] = 8,
    targets: Annotated[str, typer.Option(help="Layers with adapters, separated by commas.")] = "q_proj,v_proj",
    precision: Annotated[str, typer.Option(help="bfloat16 or float32, of frozen weights and products.")] = "bfloat16",
    bits: Annotated[int | None, typer.Option(help="4 or 8: frozen weights rounded to so many bits.")] = None,
    checkpointing: Annotated[bool, typer.Option(help="Compute layers again in the backward pass.")] = False,
    asked: Annotated[int, typer.Option(min=1, help="Users that are asked for afterwards.")] = 1000,
    together: Annotated[int, typer.Option(min=1, help="Users that are asked for at once.")] = 16,
    beams: Annotated[int, typer.Option(min=1, help="Texts written for each of them.")] = 4,
    items: Annotated[int, typer.Option(min=1, help="Titles of the catalogue.")] = 10_000,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Say what memory and time a language model takes, before anything is downloaded or bought.

    Counts are exact; memory is right within a factor of two, and so are times, which take for granted that a device
    reaches two fifths of its best rate. Each number says how it comes about.

    Examples:
      segue llm estimate meta-llama/Llama-3.2-3B --device 4090 --checkpointing
      segue llm estimate checkpoints/ml-1m --device here --precision float32
    """
    from segue.language.estimate import Plan
    from segue.language.estimate import estimate as reckon

    plan = Plan.parse(
        {
            "samples": samples, "epochs": epochs, "tokens": tokens, "response": response, "batch": batch, "rank": rank,
            "targets": [name.strip() for name in targets.split(",") if name.strip()], "precision": precision,
            "bits": bits, "gradient_checkpointing": checkpointing, "asked": asked, "together": together,
            "beams": beams, "items": items,
        }
    )  # fmt: skip
    found = reckon(checkpoint, plan, device)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _tell(found)


def _tell(found: Estimate) -> None:
    from itertools import groupby

    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"{found.checkpoint} on {found.device}", highlight=False, markup=False)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim")
    for part, lines in groupby(found.lines, key=lambda line: line.part):
        table.add_row(f"[cyan]{part}[/cyan]")
        for line in lines:
            table.add_row(line.name, _amount(line), line.how)
    console.print(table)


def _amount(line: Line) -> str:
    amount = line.amount
    if line.unit == "seconds":
        return f"{amount:.1f} s" if amount < 120 else f"{amount / 60:.1f} min" if amount < 7200 else (
            f"{amount / 3600:.1f} h"
        )  # fmt: skip
    if line.unit == "":
        return f"{amount:,.0f}"
    for size, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if amount >= size:
            return f"{amount / size:,.2f} {prefix}{'B' if line.unit == 'bytes' else 'FLOP'}"
    return f"{amount:,.0f} {'B' if line.unit == 'bytes' else 'FLOP'}"


def _show(report: TinyReport, folder: Path) -> None:
    typer.echo(
        f"{report.settings['family']} in {folder}: {report.parameters:,} parameters, {report.vocabulary:,} tokens, "
        f"{report.seconds:.0f} s"
    )
    typer.echo(f"read: {report.texts:,} texts, {report.tokens:,} tokens, each {report.seen / report.tokens:.1f} times")
    typer.echo(
        f"loss: {report.loss_before:.2f} before, {report.loss_after:.2f} after, in nats a token of what was read; who "
        f"knows only how frequent each token is: {report.entropy:.2f}"
    )
