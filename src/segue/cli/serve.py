"""`segue serve`: fitted systems behind HTTP, and the studio to look at them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from segue.cli.words import Device, start_torch

SHORTEST = 16
"""Characters that a token has at least."""


def serve(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Folders that 'segue fit' wrote.", show_default=False)
    ],
    shelf: Annotated[
        list[Path] | None,
        typer.Option(help="A folder of runs that the studio shows and that may be swapped in. May be repeated."),
    ] = None,
    traffic: Annotated[
        str | None, typer.Option(help="Shares of requests that name no system, such as a=0.9,b=0.1; all to the first.")
    ] = None,
    retriever: Annotated[str | None, typer.Option(help="The run that names candidates for --ranker.")] = None,
    ranker: Annotated[str | None, typer.Option(help="The run that sorts what --retriever names.")] = None,
    candidates: Annotated[int, typer.Option(min=1, help="Items that the retriever names for the ranker.")] = 100,
    store: Annotated[
        str | None,
        typer.Option(
            help="Where events are kept: sqlite:///FILE or postgresql://...; live.sqlite beside the first run if not."
        ),
    ] = None,
    fallback: Annotated[
        str, typer.Option(help="Who answers somebody without a history: popularity, nothing, or a run.")
    ] = "popularity",
    host: Annotated[str, typer.Option(help="Address to listen on; all but this machine's own need a token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8321,
    token_file: Annotated[
        Path | None,
        typer.Option(help="A file with the token that requests must carry; or set SEGUE_TOKEN.", show_default=False),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="A host name by which the service is called. May be repeated.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Requests answered together at most.")] = 64,
    waiting: Annotated[int, typer.Option(min=1, help="Requests that may wait for a system before 503.")] = 512,
    deadline: Annotated[float, typer.Option(min=0.1, help="Seconds until a request is given up with 503.")] = 10.0,
    rate: Annotated[
        str | None,
        typer.Option(
            help="Requests a second for each client address; none sets no limit. 100 unless only this machine can ask.",
            show_default=False,
        ),
    ] = None,
    burst: Annotated[int, typer.Option(min=1, help="Requests of a client at once before --rate counts.")] = 100,
    connections: Annotated[
        int, typer.Option(min=0, help="Connections that one client address may have open; 0 sets no bound.")
    ] = 256,
    kept: Annotated[float, typer.Option(min=0, help="Megabytes a system keeps of histories it has read.")] = 256.0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch for one answer.")] = 1,
    ledger: Annotated[Path | None, typer.Option(help="A folder of ledger rows for the studio.")] = None,
    device: Device = "auto",
) -> None:
    """Serve fitted runs over HTTP, with users' newest events taken into account, and show them in the browser.

    Examples:
      segue serve runs/mine
      segue serve runs/sasrec runs/tiger --traffic sasrec=0.9,tiger=0.1 --shelf runs
      segue serve runs/tiger runs/dfgr --retriever tiger --ranker dfgr --store postgresql://localhost/shop
    """
    place = start_torch(device)
    from segue.core.extras import require

    require("fastapi", extra="serve")
    require("uvicorn", extra="serve")
    from segue.service.listen import Listening, bound, listen
    from segue.service.open_store import open_store
    from segue.service.service import Service
    from segue.service.settings import ServiceSettings
    from segue.service.shelf import Shelf
    from segue.workflows.runs import experiment_of

    given = Shelf(runs, shelf or ())
    for run in runs:
        experiment_of(run, imports=True)  # says what is wrong with a folder that is no run
    served = given.names_of(runs)
    settings = ServiceSettings(
        host=host, port=port, token=_token(token_file), names=tuple(name or ()), traffic=_shares(traffic),
        retriever=retriever, ranker=ranker, candidates=candidates, fallback=fallback, batch=batch, waiting=waiting,
        deadline=deadline, rate=_rate(rate), burst=burst, connections=connections, kept_megabytes=kept, threads=threads,
        ledger=ledger,
    )  # fmt: skip
    listener = bound(settings)
    beside = runs[0].resolve().parent / "live.sqlite" if store is None else None
    service = Service(settings, given, served, open_store(store or f"sqlite:///{beside}"), place)
    listen(service, listener, Listening(say=lambda words: typer.echo(words, err=True), store=beside))


def _token(file: Path | None) -> str | None:
    from segue.core.errors import SettingsError

    where = "SEGUE_TOKEN" if file is None else f"--token-file {file}"
    try:
        token = os.environ.get("SEGUE_TOKEN") if file is None else file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{where} cannot be read: {error}") from None
    if token is None:
        return None
    if len(token) < SHORTEST or not token.isascii() or not token.isprintable():
        raise SettingsError(
            f"{where}: a token has {SHORTEST} plain characters or more (this one: {len(token)}); make one by "
            "'openssl rand -hex 32'."
        )
    return token


def _rate(text: str | None) -> float | None:
    from segue.core.errors import SettingsError

    if text is None:
        return None
    try:
        rate = 0.0 if text.strip().lower() == "none" else float(text)
    except ValueError:
        rate = -1.0
    if not 0 <= rate < float("inf"):
        raise SettingsError(f"--rate {text}: expected requests a second, such as 50, or none for no limit.")
    return rate


def _shares(text: str | None) -> dict[str, Any]:
    from segue.core.errors import SettingsError

    shares: dict[str, Any] = {}
    for part in (text or "").split(","):
        name, equals, share = part.strip().rpartition("=")
        if not part.strip():
            continue
        try:
            shares[name] = float(share)
        except ValueError:
            equals = ""
        if not equals or not shares[name] > 0:
            raise SettingsError(f"--traffic {text}: write it as NAME=SHARE,NAME=SHARE, such as sasrec=0.9,tiger=0.1.")
    return shares
