"""Fetching a file so that a broken line costs nothing: resumed, checked, renamed when whole, unpacked safely."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import shutil
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from segue.core.errors import DataError
from segue.data.public_sets import PublicSet, RemoteFile

Progress = Callable[[str, int, int | None], None]
"""Is told the file, the bytes that are there, and the bytes it will have (where the server says)."""

_BLOCK = 1 << 18
MEMBERS = 100_000
"""Files of one archive at most."""
SMALL, RATIO = 1_000_000_000, 50
"""Bytes that any archive may unpack to, and how many times its own size a larger one may: real sets are packed to a
fifth, and a thousandfold is an attack."""
RECEIPT = "received.json"


def get(chosen: PublicSet, folder: Path, progress: Progress | None = None) -> Path:
    """Fetches and unpacks a set into `folder`; gives the path that can be prepared.

    A file that is there already is not fetched again. What was received (address, size, sha256) is recorded.

    Raises:
        DataError: there is no network, no such file, a wrong checksum, or an archive that is not safe.
    """
    if chosen.manual:
        raise DataError(f"{chosen.name} cannot be fetched by a program. {chosen.manual}")
    folder.mkdir(parents=True, exist_ok=True)
    receipt: dict[str, Any] = {
        "name": chosen.name, "licence": chosen.licence, "home": chosen.home, "checked": chosen.checked, "files": [],
    }  # fmt: skip
    for remote in chosen.files:
        file = fetch(remote, folder, progress)
        receipt["files"].append(
            {"address": remote.address, "bytes": file.stat().st_size, "sha256": _hash(file, "sha256")}
        )
        unpack(file, folder)
    (folder / RECEIPT).write_text(json.dumps(receipt, indent=2), encoding="utf-8")
    return folder / chosen.ready


def fetch(remote: RemoteFile, folder: Path, progress: Progress | None = None, *, attempts: int = 4) -> Path:
    """One file, continued where an earlier try (of this or another process) stopped.

    Raises:
        DataError: it cannot be had, or is not what the publisher's checksum says.
    """
    file, part = folder / remote.name, folder / f"{remote.name}.part"
    if file.exists():
        _check(remote, file, "delete it and run the command again")
        return file
    for attempt in range(1, attempts + 1):
        try:
            if _receive(remote, part, progress or (lambda name, done, total: None)):
                break
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise DataError(
                    f"{remote.address}: the server answers {error.code} ({error.reason}). The publisher may have moved "
                    "the file; look at its home page."
                ) from None
            wrong: Exception = error
        except urllib.error.URLError as error:
            raise DataError(
                f"{remote.address} cannot be reached ({error.reason}). Is there a network? Fetch the file elsewhere, "
                f"put it at {file}, and run the command again: it goes on from there."
            ) from None
        except (OSError, http.client.HTTPException) as error:
            wrong = error
        else:
            wrong = ConnectionError("the connection ended early")
        if attempt == attempts:
            have = part.stat().st_size if part.exists() else 0
            raise DataError(
                f"{remote.address}: the connection broke {attempts} times (last: {wrong}). {have:,} bytes are kept in "
                f"{part}; run the command again to go on."
            )
        time.sleep(min(0.1 * 2**attempt, 5.0))
    _check(remote, part, "the broken download was deleted; run the command again", delete=True)
    part.replace(file)
    return file


def unpack(file: Path, folder: Path) -> None:
    """Unpacks .zip and .tar.gz into `folder`; a single .gz is left as it is, since every reader takes it.

    Raises:
        DataError: the archive is damaged, it unpacks to more than the disk or good sense allow, or a name in it points
            outside the folder.
    """
    if file.name.endswith(".zip"):
        try:
            with zipfile.ZipFile(file) as archive:
                _check_members(((one.filename, one.file_size) for one in archive.infolist()), file, folder)
                archive.extractall(folder)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise DataError(f"{file} is not a whole zip archive ({error}); delete it and fetch it again.") from None
    elif file.name.endswith((".tar.gz", ".tgz")):
        try:
            with tarfile.open(file) as packed:
                _check_members(((one.name, one.size) for one in packed), file, folder)
                packed.extractall(folder, filter="data")
        except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise DataError(f"{file} could not be unpacked ({error}); delete it and fetch it again.") from None


class _NoStepDown(urllib.request.HTTPRedirectHandler):
    """Goes where a publisher sends us, but not from https to something that anybody on the way could write."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise DataError(
                f"{req.full_url}: the server sends us on to {newurl}, which is not https; nothing was fetched. Look at "
                "the publisher's home page."
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_NoStepDown)


def _receive(remote: RemoteFile, part: Path, progress: Progress) -> bool:
    """Appends what is missing; True when the file is whole."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(remote.address, headers={"User-Agent": "segue"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = _OPENER.open(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing is left to send: the part is whole, or not of this file
            if (error.headers.get("Content-Range") or "").rpartition("/")[2] == str(have):
                return True
            part.unlink()
            return False
        raise
    with response, part.open("ab") as file:
        if response.status != 206 and have:  # the server does not know ranges and starts again
            file.truncate(0)
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        while block := response.read(_BLOCK):
            file.write(block)
            have += len(block)
            progress(remote.name, have, total)
    return total is None or have == total


def _check(remote: RemoteFile, file: Path, remedy: str, *, delete: bool = False) -> None:
    if remote.checksum is None:
        return
    kind = {32: "md5", 40: "sha1", 64: "sha256"}[len(remote.checksum)]
    found = _hash(file, kind)
    if found != remote.checksum:
        if delete:
            file.unlink()
        raise DataError(
            f"{file.name.removesuffix('.part')}: its {kind} is {found}, the publisher's is {remote.checksum}; {remedy}."
        )


def _hash(file: Path, kind: str) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()


def _check_members(members: Iterable[tuple[str, int]], file: Path, folder: Path) -> None:
    """Looks at names and sizes as they come, so that what would unpack without end is not read to its end."""
    allowed = max(SMALL, RATIO * file.stat().st_size)
    free = shutil.disk_usage(folder).free
    total = 0
    for count, (name, size) in enumerate(members, 1):
        _safe(name, file)
        total += size
        if total > allowed or count > MEMBERS:
            raise DataError(
                f"{file} would unpack to more than {allowed:,} bytes or {MEMBERS:,} files, which no set of its size "
                "does; nothing was unpacked."
            )
        if total > free:
            raise DataError(
                f"{file} unpacks to {total:,} bytes and more, and {folder} has room for {free:,}; nothing was unpacked."
            )


def _safe(name: str, file: Path) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or any(":" in part for part in path.parts[:1]):
        raise DataError(f"{file} holds the name {name!r}, which points outside its folder; nothing was unpacked.")
