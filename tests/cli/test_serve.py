"""What `segue serve` refuses before it listens."""

from __future__ import annotations

from pathlib import Path

import pytest

from segue.cli.serve import _rate, _shares, _token
from segue.core.errors import SettingsError
from segue.service.listen import bound
from segue.service.settings import ServiceSettings


def test_shares_are_read_and_wrong_ones_refused() -> None:
    assert _shares("a=0.9, b=0.1") == {"a": 0.9, "b": 0.1}
    assert _shares(None) == {}
    for wrong in ("a", "a=x", "a=0", "=1=", "a=-1"):
        with pytest.raises(SettingsError, match="NAME=SHARE"):
            _shares(wrong)


def test_a_rate_is_a_number_or_none() -> None:
    assert (_rate(None), _rate("none"), _rate("0"), _rate("2.5")) == (None, 0.0, 0.0, 2.5)
    for wrong in ("fast", "-1", "nan", "inf"):
        with pytest.raises(SettingsError, match=f"--rate {wrong}: expected requests a second"):
            _rate(wrong)


def test_a_token_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text("0123456789abcdef\n")
    assert _token(file) == "0123456789abcdef"
    monkeypatch.setenv("SEGUE_TOKEN", "fedcba9876543210")
    assert _token(None) == "fedcba9876543210"
    monkeypatch.delenv("SEGUE_TOKEN")
    assert _token(None) is None


def test_a_weak_token_is_refused_and_not_told(tmp_path: Path) -> None:
    file = tmp_path / "token"
    for weak in ("hunter2", "", "zwölf und vier ist", "0123456789\nabcdef"):
        file.write_text(weak)
        with pytest.raises(SettingsError, match="16 plain characters") as refused:
            _token(file)
        assert not weak or weak not in str(refused.value)
    with pytest.raises(SettingsError, match="cannot be read"):
        _token(tmp_path / "nothing")


def test_an_address_is_tried_before_anything_is_touched() -> None:
    with pytest.raises(SettingsError, match="needs a token"):
        bound(ServiceSettings(host="0.0.0.0", port=0))
    with bound(ServiceSettings(port=0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1 port {port}"):
            bound(ServiceSettings(port=port))
