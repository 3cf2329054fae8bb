import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from data.logs import dataset_of, prepared
from segue.data.audit import Audit, audit
from segue.data.given_split import Given
from segue.data.preparation import Preparation
from segue.data.prepare import prepare
from segue.data.random_holdout import RandomHoldout
from segue.data.split import GlobalTime, LeaveOneOut, LeaveTwoOut
from segue.testing.requests import parity_requests


def test_findings_by_hand():
    # u0: items 0 1 2, the last two at the same time; u1: 0 0, a repeat; u2: 3, only in the test and too late for it.
    dataset = dataset_of([[0, 1, 2], [0, 0], [1, 3]], [[10, 20, 20], [11, 12], [30, 40]])
    result = audit(dataset, LeaveOneOut(validation_users=0).cut(dataset, 0))
    counts = {finding.name: finding.count for finding in result.findings}
    assert counts["ties"] == 1
    assert counts["tied targets"] == 1  # item 2 of u0 might as well have been item 1
    assert counts["repeated pairs"] == 1
    assert counts["exact repeats"] == 0
    assert counts["repeated targets"] == 1  # item 0 of u1
    assert counts["future events"] == 2  # at 20 and 30, where the first test event is at 12
    assert counts["cold items"] == 2  # items 2 and 3
    assert counts["test in training"] == 0
    assert result.lengths["most"] == 3


def test_a_popularity_from_the_future_is_found():
    dataset = dataset_of([[0, 1], [2, 1, 2]], [[1, 5], [7, 8, 9]])
    result = audit(dataset, LeaveOneOut(validation_users=0).cut(dataset, 0))
    assert result.finding("future items").count == 1  # item 1 is the target at 5 and trained on from 8 on
    dataset = dataset_of([[0, 1], [2, 1, 2]], [[1, 5], [2, 3, 9]])
    result = audit(dataset, GlobalTime(at=4, validation_ratio=0).cut(dataset, 0))
    assert result.finding("future items").count == 0
    assert result.finding("future events").count == 0


def test_exact_repeats_count_every_column(tmp_path):
    dataset = prepared(tmp_path, [("1", "a", 5), ("1", "a", 5), ("1", "a", 6), ("1", "b", 7)])
    result = audit(dataset, LeaveTwoOut().cut(dataset, 0))
    assert result.finding("exact repeats").count == 1
    assert result.finding("repeated pairs").count == 2


def test_what_the_preparation_dropped_is_repeated(tmp_path):
    events = [("1", "a", 5), ("1", "b", 5), ("1", "c", 6), ("2", "a", 7)]
    dataset = prepared(tmp_path, events, user_core=2)
    result = audit(dataset, LeaveOneOut().cut(dataset, 0))
    assert result.finding("dropped: below the core").count == 1


def test_exposures_are_counted_and_what_they_lack_is_said(tmp_path):
    rows = ["1,a,4,5", "1,b,2,6", "1,c,1,7", "1,b,4,8", "2,a,1,9"]
    (tmp_path / "log.csv").write_text("\n".join(["user_id,item_id,rating,timestamp", *rows]))
    for keep, shown, left_out in ((False, 3, 2), (True, 4, 1)):
        settings = Preparation(path=str(tmp_path / "log.csv"), positive="rating >= 4", keep_shown=keep)
        dataset = prepare(settings, tmp_path / str(keep))
        found = audit(dataset, LeaveOneOut().cut(dataset, 0)).finding("exposures")
        assert (found.count, found.of) == (2, shown)
        assert f"{left_out} more rows" in found.fact
        assert ("keep_shown=true" in found.advice) is not keep
    dataset = dataset_of([[0, 1, 2]])
    names = {finding.name for finding in audit(dataset, LeaveOneOut().cut(dataset, 0)).findings}
    assert "exposures" not in names


def test_without_times_it_says_so_and_goes_on():
    dataset = dataset_of([[0, 1, 2]])
    result = audit(dataset, LeaveOneOut().cut(dataset, 0))
    assert result.finding("no times").severity == "look"
    assert "ties" not in {finding.name for finding in result.findings}


def test_an_audit_is_data_and_text():
    dataset = dataset_of([[0, 1, 2], [1, 2]], [[1, 2, 3], [1, 1]])
    result = audit(dataset, LeaveOneOut().cut(dataset, 0))
    assert Audit.model_validate(json.loads(result.model_dump_json())) == result
    console = Console(record=True, width=160, file=io.StringIO())
    console.print(result.render())
    assert "leave-one-out" in console.export_text()


def test_gini_by_hand():
    even = dataset_of([[0, 1, 2, 3], [0, 1, 2, 3]])
    assert abs(audit(even, LeaveOneOut().cut(even, 0)).gini) < 1e-9
    one = dataset_of([[3, 3, 3], [3, 3, 3]])  # four items, one has all: (4 - 1) / 4
    assert audit(one, LeaveOneOut().cut(one, 0)).gini == 0.75


def test_requests_are_looked_over_by_hand() -> None:
    split = parity_requests(users=40)
    asked = split.asked
    result = audit(split.dataset, split)
    assert (result.validation_cases, result.test_cases) == (40, 40)
    assert result.finding("requests").count == 40
    learnt = set(split.learnt.items.tolist())
    assert result.finding("cold impressions").count == sum(item not in learnt for item in asked.items.tolist())
    by_user: dict[int, set[int]] = {}
    for user, label in zip(asked.histories.users[asked.owners].tolist(), asked.labels[:, 0].tolist(), strict=True):
        by_user.setdefault(user, set()).add(label)
    one = result.finding("one outcome: click")
    assert (one.count, one.of) == (sum(len(labels) == 1 for labels in by_user.values()), 40)
    assert result.finding("positives: click").count == int((asked.labels[:, 0] == 1).sum())
    assert result.finding("test users").severity == "look"


