"""What the log of a service says, at the command line."""

import json
from pathlib import Path

import pytest

from cli.shell import Shell
from segue.core.served import Decision, Event
from segue.service.open_store import open_store


@pytest.fixture
def store(tmp_path: Path, segue: Shell, finished: dict[str, Path]) -> str:
    """Popularity answered u1 to u8, every second one with `sasrec` at its side; four took the first item."""
    url = f"sqlite:///{tmp_path / 'live.sqlite'}"
    opened = open_store(url)
    for number in range(1, 9):
        said = segue("recommend", finished["popularity"], "--user", f"u{number}", "-k", "3", "--json")
        items = tuple(one["item_id"] for one in json.loads(said.out)["items"])
        shares = {"popularity": 0.5, "sasrec": 0.5} if number % 2 else {}
        opened.note_decisions(
            [
                Decision(
                    str(number),
                    1_800_000_000,
                    f"u{number}",
                    "popularity",
                    0.5 if shares else 1.0,
                    3,
                    items,
                    shares=shares,
                )
            ]
        )
        if number <= 4:
            opened.add([Event(str(number), f"u{number}", items[0], 1_800_000_060)])
    opened.close()
    return url


def test_systems_and_runs_as_json(segue: Shell, store: str, finished: dict[str, Path]) -> None:
    said = segue("traffic", store, finished["popularity"], f"sasrec={finished['sasrec']}", "--hours", "2", "--json")
    report = json.loads(said.out)
    assert (report["decisions"], report["users"], report["hours"], report["open"]) == (8, 8, 2, 8)
    (system,) = report["systems"]
    assert (system["system"], system["decisions"], system["plain"]["hits"]["value"]) == ("popularity", 8, 0.5)
    assert [(one["run"], one["decisions"]) for one in report["runs"]] == [("popularity", 8), ("sasrec", 8)]
    assert report["runs"][0]["estimated"]["unsupported"] == 0
    assert report["not_asked"] == {}


def test_for_people_it_is_a_table_that_says_what_it_cannot(segue: Shell, store: str, finished: dict[str, Path]) -> None:
    said = segue("traffic", store, finished["popularity"])
    assert said.code == 0
    assert "8 answers to 8 users" in said.out
    assert "Not asked again: 4 ('sasrec' could have answered, and was not given)" in said.out
    assert "No support" in said.out
    alone = segue("traffic", store)
    assert "Systems on their own answers" in alone.out
    assert "No support" not in alone.out


def test_what_is_wrong_is_named(segue: Shell, store: str, finished: dict[str, Path], tmp_path: Path) -> None:
    for words, wanted in (
        (["mysql://me:hidden@host/x"], "kind 'mysql'"),
        ([store, finished["sasrec"], f"sasrec={finished['popularity']}"], "both be called sasrec"),
        ([store, tmp_path / "nowhere"], "not a run folder"),
        ([store, "--hours", "0"], "must be positive"),
        ([f"sqlite:///{tmp_path / 'empty.db'}"], "no decisions"),
    ):
        said = segue("traffic", *words)
        assert said.code == 1
        assert wanted in said.err
        assert "hidden" not in said.err
        assert "Traceback" not in said.err
