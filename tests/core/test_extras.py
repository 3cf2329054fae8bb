"""Optional packages are asked for by the name of their extra."""

import json

import pytest

from segue.core.errors import MissingExtra
from segue.core.extras import require


def test_an_installed_package_comes() -> None:
    assert require("json", extra="none") is json


def test_a_missing_package_names_the_extra_to_install() -> None:
    with pytest.raises(MissingExtra, match=r"'nobody_has_this'.*pip install 'segue\[track\]'"):
        require("nobody_has_this", extra="track")


def test_a_package_that_itself_lacks_another_is_not_called_missing(tmp_path, monkeypatch) -> None:
    (tmp_path / "broken_inside.py").write_text("import nobody_has_this\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="nobody_has_this") as caught:
        require("broken_inside", extra="track")
    assert not isinstance(caught.value, MissingExtra)
