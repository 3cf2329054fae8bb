"""Small files of strangers: what is wrong with one is said in a few words."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from segue.core.reading import read_json, read_text, shortly


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"a": 1', "line 1, column 8 is not JSON"),
        ("{}".encode("utf-16"), "byte 1 is not UTF-8"),
        (b"[" * 100_000 + b"]" * 100_000, "too deep"),
        (b"", "is not JSON"),
    ],
)
def test_what_is_no_json_is_told_in_a_line(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_bytes(content)
    with pytest.raises(ValueError, match=said) as raised:
        read_json(tmp_path / "one.json")
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_or_a_folder_or_too_large(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file"):
        read_text(tmp_path / "none")
    with pytest.raises(ValueError, match="a folder where a file"):
        read_text(tmp_path)
    (tmp_path / "large").write_text("12345")
    with pytest.raises(ValueError, match="it has 5 bytes, and at most 4"):
        read_text(tmp_path / "large", most=4)


class Point(BaseModel):
    x: int


def test_errors_are_one_short_line() -> None:
    with pytest.raises(ValidationError) as raised:
        Point.model_validate({"x": "a" * 1000})
    assert shortly(raised.value).startswith("x: Input should be a valid integer")
    assert shortly("a\n\tb") == "a b"
    assert len(shortly("a" * 1000)) < 310
