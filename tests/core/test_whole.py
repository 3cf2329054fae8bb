"""Files and folders: whole or not at all, and what the killed leave is swept, of the living never."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from segue.core import whole
from segue.core.whole import is_leftover, sweep, whole_file, whole_folder, write_text


def test_text_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "one.txt"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "new \ud800")

    def stopped(*_: object) -> None:
        raise OSError("stopped")

    monkeypatch.setattr(whole.os, "replace", stopped)
    with pytest.raises(OSError, match="stopped"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_who_reads_while_it_is_written_sees_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "one.txt"
    write_text(path, "old")
    with path.open() as reader:
        write_text(path, "new")
        assert reader.read() == "old"
    assert path.read_text() == "new"


def test_two_writers_of_one_process_do_not_meet(tmp_path: Path) -> None:
    with whole_file(tmp_path / "one") as first, whole_file(tmp_path / "one") as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "one").read_text() == "first"  # the outer block ends last


def test_a_folder_is_replaced_whole_or_stays(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    for content in ("old", "new"):
        with whole_folder(folder) as draft:
            (draft / "file").write_text(content)
    assert (folder / "file").read_text() == "new"
    with pytest.raises(UnicodeEncodeError), whole_folder(folder) as draft:
        (draft / "file").write_text("half \ud800", encoding="utf-8")
    assert (folder / "file").read_text() == "new"
    assert list(tmp_path.iterdir()) == [folder]


KILLED = """
import os, signal, sys
from pathlib import Path
from segue.core.whole import whole_file, whole_folder
place = Path(sys.argv[1])
with whole_file(place / "weights") as partial, whole_folder(place / "data") as draft:
    partial.write_text("half")
    (draft / "file").write_text("half")
    if sys.argv[2] == "wait":
        print("here", flush=True)
        sys.stdin.read()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), "die"], check=False)
    assert len(list(tmp_path.iterdir())) == 2
    assert all(is_leftover(path) for path in tmp_path.iterdir())
    living = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert living.stdout is not None
    living.stdout.readline()
    assert len(sweep(tmp_path)) == 1  # the living one swept the folder's leftover itself when it began
    left = list(tmp_path.iterdir())
    assert sorted(path.is_dir() for path in left) == [False, True]
    assert all(f".{living.pid}-" in path.name for path in left)
    living.kill()
    living.communicate()
    assert len(sweep(tmp_path)) == 2
    assert list(tmp_path.iterdir()) == []


def dead() -> int:
    """The number of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_only_leftovers_of_the_name_are_swept_where_others_work_too(tmp_path: Path) -> None:
    for name in ("mine", "yours"):
        (tmp_path / f".{name}.{dead()}.partial").write_text("half")
    (tmp_path / ".mine.notes").write_text("kept")
    assert [path.name.startswith(".mine") for path in sweep(tmp_path, "mine")] == [True]
    assert sorted(path.name.split(".")[1] for path in tmp_path.iterdir()) == ["mine", "yours"]


def test_what_another_machine_writes_stays_until_it_is_forgotten(tmp_path: Path) -> None:
    foreign = tmp_path / f".data.{dead()}-0123ab-4.partial"
    earlier = tmp_path / ".data.draft-0123abcd"
    for folder in (foreign, earlier):
        folder.mkdir()
        (folder / "file").write_text("half")
    assert sweep(tmp_path) == []
    yesterday = time.time() - whole.FORGOTTEN - 60
    for folder in (foreign, earlier):
        os.utime(folder, (yesterday, yesterday))
    assert sweep(tmp_path) == []  # a file in it is new
    for folder in (foreign, earlier):
        os.utime(folder / "file", (yesterday, yesterday))
    assert sorted(sweep(tmp_path)) == sorted([foreign, earlier])


def test_a_folder_whose_replacement_was_cut_off_gets_its_name_back(tmp_path: Path) -> None:
    old = tmp_path / f".data.{dead()}-{whole._where()}-0.old"
    old.mkdir()
    (old / "file").write_text("the only one")
    sweep(tmp_path)
    assert (tmp_path / "data" / "file").read_text() == "the only one"
