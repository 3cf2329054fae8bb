"""The pages for people: files of this package, served as they are, with nothing from anywhere else allowed in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from segue.service.problems import not_found

router = APIRouter(include_in_schema=False)
TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",  # kept by the browser, and asked about each time: an update is seen at once
}


@dataclass(frozen=True)
class File:
    """One of the studio's files."""

    body: bytes
    media_type: str
    tag: str
    """Of its contents."""


@router.get("/")
def begin() -> RedirectResponse:
    """To the studio."""
    return RedirectResponse("studio/")


@router.get("/studio")
def enter() -> RedirectResponse:
    """To the studio, with the slash that its relative addresses need."""
    return RedirectResponse("studio/")


@router.get("/studio/{path:path}")
def show_file(path: str, request: Request) -> Response:
    """A file of the studio; the name is looked up among those there are."""
    file = files().get(path or "index.html")
    if file is None:
        raise not_found("page", path)
    headers = {**HEADERS, "ETag": file.tag}
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(file.body, media_type=file.media_type, headers=headers)


@cache
def files() -> dict[str, File]:
    """All files of the studio, by their path below it."""
    return dict(_files(resources.files("segue.service") / "studio", ""))


def _files(folder: Traversable, begins: str) -> Iterator[tuple[str, File]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, f"{begins}{entry.name}/")
        elif (suffix := entry.name.rpartition(".")[2]) in TYPES:
            body = entry.read_bytes()
            yield (
                begins + entry.name,
                File(body, TYPES[suffix], f'"{hashlib.blake2b(body, digest_size=8).hexdigest()}"'),
            )
