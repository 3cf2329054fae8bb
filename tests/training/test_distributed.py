"""Alone, a process is a team of its own."""

import pytest
import torch

from segue.training.distributed import Team, team


def test_alone_it_leads_and_sums_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with team(torch.device("cpu")) as us:
        assert us == Team(rank=0, size=1)
        assert us.leads
        assert us.sum(torch.tensor([2.0])).tolist() == [2.0]
        assert us.agree(0.25) == 0.25
        us.wait()


def test_others_do_not_lead() -> None:
    assert not Team(rank=1, size=2).leads
