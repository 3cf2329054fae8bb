"""What the log of a service says about systems is what is true of them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cli.shell import TINY, write_log
from segue.core.errors import DataError, RunError, SettingsError
from segue.core.ranking import Rules
from segue.core.served import Decision, Event, ItemNote
from segue.core.tables import Histories
from segue.data.continued_log import Since
from segue.service.live_memory import LiveMemory
from segue.service.recent_events import RecentEvents
from segue.service.sqlite_store import SqliteStore
from segue.workflows.experiment import new, parse_setting
from segue.workflows.fit import fit
from segue.workflows.replay import Question, Replay, Withdrawn
from segue.workflows.runs import dataset_of, open_run
from segue.workflows.traffic import traffic

DAY = 24 * 3600
START = 1_700_100_000
"""Later than everything in the log."""
K = 4


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Three finished runs on one log; `a` and `b` are the ones in use."""
    folder = tmp_path_factory.mktemp("traffic")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("SEGUE_CACHE", str(folder / "cache"))
        log = str(write_log(folder / "walks.csv", users=60))
        tiny = dict(parse_setting(word) for word in TINY if word != "--set")
        fit(new("popularity", log, {}, 0), folder / "a", baselines=())
        fit(new("item_knn", log, {}, 0), folder / "b", baselines=())
        fit(new("sasrec_small", log, tiny, 0), folder / "c", baselines=())
        yield {name: folder / name for name in "abc"}


class Served:
    """A service of `a` and `b` in miniature, with users whose every probability is known.

    Item i5 is taken with five times the probability of i0. In the first half of the rounds `a` has nine tenths of the
    traffic and users take little; then `b` has it, and they take six times as much.
    """

    def __init__(self, runs: dict[str, Path], rounds: int = 16) -> None:
        self.store, rng = SqliteStore(None), np.random.default_rng(1)
        opened = {name: open_run(folder) for name, folder in runs.items()}
        data = dataset_of(opened["a"][0])
        ids = data.catalog.ids.to_list()
        memory = LiveMemory(data, data.catalog, RecentEvents(self.store))
        users = data.log.users["user_id"].to_list()
        liking = {item: 0.02 + 0.02 * (int(item[1:]) % 6) for item in ids}
        self.lists: list[dict[str, tuple[str, ...]]] = []
        self.rates: list[dict[str, float]] = []
        self.shares: list[dict[str, float]] = []
        for step in range(rounds):
            late = step >= rounds // 2
            share = {"a": 0.1, "b": 0.9} if late else {"a": 0.9, "b": 0.1}
            histories, places, _ = memory.histories(users)
            found = {name: _lists(one.recommend(histories, K), ids) for name, (_, one) in opened.items()}
            now, events = START + 2 * DAY * step, []
            decisions = []
            for row, user in enumerate(users):
                system = "a" if rng.random() < share["a"] else "b"
                shown = found[system][row]
                decisions.append(
                    Decision(
                        f"{step}-{user}",
                        now,
                        user,
                        system,
                        share[system],
                        K,
                        shown,
                        seen_place=places[row],
                        shares=share,
                    )
                )
                rates = {item: liking[item] * (4 if late else 0.7) for item in ids}
                events += [
                    Event(f"{step}-{user}-{item}", user, item, now + 60) for item in shown if rng.random() < rates[item]
                ]
                self.lists.append({name: lists[row] for name, lists in found.items()})
                self.rates.append(rates)
                self.shares.append(share)
            self.store.note_decisions(decisions)
            self.store.add(events)

    def truth(self, run: str, *, supported: bool = False) -> float:
        """How many items of its lists users would take, per decision."""
        worth = 0.0
        for lists, rates in zip(self.lists, self.rates, strict=True):
            anybody = {*lists["a"], *lists["b"]}
            worth += sum(rates[item] for item in lists[run] if not supported or item in anybody)
        return worth / len(self.lists)

    def unsupported(self, run: str) -> float:
        items = [item in {*one["a"], *one["b"]} for one in self.lists for item in one[run]]
        return items.count(False) / len(items)


def _lists(ranking, ids: list[str]) -> list[tuple[str, ...]]:
    return [tuple(ids[row] for row in rows if row >= 0) for rows in ranking.items.tolist()]


@pytest.fixture(scope="module")
def served(runs: dict[str, Path]) -> Served:
    return Served(runs)


