"""Who does not finish the head of a request, or does not take the answer, is not waited for."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator

import pytest

from service.listening import asked, called, listening, said, taken

HEAD = b"POST /recommend HTTP/1.1\r\nhost: a\r\n"


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    with listening() as found:
        yield found


def test_an_unfinished_head_is_given_up(address: tuple[str, int]) -> None:
    with called(address) as line:
        line.sendall(HEAD)
        answer = said(line)
    assert answer.startswith(b"HTTP/1.1 408 Too slow\r\n")
    assert b"application/problem+json" in answer
    assert b"urn:segue:problem:slow" in answer


def test_one_letter_now_and_then_does_not_help(address: tuple[str, int]) -> None:
    head = HEAD + b"x-more: and more\r\n" * 15
    with called(address) as line:
        assert 0 < taken(line, (bytes([letter]) for letter in head)) < 100


def test_who_connects_and_says_nothing_hears_nothing_and_is_let_go(address: tuple[str, int]) -> None:
    with called(address) as line:
        assert said(line) == b""


def test_a_connection_that_waits_for_its_next_request_is_kept_and_its_next_head_is_timed(
    address: tuple[str, int],
) -> None:
    with called(address) as line:
        assert asked(line).startswith(b"HTTP/1.1 200")
        time.sleep(0.8)
        assert asked(line, body=b"abc").endswith(b"\r\n\r\n3")
        line.sendall(HEAD)
        assert said(line).startswith(b"HTTP/1.1 408")


def test_empty_lines_between_requests_keep_nothing_open(address: tuple[str, int]) -> None:
    with called(address) as line:
        asked(line)
        assert 0 < taken(line, [b"\r\n"] * 200) < 100


def test_a_body_has_a_clock_of_its_own(address: tuple[str, int]) -> None:
    with called(address) as line:
        line.sendall(HEAD + b"content-length: 3\r\n\r\n")
        time.sleep(0.8)
        line.sendall(b"abc")
        assert line.recv(1000).startswith(b"HTTP/1.1 200")


def test_a_body_that_was_answered_before_it_came_is_no_head(address: tuple[str, int]) -> None:
    with called(address) as line:
        assert asked(line, "/early", b"x" * 3_000_000).startswith(b"HTTP/1.1 200")
        assert asked(line, body=b"abcd").endswith(b"\r\n\r\n4")


def test_a_head_without_end_is_refused(address: tuple[str, int]) -> None:
    with called(address) as line:
        line.sendall(HEAD + b"x-long: " + b"a" * 200_000)
        assert said(line).startswith(b"HTTP/1.1 431")


def test_who_does_not_take_the_answer_loses_it() -> None:
    with listening() as address, socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.settimeout(10)
        line.connect(address)
        line.sendall(b"GET /much HTTP/1.1\r\nhost: a\r\n\r\n")
        time.sleep(1.2)
        assert len(said(line)) < 30_000_000


def test_a_request_for_another_protocol_is_a_request_like_any_other_and_the_log_stays_empty(
    address: tuple[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), called(address) as line:
        line.sendall(
            b"GET /events HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert line.recv(1000).startswith(b"HTTP/1.1 200")
    assert caplog.records == []
