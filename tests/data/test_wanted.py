"""Columns of zeros and ones say which rows count, if only one of them can."""

from pathlib import Path

import pytest

from segue.core.errors import DataError
from segue.data.preparation import Preparation
from segue.data.prepare import prepare
from segue.data.sources import open_log
from segue.data.wanted import Flags, flags_of, flags_of_log, positive_of


def log_with(path: Path, columns: str, *rows: str) -> Path:
    lines = [f"user_id,item_id,timestamp,{columns}"]
    lines += [f"u{place % 3},i{place % 4},{1_700_000_000 + place},{row}" for place, row in enumerate(rows * 4)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_flags_are_known_by_their_name_and_by_both_values(tmp_path: Path) -> None:
    log = log_with(tmp_path / "log.csv", "isClick,like,is_hate,purchase,weekend,cart", "1,0,0,0,1,0", "0,1,1,0,0,2")
    expected = Flags(taken=("isClick",), perhaps=("like",), dislikes=("is_hate",))  # nobody bought; a cart of two
    assert flags_of_log(open_log(log)) == expected
    assert flags_of(prepare(Preparation(path=str(log)), tmp_path / "out")) == expected


def test_the_one_column_that_can_only_mean_taken_is_taken() -> None:
    assert (
        positive_of(Flags(taken=("is_click",), perhaps=("like", "share"), dislikes=("hate",)), "log") == "is_click == 1"
    )
    assert positive_of(Flags(dislikes=("hate",)), "log") is None
    assert positive_of(Flags(), "log") is None


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            Flags(taken=("click", "purchase")),
            r'columns click, purchase.*positive="click == 1", or another.*positive=all',
        ),
        (Flags(perhaps=("like",), dislikes=("skip",)), r'column like .*\(skip never.*positive="like == 1"'),
    ],
)
def test_where_several_could_mean_it_the_question_is_asked(flags: Flags, said: str) -> None:
    with pytest.raises(DataError, match=said):
        positive_of(flags, "log.csv")


def test_all_counts_every_row_and_says_nothing_of_what_was_shown(tmp_path: Path) -> None:
    log = log_with(tmp_path / "log.csv", "click", "1", "0")
    every = prepare(Preparation(path=str(log), positive="all"), tmp_path / "all")
    assert len(every.log) == 8
    assert every.exposures is None
    assert len(prepare(Preparation(path=str(log), positive="click == 1"), tmp_path / "some").log) == 4
