"""Processes that train as one write the codes of one tokenizer."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TESTS = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_tokenizer_is_fitted_by_one_of_them(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    command = [sys.executable, "-m", "core.tokenized_together", str(tmp_path)]
    processes = [subprocess.Popen(command, cwd=TESTS, env={**shared, "RANK": str(rank)}) for rank in range(2)]
    try:
        assert [process.wait(timeout=120) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    first, second = (np.load(tmp_path / f"codes-{rank}.npy") for rank in range(2))
    assert (first == second).all()