def covers(estimate, truth: float) -> bool:
    return estimate.low <= truth <= estimate.high


@pytest.mark.slow
def test_systems_are_judged_as_if_all_had_answered_everything(served: Served) -> None:
    report = traffic(served.store)
    assert (report.decisions, report.users, report.open) == (960, 60, 60)
    assert [one.system for one in report.systems] == ["a", "b"]
    for one in report.systems:
        truth = served.truth(one.system)
        assert one.of == 960
        assert covers(one.ips.hits, truth)
        assert covers(one.snips.hits, truth)
        assert not covers(one.plain.hits, truth), "the mean of its own answers is that of its own days"
        assert one.effective < one.decisions


@pytest.mark.slow
def test_a_run_that_never_answered_is_judged_by_what_others_showed(served: Served, runs: dict[str, Path]) -> None:
    report = traffic(served.store, runs)
    assert report.not_asked == {}
    found = {one.run: one.estimated for one in report.runs}
    for name in "abc":
        assert covers(found[name].ips.hits, served.truth(name, supported=True))
        assert found[name].unsupported == pytest.approx(served.unsupported(name))
    assert found["a"].unsupported == found["b"].unsupported == 0
    assert 0 < found["c"].unsupported < 1
    assert 0 < found["c"].effective < found["c"].shown
    dumped = report.dump()
    assert dumped["runs"][2]["estimated"]["ips"]["hits"]["value"] == found["c"].ips.hits.value


@pytest.mark.slow
def test_a_run_is_asked_with_the_history_of_that_moment(served: Served, runs: dict[str, Path]) -> None:
    decisions = served.store.decisions()
    since = served.store.after({one.user_id: 0 for one in decisions})
    questions = [Question(one, Since().grown(since.get(one.user_id, [])), frozenset()) for one in decisions]
    for name, folder in runs.items():
        assert Replay(folder).lists(questions) == [lists[name] for lists in served.lists]


def noted(*decisions: Decision, events=(), notes=()) -> SqliteStore:
    store = SqliteStore(None)
    store.note_decisions(decisions)
    store.add(list(events))
    store.note_items(list(notes))
    return store


def answer(runs: dict[str, Path], run: str, user: str, **rules) -> tuple[str, ...]:
    experiment, recommender = open_run(runs[run])
    data = dataset_of(experiment)
    past: Histories = data.log.histories().take(data.log.user_rows([user]))
    allowed = Rules(
        seen=rules.get("seen", False),
        **{name: recommender.catalog.rows(rules[name]) for name in ("allow", "deny") if name in rules},
    )
    return _lists(recommender.recommend(past, K, allowed), data.catalog.ids.to_list())[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rules", "meant"),
    [
        ({"seen": True}, {"seen": True}),
        ({"allow": ["i1", "i2", "i12"]}, {"allow": ["i1", "i2", "i12"]}),
        ({"deny": ["i12", "i13"]}, {"deny": ["i12", "i13"]}),
        ({"where": [{"column": "item_id", "any_of": ["i1", "i2", "nothing"]}]}, {"allow": ["i1", "i2"]}),
        ({"allow": ["i1", "i3"], "where": [{"column": "item_id", "any_of": ["i1", "i2"]}]}, {"allow": ["i1"]}),
        ({"where": [{"column": "no such column", "at_least": 1}]}, {"allow": []}),
    ],
)
def test_the_rules_of_the_request_are_followed(runs: dict[str, Path], rules, meant) -> None:
    one = Decision("r", START, "u3", "b", 1.0, K, answer(runs, "b", "u3", **meant), rules=rules)
    assert one.items != answer(runs, "b", "u3")
    assert traffic(noted(one), {"b": runs["b"]}).not_asked == {}
    other = Decision("r", START, "u3", "b", 1.0, K, answer(runs, "b", "u3"), rules=rules)
    assert list(traffic(noted(other), {"b": runs["b"]}).not_asked.values()) == [1]


