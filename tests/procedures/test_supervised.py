"""The supervised procedure looks at validation cases, the same ones each time, and never at test cases."""

from dataclasses import replace

import numpy as np
import pytest

from segue.core.ranking import Ranking, Rules
from segue.core.run import Run
from segue.core.tables import Cases, Histories, Split
from segue.decoding.top_scores import TopScores
from training.small import Watching, system, world


class Noting(TopScores):
    """Writes down who was asked."""

    def __call__(self, model, histories: Histories, k: int, rules: Rules) -> Ranking:
        ASKED.append((histories.users.tolist(), histories.ends.tolist(), k, rules.seen))
        return super().__call__(model, histories, k, rules)


ASKED: list[tuple[list[int], list[int], int, bool]] = []


def asked(split: Split, **settings: object) -> list[tuple[list[int], list[int], int, bool]]:
    ASKED.clear()
    changes = {f"procedure.{name}": value for name, value in settings.items()}
    system({"decoder": Noting(), "procedure.loop.epochs": 2, **changes}).fit(split, Run(seed=5))
    return list(ASKED)


def test_every_look_asks_the_validation_cases() -> None:
    split = world()
    looks = asked(split)
    cases = split.validation.histories
    assert looks == [(cases.users.tolist(), cases.ends.tolist(), 10, True)] * 2


def test_some_users_are_drawn_once_for_all_looks() -> None:
    first, second = asked(world(), users=7)
    assert first == second
    assert len(set(first[0])) == 7


def test_test_cases_are_never_looked_at() -> None:
    # Whatever the test cases are, the same is learnt.
    split = world()
    nobody = Cases(split.test.histories.take(slice(0, 0)), split.test.stops[:0])
    one, other = (system().fit(some, Run(seed=5)).weights() for some in (split, replace(split, test=nobody)))
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_the_score_is_the_ndcg_of_the_validation_cases() -> None:
    watching = Watching()
    split = world()
    fitted = system({"procedure.loop.epochs": 1}).fit(split, Run(seed=5, watches=(watching,)))
    ranking = fitted.recommend(split.validation.histories, 10, Rules(seen=True))
    targets = split.validation.targets.packed()[0]
    hits = ranking.items == targets[:, None]
    gains = np.where(hits.any(1), 1 / np.log2(hits.argmax(1) + 2), 0.0)
    assert watching.rows[-1]["score"] == pytest.approx(gains.mean())


class Clock(TopScores):
    """Writes down when it was asked."""

    def __call__(self, model, histories: Histories, k: int, rules: Rules) -> Ranking:
        TIMES.append(histories.asked_at)
        return super().__call__(model, histories, k, rules)


TIMES: list[np.ndarray | None] = []


@pytest.mark.parametrize("told", [False, True])
def test_a_look_tells_the_target_time_where_training_does(told: bool) -> None:
    TIMES.clear()
    split = world()
    system({"decoder": Clock(), "procedure.loop.epochs": 1, "batches.target_time": told}).fit(split, Run(seed=5))
    times = split.validation.histories.timestamps[split.validation.histories.ends]
    assert len(TIMES) == 1
    assert np.array_equal(TIMES[0], times) if told else TIMES[0] is None
