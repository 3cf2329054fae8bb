"""What would this user get, at the command line."""

import json

from cli.shell import Shell


def items_of(said) -> list[str]:
    return [item["item_id"] for item in json.loads(said.out)["items"]]


def test_a_user_of_the_log(segue: Shell, finished) -> None:
    said = segue("recommend", finished["sasrec"], "--user", "u3", "-k", "4", "--json")
    answer = json.loads(said.out)
    assert said.code == 0
    assert answer["user"] == "u3"
    assert [item["item_id"] for item in answer["history"]] == ["i7", "i8", "i9", "i10", "i11"]
    assert len(answer["items"]) == 4
    assert not {f"i{item}" for item in range(3, 12)} & set(items_of(said)), "items of the history are left out"


def test_a_history_given_by_hand_and_lists(segue: Shell, finished) -> None:
    asked = ("recommend", finished["sasrec"], "--history", "i1, i2", "--json")
    assert items_of(segue(*asked, "--allow", "i2,i5,i6", "--deny", "i6")) == ["i5"]
    assert set(items_of(segue(*asked, "--allow", "i2,i5", "--seen"))) == {"i2", "i5"}


def test_for_people_it_is_a_table(segue: Shell, finished) -> None:
    said = segue("recommend", finished["popularity"], "--history", "i1", "--allow", "i1,i5")
    assert said.code == 0
    assert "i5" in said.out
    assert "Only 1 items were allowed." in said.out


def test_unknown_ids_are_named(segue: Shell, finished) -> None:
    for words, wanted in (
        (["--user", "nobody"], "'nobody'"),
        (["--history", "i1,i999"], "'i999'"),
        (["--user", "u1", "--deny", "i999"], "'i999'"),
        ([], "either --user or --history"),
        (["--user", "u1", "--history", "i1"], "either --user or --history"),
    ):
        said = segue("recommend", finished["popularity"], *words)
        assert said.code == 1
        assert wanted in said.err
        assert "Traceback" not in said.err
