import io
import json

import pytest
from rich.console import Console

from data.logs import dataset_of, prepared
from segue.core.errors import SettingsError
from segue.data.audit import Audit, audit
from segue.data.preparation import Preparation
from segue.data.prepare import prepare
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


def test_a_split_into_requests_is_not_audited() -> None:
    split = parity_requests()
    with pytest.raises(SettingsError, match="audit the log with another split"):
        audit(split.dataset, split)