@pytest.mark.slow
def test_items_withdrawn_at_that_time_are_not_shown(runs: dict[str, Path]) -> None:
    first = answer(runs, "b", "u3")
    without = answer(runs, "b", "u3", deny=[first[0]])
    notes = [ItemNote(first[0], available=False), ItemNote(first[0])]
    decisions = [
        Decision(str(place), START, "u3", "b", 1.0, K, items, noted_place=place)
        for place, items in enumerate([first, without, first])
    ]
    assert traffic(noted(*decisions, notes=notes), {"b": runs["b"]}).not_asked == {}
    assert Withdrawn(noted(notes=notes).items()).at(1) == {first[0]}


@pytest.mark.slow
def test_what_cannot_be_asked_again_is_counted_by_reason(runs: dict[str, Path]) -> None:
    items = answer(runs, "b", "u3")

    def one(key: str, **changes) -> Decision:
        return Decision(**{"request_id": key, "time": START, "user_id": "u3", "system": "b", "chance": 1.0, "k": K,
                           "items": items, **changes})  # fmt: skip

    report = traffic(
        noted(
            one("fine"),
            one("somebody", user_id=None, history=("i1",)),
            one("named", rules={"system": "b"}),
            one("fallback", answered_by="fallback"),
            one("of another time", rules={"mood": "good"}),
            one("pipeline", shares={"b": 0.5, "two stages": 0.5}),
            one("no share", shares={"z": 1.0}),
            one("changed", items=("i0", "i1")),
        ),
        {"b": runs["b"]},
    )
    assert report.without_outcome == {"nobody knows who asked": 1, "the request named the system": 1}
    assert report.not_asked == {
        "answered by the fallback": 1,
        "asked with the rule 'mood'": 1,
        "'two stages' could have answered, and was not given": 1,
        "the log does not say what share of the traffic the system had": 1,
        "asked again, the run that answered gives other items": 1,
    }
    assert [(one.run, one.decisions) for one in report.runs] == [("b", 1)]


def test_only_what_was_taken_afterwards_in_time_and_by_that_action_counts() -> None:
    decision = Decision("r", START, "u", "a", 1.0, 6, ("i1", "i2", "i3", "i4", "i5", "i6"), seen_place=1)
    events = [
        Event("known to the answer", "u", "i1", START),
        Event("reported late", "u", "i2", START - 5),
        Event("bought", "u", "i3", START + 5, {"buy": 1}),
        Event("only shown", "u", "i4", START + 5, {"buy": 0}),
        Event("too late", "u", "i5", START + 3601),
        Event("somebody else", "v", "i6", START + 5),
        Event("another item", "u", "i9", START + 5),
        Event("in time", "u", "i6", START + 3600),
    ]
    store = noted(decision, events=events)
    (found,) = traffic(store, hours=1).systems
    assert found.plain.hits.value == 2
    assert found.plain.discounted.value == pytest.approx(1 / np.log2(4) + 1 / np.log2(7))
    (found,) = traffic(store, hours=1, by="buy").systems
    assert found.plain.hits.value == 1


def test_a_system_is_judged_on_the_decisions_that_it_could_have_made_and_a_swap_is_another_system() -> None:
    both = {"a": 0.5, "b": 0.5}
    decisions = [
        Decision("1", START, "u", "a", 1.0, 1, ("i1",)),
        Decision("2", START, "v", "a", 0.5, 1, ("i2",), shares=both),
        Decision("3", START, "w", "b", 0.5, 1, ("i3",), shares=both),
        Decision("4", START, "x", "a", 1.0, 1, ("i3",), run="a-2", shares={"a-2": 1.0}),
    ]
    report = traffic(noted(*decisions, events=[Event("e", "w", "i3", START)]))
    assert [(one.system, one.decisions, one.of) for one in report.systems] == [
        ("a", 2, 3),
        ("a (a-2)", 1, 1),
        ("b", 1, 2),
    ]
    assert report.systems[2].ips.hits.value == pytest.approx(1.0)
    assert report.systems[0].ips.hits.value == 0


def test_only_the_newest_decisions_are_looked_at() -> None:
    store = noted(*(Decision(str(number), START, "u", "a", 1.0, 1, ("i1",)) for number in range(30)))
    assert traffic(store, last=7).decisions == 7


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no decisions"):
        traffic(SqliteStore(None))
    with pytest.raises(SettingsError, match="--hours 0"):
        traffic(SqliteStore(None), hours=0)
    with pytest.raises(RunError, match="not a run folder"):
        traffic(noted(Decision("r", START, "u", "x", 1.0, 1, ("i1",))), {"x": tmp_path})
