import hashlib
import io
import json
import shutil
import tarfile
import threading
import urllib.request
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from segue.core.errors import DataError
from segue.data import download
from segue.data.download import fetch, get, unpack
from segue.data.public_sets import PUBLIC_SETS, PublicSet, RemoteFile


def zipped(names):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(names):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in names.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


class Server:
    """A publisher: `content` by name; the first `breaks` answers stop in the middle; `ranges` may be off."""

    def __init__(self):
        self.content: dict[str, bytes] = {}
        self.breaks = 0
        self.ranges = True
        self.fails = 0
        self.asked: list[str | None] = []
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                publisher.answer(self)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, request):
        span = request.headers.get("Range")
        self.asked.append(span)
        whole = self.content.get(request.path.lstrip("/"))
        if self.fails:
            self.fails -= 1
            request.send_error(503)
            return
        if whole is None:
            request.send_error(404)
            return
        start = int(span.removeprefix("bytes=").rstrip("-")) if span and self.ranges else 0
        if start >= len(whole) and start:
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(whole)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        body = whole[start:]
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if self.breaks:
            self.breaks -= 1
            body = body[: len(body) // 2]
            request.close_connection = True
        request.wfile.write(body)


@pytest.fixture
def server():
    publisher = Server()
    yield publisher
    publisher.http.shutdown()
    publisher.http.server_close()


BYTES = bytes(range(256)) * 5000


def test_a_file_comes_whole_and_tells_its_progress(server, tmp_path):
    server.content["a.bin"] = BYTES
    told = []
    remote = RemoteFile(f"{server.address}/a.bin", hashlib.md5(BYTES).hexdigest())
    file = fetch(remote, tmp_path, lambda name, done, total: told.append((name, done, total)))
    assert file.read_bytes() == BYTES
    assert told[-1] == ("a.bin", len(BYTES), len(BYTES))
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_a_broken_line_is_taken_up_where_it_broke(server, tmp_path):
    server.content["a.bin"] = BYTES
    server.breaks = 2
    file = fetch(RemoteFile(f"{server.address}/a.bin", hashlib.sha256(BYTES).hexdigest()), tmp_path)
    assert file.read_bytes() == BYTES
    assert server.asked == [None, f"bytes={len(BYTES) // 2}-", f"bytes={len(BYTES) * 3 // 4}-"]


def test_a_later_process_goes_on_from_the_part(server, tmp_path):
    server.content["a.bin"] = BYTES
    server.breaks = 9
    with pytest.raises(DataError, match=r"broke 2 times.*bytes are kept in .*a\.bin\.part"):
        fetch(RemoteFile(f"{server.address}/a.bin"), tmp_path, attempts=2)
    assert not (tmp_path / "a.bin").exists()
    server.breaks, server.asked = 0, []
    assert fetch(RemoteFile(f"{server.address}/a.bin"), tmp_path).read_bytes() == BYTES
    assert server.asked == [f"bytes={len(BYTES) * 3 // 4}-"]


def test_a_part_that_is_whole_already_needs_no_more_bytes(server, tmp_path):
    server.content["a.bin"] = BYTES
    (tmp_path / "a.bin.part").write_bytes(BYTES)
    assert fetch(RemoteFile(f"{server.address}/a.bin"), tmp_path).read_bytes() == BYTES


def test_a_part_longer_than_the_file_is_thrown_away(server, tmp_path):
    server.content["a.bin"] = BYTES
    (tmp_path / "a.bin.part").write_bytes(BYTES + b"old")
    assert fetch(RemoteFile(f"{server.address}/a.bin"), tmp_path).read_bytes() == BYTES


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.content["a.bin"] = BYTES
    server.ranges = False
    server.breaks = 1
    assert fetch(RemoteFile(f"{server.address}/a.bin"), tmp_path).read_bytes() == BYTES


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    server.content["a.bin"] = BYTES
    with pytest.raises(DataError, match=r"a\.bin: its md5 is .*, the publisher's is 0000"):
        fetch(RemoteFile(f"{server.address}/a.bin", "0" * 32), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_checked_and_not_fetched(server, tmp_path):
    (tmp_path / "a.bin").write_bytes(BYTES)
    assert fetch(RemoteFile(f"{server.address}/a.bin", hashlib.md5(BYTES).hexdigest()), tmp_path).exists()
    assert server.asked == []
    with pytest.raises(DataError, match="delete it and run"):
        fetch(RemoteFile(f"{server.address}/a.bin", "0" * 32), tmp_path)


def test_nobody_is_sent_from_https_to_http():
    steps = download._NoStepDown()
    secure, plain = (urllib.request.Request(f"{scheme}://publisher.example/a.zip") for scheme in ("https", "http"))
    with pytest.raises(DataError, match=r"sends us on to http://other\.example/a\.zip, which is not https"):
        steps.redirect_request(secure, None, 302, "Found", {}, "http://other.example/a.zip")
    for request, to in ((secure, "https://other.example/a.zip"), (plain, "http://other.example/a.zip")):
        assert steps.redirect_request(request, None, 302, "Found", {}, to).full_url == to


def test_a_missing_file_is_said_at_once_and_a_busy_server_asked_again(server, tmp_path):
    with pytest.raises(DataError, match=r"answers 404.*home page"):
        fetch(RemoteFile(f"{server.address}/gone.zip"), tmp_path)
    assert len(server.asked) == 1
    server.content["a.bin"] = b"x"
    server.fails = 1
    assert fetch(RemoteFile(f"{server.address}/a.bin"), tmp_path).read_bytes() == b"x"


def test_without_network_there_is_a_clear_word(server, tmp_path):
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(DataError, match=r"cannot be reached.*Is there a network.*put it at .*a\.bin"):
        fetch(RemoteFile(f"{server.address}/a.bin"), tmp_path)


@pytest.mark.parametrize("name", ["../evil.txt", "ok/../../evil.txt", "/evil.txt", "..\\evil.txt", "C:\\evil.txt"])
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_archives_that_point_outside_are_refused_whole(tmp_path, name, kind):
    folder = tmp_path / "inside"
    folder.mkdir()
    names = {"good.txt": b"1", name: b"2"}
    (folder / f"a.{kind}").write_bytes(zipped(names) if kind == "zip" else tarred(names))
    with pytest.raises(DataError, match="points outside its folder; nothing was unpacked"):
        unpack(folder / f"a.{kind}", folder)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [f"a.{kind}", "inside"]


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_an_archive_that_unpacks_to_a_thousandfold_is_refused_whole(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(download, "SMALL", 1_000_000)
    names = {"good.txt": b"1", "bomb.txt": bytes(2_000_000)}
    packed = zipped(names) if kind == "zip" else tarred(names)
    (tmp_path / f"a.{kind}").write_bytes(packed)
    with pytest.raises(DataError, match=r"more than 1,000,000 bytes.*nothing was unpacked"):
        unpack(tmp_path / f"a.{kind}", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"a.{kind}"]
    monkeypatch.setattr(download, "SMALL", 2_000_001)
    unpack(tmp_path / f"a.{kind}", tmp_path)
    assert (tmp_path / "bomb.txt").stat().st_size == 2_000_000


def test_an_archive_of_too_many_files_or_for_a_full_disk_is_refused(tmp_path, monkeypatch):
    (tmp_path / "a.zip").write_bytes(zipped({"x": b"1", "y": b"23"}))
    with monkeypatch.context() as patched:
        patched.setattr(download, "MEMBERS", 1)
        with pytest.raises(DataError, match=r"or 1 files"):
            unpack(tmp_path / "a.zip", tmp_path)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(9, 7, 2))
    with pytest.raises(DataError, match=r"unpacks to 3 bytes and more, and .* has room for 2"):
        unpack(tmp_path / "a.zip", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_damaged_archive_is_named(tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped({"x": b"1" * 999})[:-30])
    with pytest.raises(DataError, match=r"a\.zip is not a whole zip"):
        unpack(tmp_path / "a.zip", tmp_path)
    (tmp_path / "a.tar.gz").write_bytes(tarred({"x": b"1" * 999})[:-30])
    with pytest.raises(DataError, match=r"a\.tar\.gz could not be unpacked"):
        unpack(tmp_path / "a.tar.gz", tmp_path)


def test_a_set_is_fetched_unpacked_and_its_receipt_kept(server, tmp_path):
    content = zipped({"mini/ratings.csv": "userId,movieId,rating,timestamp\n1,2,3,881250949\n"})
    server.content["mini.zip"] = content
    chosen = PublicSet("mini", "Mini", "home", "free", (RemoteFile(f"{server.address}/mini.zip"),), ready="mini")
    ready = get(chosen, tmp_path / "raw")
    assert (ready / "ratings.csv").is_file()
    (received,) = json.loads((tmp_path / "raw" / "received.json").read_text())["files"]
    assert received["sha256"] == hashlib.sha256(content).hexdigest()


def test_the_list_has_what_a_person_needs(tmp_path):
    assert {"ml-100k", "ml-1m", "ml-20m", "amazon-2014-beauty", "kuairand-pure"} <= set(PUBLIC_SETS)
    for name, entry in PUBLIC_SETS.items():
        assert entry.name == name
        assert entry.licence
        assert bool(entry.files) != bool(entry.manual)
        assert all(file.address.startswith("https://") for file in entry.files)
        certain = name.startswith(("ml-", "kuairand")) and name != "ml-latest-small"
        if entry.files:
            assert entry.checked.startswith("Checked" if certain else "Not checked: no checksum is published")
    with pytest.raises(DataError, match=r"tianchi.*segue data prepare"):
        get(PUBLIC_SETS["taobao"], tmp_path / "raw")
