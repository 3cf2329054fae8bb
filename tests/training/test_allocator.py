"""The allocator is set on Linux, unless the person says no."""

import pytest

from segue.training import allocator


def test_the_person_can_say_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_ALLOCATOR", "default")
    assert not allocator.keep_freed_memory()


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEGUE_ALLOCATOR", raising=False)
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    assert not allocator.keep_freed_memory()


def test_a_c_library_without_the_switch_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEGUE_ALLOCATOR", raising=False)
    monkeypatch.setattr(allocator.sys, "platform", "linux")

    def absent(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(allocator.ctypes, "CDLL", absent)
    assert not allocator.keep_freed_memory()
