"""From a raw log of what was shown to ranked candidates, and what happens when they are wrong."""

import csv
import json
import random
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from cli.shell import Shell
from segue.workflows.experiment import new
from segue.workflows.fit import fit

START = 1_700_000_000
SETTINGS = {
    "batches": {"history": 8, "slack": 8},
    "backbone": {"width": 16, "depth": 1, "head_width": 8},
    "model": {"width": 8, "hidden": [8]},
    "procedure.loop.epochs": 2,
}


def write_shown(path: Path, users: int = 30) -> Path:
    """Users who are shown six requests of three items each and click the even ones, mostly."""
    rng = random.Random(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["user_id", "item_id", "timestamp", "click", "like", "never"])
        for user in range(users):
            for request in range(6):
                for item in rng.sample(range(12), 3):
                    click = int(item % 2 == 0) if rng.random() < 0.9 else int(item % 2 == 1)
                    row = [f"u{user}", f"i{item}", START + 100_000 * request + user, click]
                    out.writerow([*row, click * rng.randint(0, 1), 0])
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished run of DFGR on such a log."""
    folder = tmp_path_factory.mktemp("ranked")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("SEGUE_CACHE", str(folder / "cache"))
        log = write_shown(folder / "shown.csv")
        fit(new("dfgr_small", str(log), SETTINGS, 0), folder / "run", baselines=())
        yield folder / "run"


def test_candidates_come_back_likeliest_first(segue: Shell, run: Path, tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("i1\n\ni2\ni3\n", encoding="utf-8")
    answer = json.loads(segue("rank", run, "--user", "u3", "--candidates", tmp_path / "some.txt", "--json").out)
    assert {item["item_id"] for item in answer["items"]} == {"i1", "i2", "i3"}
    clicks = [item["probabilities"]["click"] for item in answer["items"]]
    assert clicks == sorted(clicks, reverse=True)
    assert set(answer["items"][0]["probabilities"]) == {"click", "like"}
    assert len(answer["history"]) == 5
    likes = json.loads(segue("rank", run, "--user", "u3", "--items", "i1,i2,i3", "--by", "like", "--json").out)
    found = [item["probabilities"]["like"] for item in likes["items"]]
    assert found == sorted(found, reverse=True)


def test_a_candidate_is_judged_for_itself(segue: Shell, run: Path) -> None:
    alone = json.loads(segue("rank", run, "--user", "u3", "--items", "i2", "--json").out)["items"][0]
    among = json.loads(segue("rank", run, "--user", "u3", "--items", "i1,i2,i2,i7", "--json").out)["items"]
    same = [item["probabilities"]["click"] for item in among if item["item_id"] == "i2"]
    assert same == pytest.approx([alone["probabilities"]["click"]] * 2, abs=1e-6)


@pytest.mark.parametrize("kind", ["csv", "parquet", "json"])
def test_candidates_in_other_files(segue: Shell, run: Path, tmp_path: Path, kind: str) -> None:
    file, table = tmp_path / f"some.{kind}", pl.DataFrame({"item_id": ["i4", "i5"], "why": ["a", "b"]})
    if kind == "csv":
        table.write_csv(file)
    elif kind == "parquet":
        table.write_parquet(file)
    else:
        file.write_text('["i4", "i5"]', encoding="utf-8")
    answer = json.loads(segue("rank", run, "--user", "u0", "--candidates", file, "--json").out)
    assert {item["item_id"] for item in answer["items"]} == {"i4", "i5"}


def test_for_people_it_is_a_table(segue: Shell, run: Path) -> None:
    said = segue("rank", run, "--user", "u3", "--items", "i1,i2").out
    assert "P(click)" in said
    assert "newest events" in said


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--user", "u3", "--items", "i1,zebra"], "'zebra'"),
        (["--user", "nobody", "--items", "i1"], "'nobody'"),
        (["--user", "u3", "--items", ","], "there are no candidates"),
        (["--user", "u3"], "either --candidates FILE or --items"),
        (["--user", "u3", "--items", "i1", "--by", "buy"], "--by buy: the run predicts click, like"),
        (["--user", "u3", "--items", "i1", "--at", str(START)], "before"),
        (["--user", "u3", "--candidates", "nowhere.txt"], "cannot be read"),
    ],
)
def test_what_is_wrong_is_named(segue: Shell, run: Path, words: list[str], complaint: str) -> None:
    said = segue("rank", run, *words)
    assert said.code == 1
    assert complaint in said.err


def test_a_table_without_ids_says_what_it_has(segue: Shell, run: Path, tmp_path: Path) -> None:
    pl.DataFrame({"video": ["i4"]}).write_csv(tmp_path / "bad.csv")
    said = segue("rank", run, "--user", "u3", "--candidates", tmp_path / "bad.csv")
    assert said.code == 1
    assert "has the columns video; expected one called item_id" in said.err


def test_a_recommender_does_not_rank(segue: Shell, finished: dict[str, Path]) -> None:
    said = segue("rank", finished["popularity"], "--user", "u1", "--items", "i1")
    assert said.code == 1
    assert "does not judge candidates" in said.err


def test_a_constant_label_is_refused_and_nothing_is_left(segue: Shell, tmp_path: Path) -> None:
    log = write_shown(tmp_path / "shown.csv", users=8)
    said = segue("fit", "dfgr_small", "--data", log, "--set", "split.tasks=[click,never]", "--out", tmp_path / "run")
    assert said.code == 1
    assert "never" in said.err
    assert "0" in said.err
    assert not (tmp_path / "run").exists()


def test_a_recommender_cannot_learn_from_requests(segue: Shell, tmp_path: Path) -> None:
    log = write_shown(tmp_path / "shown.csv", users=8)
    said = segue("fit", "popularity", "--data", log, "--set", "split=requests_by_time", "--out", tmp_path / "run")
    assert said.code == 1
    assert "requests" in said.err
