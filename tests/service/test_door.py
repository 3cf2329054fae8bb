"""How many connections there may be."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from segue.service import door
from segue.service.door import client_of, most_connections
from service.listening import asked, called, listening, said


def open_again(address: tuple[str, int]) -> bytes:
    """The answer to one request on a new connection."""
    with called(address) as line:
        return asked(line)


@pytest.mark.parametrize(("files", "most"), [(300, 172), (1024, 896), (20_000, 2000), (100, 50), (1, 1)])
def test_files_are_left_for_the_service_itself(files: int, most: int) -> None:
    assert most_connections(files) == most


def test_one_customer_has_a_whole_network_of_ipv6() -> None:
    assert client_of("192.0.2.7") == "192.0.2.7"
    assert client_of("2001:db8:0:1::7") == client_of("2001:db8:0:1:ffff::") == "2001:db8:0:1::/64"
    assert client_of("2001:db8:0:2::7") != client_of("2001:db8:0:1::7")
    assert (client_of("::1"), client_of("testclient")) == ("::1", "testclient")


def test_the_last_place_is_taken_once_and_free_again_when_its_guest_leaves() -> None:
    with listening(most=2, seconds=20) as address:
        first, second = called(address), called(address)
        assert asked(first).startswith(b"HTTP/1.1 200")
        assert asked(second).startswith(b"HTTP/1.1 200")
        with called(address) as third:
            assert said(third).startswith(b"HTTP/1.1 503 ")
        first.close()
        until = time.monotonic() + 5
        while not (again := open_again(address)).startswith(b"HTTP/1.1 200") and time.monotonic() < until:
            time.sleep(0.05)
        assert again.startswith(b"HTTP/1.1 200")
        second.close()


def test_one_address_cannot_take_all_places_unless_it_is_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(each=1, seconds=20) as address, called(address) as first:
        assert asked(first).startswith(b"HTTP/1.1 200")
        assert open_again(address).startswith(b"HTTP/1.1 200")
        monkeypatch.setattr(door, "_is_ours", lambda client: False)
        with called(address) as second:
            assert said(second).startswith(b"HTTP/1.1 503 ")
        assert asked(first).startswith(b"HTTP/1.1 200")


SERVER = """
import asyncio, json, resource, socket, sys, time
from segue.service.door import Door
faults = []
async def serve():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: faults.append(str(context["exception"])))
    door = Door(socket.create_server(("127.0.0.1", 0)), most=1000, each=0)
    server = await loop.create_server(asyncio.Protocol, sock=door)
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
    print(door.getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    print(json.dumps({"faults": faults, "busy": time.process_time() - began, "open": door.clients.total()}), flush=True)
began = time.process_time()
asyncio.run(serve())
"""


def test_without_a_file_for_the_next_connection_the_service_waits_and_does_not_spin() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={"PYTHONPATH": str(Path(door.__file__).parents[2])},
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        address = "127.0.0.1", int(child.stdout.readline())
        lines = [called(address) for _ in range(30)]
        time.sleep(1.2)
        for line in lines:
            line.close()
        time.sleep(1.2)
        child.stdin.write("enough\n")
        child.stdin.close()
        told = json.loads(child.stdout.readline())
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    assert 1 <= len(told["faults"]) <= 4
    assert "Too many open files" in told["faults"][0]
    assert told["busy"] < 2.0
    assert told["open"] == 0
