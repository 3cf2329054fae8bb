"""Why would this user get this item, at the command line."""

import json

import pytest

from cli.shell import Shell


def test_a_recommended_item_is_explained_by_the_same_score(segue: Shell, finished) -> None:
    best = json.loads(segue("recommend", finished["sasrec"], "--user", "u3", "-k", "1", "--json").out)["items"][0]
    said = segue("explain", finished["sasrec"], "--user", "u3", "--item", best["item_id"], "--json")
    why = json.loads(said.out)
    assert said.code == 0
    assert (why["system"], why["item"]["item_id"], why["place"], why["path"]) == (
        "sasrec_small", best["item_id"], 1, None,
    )  # fmt: skip
    assert why["score"] == pytest.approx(best["score"], rel=1e-5)
    assert [event["item_id"] for event in sorted(why["events"], key=lambda event: event["position"])] == [
        f"i{item}" for item in range(3, 12)
    ]


def test_for_people_it_is_a_table_and_a_sentence(segue: Shell, finished) -> None:
    said = segue("explain", finished["sasrec"], "--history", "i1, i2", "--item", "i3")
    assert said.code == 0
    assert "effect" in said.out
    assert "i2" in said.out
    assert "An effect is the score" in " ".join(said.out.split())


def test_the_way_through_the_codes_is_shown(segue: Shell, log, tmp_path) -> None:
    made = segue("fit", "workflows.small_tokens:RECIPE", "--data", log, "--out", tmp_path / "run",
                 "--set", "tokenizer=random_codes")  # fmt: skip
    assert made.code == 0, made.err
    said = segue("explain", tmp_path / "run", "--history", "i1,i2", "--item", "i3")
    assert said.code == 0
    assert "probability" in said.out
    assert "typical words" in said.out


def test_unknown_ids_are_named(segue: Shell, finished) -> None:
    for words, wanted in (
        (["--user", "nobody", "--item", "i1"], "'nobody'"),
        (["--user", "u1", "--item", "i999"], "'i999'"),
        (["--item", "i1"], "either --user or --history"),
    ):
        said = segue("explain", finished["popularity"], *words)
        assert said.code == 1
        assert wanted in said.err
