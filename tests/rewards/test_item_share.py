"""Shares of the training events along the trie, by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from segue.core.codes import ItemCodes
from segue.core.errors import SettingsError
from segue.core.ranking import NOTHING
from segue.rewards.item_share import ItemShare
from trajectories.situations import generator, situation, walks_of

# Trained are 0, 1, 1, 2, 2, 2; with one more for each item: 2, 3, 4 and, for 3 and 4, 1 each: 11 in all.
SPLIT = walks_of([[0, 1, 1, 3, 3], [2, 2, 2, 3, 3]], 5)
CODES = ItemCodes(np.array([[0, 0], [0, 1], [1, 0], [1, 1], [1, 1]]), (2, 2))


def model():
    built = generator(5, levels=2, size=2)
    built.codes, built._tree = CODES, CODES.tree
    built.item_codes = torch.from_numpy(CODES.codes)
    return built


def test_the_flow_of_every_prefix_by_hand() -> None:
    asked = situation(SPLIT, model=model())
    flows = ItemShare(personal=False).flows(asked, torch.tensor([[0, 1, 2], [3, 4, 0]])).exp()
    # Items 3 and 4 have the same codes, so what is written is worth both.
    expected = [[[1, 5 / 11, 2 / 11], [1, 5 / 11, 3 / 11], [1, 6 / 11, 4 / 11]], [[1, 6 / 11, 2 / 11]] * 2]
    expected[1].append([1, 5 / 11, 2 / 11])
    torch.testing.assert_close(flows, torch.tensor(expected))


def test_the_reward_is_the_flow_of_the_whole_tuple() -> None:
    asked, reward = situation(SPLIT, model=model()), ItemShare(personal=False)
    told = reward.signals(asked, torch.tensor([[0, 1], [2, NOTHING]]))
    assert reward.names == ("log_share",)
    expected = [[math.log(2 / 11), math.log(3 / 11)], [math.log(4 / 11), 0.0]]
    torch.testing.assert_close(reward.build()(told), torch.tensor(expected))
    assert not told.requires_grad
    assert float(reward.build().prior()) == 0.0


def test_what_is_preferred_is_worth_more_than_its_share() -> None:
    asked = situation(SPLIT, model=model(), utility=torch.tensor([0.0, 0.5, 1.0, 0.0, 0.0]))
    told = ItemShare().signals(asked, torch.tensor([[0, 1, 2]] * 2))[0, :, 0]
    expected = [math.log(2 / 11) / 0.5, math.log(3 / 11), math.log(4 / 11) / 1.5]
    torch.testing.assert_close(told, torch.tensor(expected))


def test_counts_of_the_batch_are_believed() -> None:
    asked = situation(SPLIT, model=model())
    counts = torch.tensor([0.0, 0, 0, 0, 5])
    asked = replace(asked, batch=replace(asked.batch, counts=counts))
    told = ItemShare(personal=False).signals(asked, torch.tensor([[0, 4]] * 2))[0, :, 0].exp()
    torch.testing.assert_close(told, torch.tensor([1 / 10, 7 / 10]))


def test_without_a_collaborative_model_it_says_so() -> None:
    with pytest.raises(SettingsError, match="personal=false"):
        ItemShare().signals(situation(SPLIT, model=model()), torch.tensor([[0], [1]]))
