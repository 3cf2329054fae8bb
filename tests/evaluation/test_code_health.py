"""The numbers of code health against values worked out by hand, and what sets off an alarm."""

import json
import logging
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.coded import Given, two_camps
from segue.core.codes import ItemCodes
from segue.core.errors import RunError
from segue.core.tables import Histories
from segue.evaluation.code_health import CodeHealth, code_health, examine

FOUR = ItemCodes(np.array([[0, 0], [0, 1], [1, 0], [1, 0]]), (4, 2))


def rng():
    return np.random.default_rng(0)


def test_use_of_each_level_by_hand():
    histories = Histories.from_lists([[0, 0, 1, 2]])
    first, second = code_health(FOUR, rng(), histories=histories).levels
    assert (first.used, first.size, first.utilisation) == (2, 4, 0.5)
    assert first.perplexity == pytest.approx(2.0)
    assert second.perplexity == pytest.approx(math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25)))
    # by events the codes 0 and 1 of the first level have 3 and 1
    assert first.weighted_perplexity == pytest.approx(second.perplexity)
    assert first.profile == [2, 2, 0, 0]


def test_collisions_and_balance_by_hand():
    one, two = code_health(FOUR, rng()).depths
    assert (one.prefixes, one.collisions, one.colliding, one.largest) == (2, 0.5, 1.0, 0.5)
    assert one.gini == pytest.approx(0.0)
    assert one.efficiency == pytest.approx(math.log(2) / math.log(4))
    assert (two.prefixes, two.collisions, two.colliding, two.largest) == (3, 0.25, 0.5, 0.5)
    assert two.gini == pytest.approx(1 / 6)  # sizes 1, 1, 2
    assert two.efficiency == pytest.approx(0.75)


def test_reconstruction_is_one_for_the_mean_and_zero_for_the_truth():
    vectors = two_camps()
    codes = ItemCodes(np.arange(24)[:, None], (24,))
    for said, value in ((vectors, 0.0), (np.tile(vectors.mean(0), (24, 1)), 1.0)):
        health = code_health(codes, rng(), vectors=vectors, reconstructed=said)
        assert health.reconstruction == pytest.approx(value, abs=1e-5)
    assert code_health(codes, rng(), vectors=vectors).reconstruction is None


def test_a_last_level_that_only_counts_is_told_from_one_that_collapsed():
    counts = ItemCodes(np.array([[0, 0], [0, 1], [0, 2], [1, 0], [2, 0]]), (3, 256))
    health = code_health(counts, rng())
    assert [level.counting for level in health.levels] == [False, True]
    assert health.collisions_before == [pytest.approx(1 - 3 / 5)]
    assert not code_health(counts, rng(), notes={"levels_added": 0}).levels[1].counting
    collapsed = ItemCodes(np.column_stack([np.arange(40) % 10, np.zeros(40, int)]), (10, 256))
    health = code_health(collapsed, rng())
    assert not any(level.counting for level in health.levels)
    assert any("level 2 has collapsed" in alarm for alarm in health.alarms)


def test_what_the_policy_did_is_read_from_the_notes_wherever_they_are():
    for notes in ({"collision_rate_before": [0.9, 0.1]}, {"collisions": {"collision_rate_before": (0.9, 0.1)}}):
        assert code_health(FOUR, rng(), notes=notes).collisions_before == [0.9, 0.1]
    assert code_health(FOUR, rng(), notes={"collision_rate_before": "unknown"}).collisions_before is None


def alarms(codes, sizes, **more):
    return " ".join(code_health(ItemCodes(np.array(codes), sizes), rng(), **more).alarms)


def test_healthy_codes_set_off_nothing():
    even = [[row // 16, row % 16] for row in range(256)]
    assert alarms(even, (16, 16)) == ""


def test_each_sickness_has_its_sentence():
    assert "level 1 uses 14 of 16 codes (88%)" in alarms([[row % 14, row // 14] for row in range(196)], (16, 14))
    assert "level 1 has collapsed" in alarms([[row % 2, row // 2] for row in range(64)], (64, 32))
    assert "100.0% of the items have no tuple" in alarms([[row % 16] for row in range(64)], (16,))
    assert "missing for 30.0%" in alarms([[0], [1]], (2,), notes={"collision_rate_before": [0.3]})
    crowded = [[0 if row < 60 else row % 16, row // 16] for row in range(160)]
    assert "of the items begin with the same code" in alarms(crowded, (16, 10))


def test_random_codes_carry_nothing_of_the_vectors():
    vectors = two_camps(100)
    camps = np.repeat([0, 1], 100)
    rows = np.arange(200)
    assert "carry none" in alarms(np.column_stack([rows % 2, rows // 2]), (2, 100), vectors=vectors)
    assert "carry none" not in alarms(np.column_stack([camps, rows % 100]), (2, 100), vectors=vectors)


def test_alarms_go_to_the_log_once_each(caplog):
    with caplog.at_level(logging.WARNING):
        health = examine(Given([[0, 0]] * 10 + [[1, 1]], (2, 2)), None, rng())
    assert len(health.alarms) > 0
    assert [record.getMessage() for record in caplog.records] == [f"codes: {alarm}" for alarm in health.alarms]


def test_the_first_codes_are_put_in_words():
    titles = ["Red nail polish", "Blue nail polish", "Green nail polish", "Hair shampoo", "Hair conditioner"]
    health = examine(Given([[3, 0], [3, 1], [3, 2], [1, 0], [1, 1]], (4, 3), titles), None, rng())
    assert [(branch.code, branch.items) for branch in health.branches] == [(3, 3), (1, 2)]
    assert health.branches[0].words == ["nail", "polish"]
    assert health.branches[1].words == ["hair"]
    assert health.branches[1].titles == ["Hair shampoo", "Hair conditioner"]


def test_saved_and_read_is_the_same(tmp_path):
    grid = [[row // 4, row % 4] for row in range(16)]
    notes = {"losses": np.array([2.0, math.inf]), "dead": np.int64(3), "why": {"seed": 0}}
    tokenizer = Given(grid, (4, 4), vectors=two_camps(8), reconstructed=two_camps(8), notes=notes)
    health = examine(tokenizer, Histories.from_lists([[0, 1, 2, 3]]), rng())
    health.save(tmp_path / "health.json")
    assert CodeHealth.read(tmp_path / "health.json") == health
    assert health.notes == {"losses": [2.0, None], "dead": 3, "why": {"seed": 0}}
    (tmp_path / "health.json").write_text(json.dumps({"items": 3}))
    with pytest.raises(RunError, match=r"health.json is not a code health report"):
        CodeHealth.read(tmp_path / "health.json")


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=40))
def test_shares_are_shares_whatever_the_codes(tuples):
    health = code_health(ItemCodes(np.array(tuples), (3, 4)), rng(), histories=Histories.from_lists([[0], []]))
    for level in health.levels:
        assert 1.0 - 1e-9 <= level.perplexity <= level.used + 1e-9
        assert sum(level.profile) == len(tuples)
    for depth in health.depths:
        assert depth.prefixes == len({one[: depth.depth] for one in tuples})
        for share in (depth.collisions, depth.colliding, depth.largest, depth.gini, depth.efficiency):
            assert -1e-9 <= share <= 1.0 + 1e-9