def test_impressions_of_items_that_nobody_learnt_are_serious() -> None:
    split = parity_requests(users=40)
    known = replace(split.learnt, items=np.zeros_like(split.learnt.items))
    finding = audit(split.dataset, replace(split, learnt=known)).finding("cold impressions")
    assert finding.count == int((split.asked.items != 0).sum())
    assert finding.severity == "serious"


@pytest.mark.parametrize(("users", "severity"), [(1, "serious"), (29, "serious"), (30, "look"), (100, "info")])
def test_few_users_are_no_measurement(users: int, severity: str) -> None:
    dataset = dataset_of([[0, 1, 2]] * users, [[1, 2, 3]] * users)
    finding = audit(dataset, LeaveOneOut().cut(dataset, 0)).finding("test users")
    assert (finding.count, finding.severity) == (users, severity)


def test_rows_without_a_time_are_serious_where_the_last_one_is_asked(tmp_path) -> None:
    lines = ["user_id,item_id", *(f"u{user},{item}" for user in range(40) for item in range(user % 5, 12))]
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    dataset = prepare(Preparation(path=str(tmp_path / "log.csv")), tmp_path / "out")
    by_rows = audit(dataset, LeaveOneOut().cut(dataset, 0))
    assert [by_rows.finding(name).severity for name in ("no times", "sorted rows")] == ["serious"] * 2
    assert "the item id rises in 100% of" in by_rows.finding("sorted rows").fact
    drawn = audit(dataset, RandomHoldout().cut(dataset, 0))
    assert [drawn.finding(name).severity for name in ("no times", "sorted rows")] == ["look"] * 2
    assert drawn.finding("sorted rows").fact == by_rows.finding("sorted rows").fact  # of the rows, not of the draw


def test_a_random_split_of_a_log_with_times_is_told_apart() -> None:
    dataset = dataset_of([[0, 1, 2]] * 3, [[1, 2, 3]] * 3)
    assert audit(dataset, RandomHoldout().cut(dataset, 0)).finding("times not used").severity == "look"


def test_targets_that_cannot_be_hit_are_serious_from_a_tenth_on() -> None:
    fresh, again = [0, 1, 2], [1, 2, 1]
    for repeats, severity in ((0, "info"), (2, "look"), (3, "serious")):
        dataset = dataset_of([again] * repeats + [fresh] * (20 - repeats), [[1, 2, 3]] * 20)
        split = LeaveOneOut().cut(dataset, 0)
        finding = audit(dataset, split).finding("repeated targets")
        assert (finding.count, finding.severity) == (repeats, severity)
        if repeats:
            assert "evaluation.seen=true" in finding.advice
            assert audit(dataset, split, seen=True).finding("repeated targets").severity == "look"


def test_targets_that_nobody_learnt_are_serious_from_a_tenth_on() -> None:
    for cold, severity in ((2, "look"), (3, "serious")):
        histories = [[0, 1, 0]] * (20 - cold) + [[0, 1, 2 + place] for place in range(cold)]
        dataset = dataset_of(histories, [[1, 2, 3]] * 20)
        finding = audit(dataset, LeaveOneOut(validation_users=0).cut(dataset, 0)).finding("cold items")
        assert (finding.count, finding.severity) == (cold, severity)


def test_rows_that_were_logged_three_times_are_serious(tmp_path) -> None:
    dataset = prepared(tmp_path, [("1", item, time) for time, item in enumerate("abcd") for _ in range(3)])
    finding = audit(dataset, LeaveTwoOut().cut(dataset, 0)).finding("exact repeats")
    assert (finding.count, finding.severity) == (8, "serious")
    assert "data.duplicates=exact" in finding.advice


def test_exposures_that_count_as_taken_are_serious(tmp_path) -> None:
    rows = [f"u{place % 2},i{place % 5},{place},{place % 2},{int(place == 3)}" for place in range(20)]
    (tmp_path / "log.csv").write_text("\n".join(["user_id,item_id,timestamp,click,hate", *rows]) + "\n")
    found = {}
    for positive in (None, "all", "click == 1"):
        settings = Preparation(path=str(tmp_path / "log.csv"), positive=positive)
        dataset = prepare(settings, tmp_path / str(positive).replace(" ", ""))
        found[positive] = {one.name: one for one in audit(dataset, LeaveOneOut().cut(dataset, 0)).findings}
    assert (found[None]["shown and not taken"].count, found[None]["shown and not taken"].severity) == (10, "serious")
    assert found["all"]["shown and not taken"].severity == "info"
    assert "shown and not taken" not in found["click == 1"]
    assert found["all"]["disliked: hate"].count == 1
    assert 'click == 1 and hate == 0"' in found["click == 1"]["disliked: hate"].advice


def test_a_cut_of_its_own_that_is_not_used_is_named(tmp_path) -> None:
    rows = [f"u{place % 2},i{place},{place},{'test' if place > 7 else 'train'}" for place in range(10)]
    (tmp_path / "log.csv").write_text("\n".join(["user_id,item_id,timestamp,split", *rows]) + "\n")
    dataset = prepare(Preparation(path=str(tmp_path / "log.csv")), tmp_path / "out")
    assert "split=given" in audit(dataset, LeaveOneOut().cut(dataset, 0)).finding("own cut").advice
    names = {one.name for one in audit(dataset, Given().cut(dataset, 0)).findings}
    assert "own cut" not in names
