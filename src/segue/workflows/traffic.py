"""Compare systems by what users did with their answers, and estimate what others would have been worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segue.core.errors import DataError, SettingsError
from segue.core.run import Run
from segue.core.served import Decision, ServedLog
from segue.data.continued_log import Since
from segue.evaluation.off_policy import Estimate, Estimated, Shown, Sums, Value, discount, effective, estimate_lists
from segue.workflows.replay import ASKABLE, Question, Replay, Withdrawn

USERS = 1_000
"""Users whose events are read from the store at once."""


@dataclass(frozen=True)
class Answered:
    """What a system was worth on its own answers."""

    system: str
    """Its name, with that of the run behind it where the two differ."""
    decisions: int
    """How many it answered."""
    of: int
    """How many it could have answered."""
    plain: Value
    """The mean over its answers, which is misleading where its share of the traffic changed meanwhile."""
    ips: Value
    """Each answer weighted by one over the chance that it was this system's."""
    snips: Value
    """Self-normalised."""
    effective: float
    """How many equally weighted answers would say as much."""


@dataclass(frozen=True)
class AskedAgain:
    """What a run would have been worth on the answers of all."""

    run: str
    decisions: int
    estimated: Estimated


@dataclass(frozen=True)
class TrafficReport:
    """What the log of a service says about its systems and about other runs."""

    decisions: int
    """All that were looked at."""
    users: int
    hours: float
    by: str | None
    """The action that counts as taking an item; None for any."""
    open: int
    """Decisions whose window has not ended yet: what users did last is as old as that."""
    systems: list[Answered]
    without_outcome: dict[str, int]
    """Decisions that say nothing about systems, by reason."""
    runs: list[AskedAgain]
    not_asked: dict[str, int]
    """Decisions that could not be asked again, by reason."""

    def dump(self) -> dict[str, Any]:
        """As plain values; what is not known is None."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


@dataclass(frozen=True)
class _Outcome:
    """A decision, who asked (a number), and which of its items the user took."""

    decision: Decision
    user: int
    since: Since
    taken: frozenset[str]

    @property
    def run(self) -> str:
        return self.decision.run or self.decision.system

    @property
    def label(self) -> str:
        name, run = self.decision.system, self.run
        return name if run == name else f"{name} ({run})"

    @property
    def shares(self) -> Mapping[str, float]:
        return self.decision.shares or {self.run: 1.0}


def traffic(
    log: ServedLog,
    runs: Mapping[str, Path] = {},
    *,
    hours: float = 24.0,
    by: str | None = None,
    last: int = 100_000,
    device: torch.device | None = None,
    run: Run | None = None,
) -> TrafficReport:
    """Compare the systems of a service by what users took of their answers, and estimate what runs are worth.

    An answered item counts as taken if the user took it after the answer, within so many hours. A run is asked again
    with the history and the rules of each decision, and so is every run that could have answered, for the chance that
    an item was shown is the sum of the shares of those whose lists have it.

    Args:
        runs: folders of runs by the names under which the service knows them.
        hours: how long after an answer an item may be taken.
        by: count only events with this action.
        last: how many decisions are looked at, the newest.

    Raises:
        SettingsError: `hours` or `last` is not positive.
        DataError: there are no decisions.
        RunError: a folder is not a finished run, or its data has changed.
    """
    if hours <= 0 or last <= 0:
        raise SettingsError(f"--hours {hours:g} and --last {last}: both must be positive.")
    decisions = _decisions(log, last)
    if not decisions:
        raise DataError("the store holds no decisions; a service notes them while it answers POST /recommend.")
    since = _since(log, sorted({one.user_id for one in decisions if one.user_id is not None}))
    users = {user: number for number, user in enumerate(since)}
    window = int(hours * 3600)
    outcomes, without = [], Counter[str]()
    for one in decisions:
        reason = _without_outcome(one)
        if reason is not None:
            without[reason] += 1
            continue
        own = since[str(one.user_id)]
        outcomes.append(_Outcome(one, users[str(one.user_id)], own, _taken(one, own, window, by)))
    newest = max(int(max(one.times.max(initial=0) for one in since.values())) if since else 0, decisions[-1].time)
    asked, not_asked = _asked_again(outcomes, runs, Withdrawn(log.items()), device, run or Run()) if runs else ([], {})
    return TrafficReport(
        decisions=len(decisions),
        users=len({one.user for one in outcomes}),
        hours=hours,
        by=by,
        open=sum(one.decision.time + window > newest for one in outcomes),
        systems=_systems(outcomes),
        without_outcome=dict(without),
        runs=asked,
        not_asked=dict(not_asked),
    )


def _decisions(log: ServedLog, last: int) -> list[Decision]:
    found: list[Decision] = []
    after = max(log.decision_count() - last, 0)
    while some := log.decisions(after):
        found += some
        after = some[-1].place
    return found


def _since(log: ServedLog, users: Sequence[str]) -> dict[str, Since]:
    found = {user: Since() for user in users}
    for first in range(0, len(users), USERS):
        events = log.after(dict.fromkeys(users[first : first + USERS], 0))
        found |= {user: Since().grown(own) for user, own in events.items()}
    return found


def _without_outcome(decision: Decision) -> str | None:
    if decision.user_id is None:
        return "nobody knows who asked"
    if "system" in decision.rules:
        return "the request named the system"
    return None


def _taken(decision: Decision, since: Since, window: int, by: str | None) -> frozenset[str]:
    """Which of the items the user took afterwards."""
    counts = (
        since.taken if by is None else np.array([kind.get(by) == 1 for kind in since.kinds], dtype=bool)[since.kind]
    )
    late = (since.places > decision.seen_place) & (since.times >= decision.time)
    events = np.flatnonzero(counts & late & (since.times <= decision.time + window))
    return frozenset(decision.items).intersection(since.items[one] for one in events.tolist())


def _systems(outcomes: Sequence[_Outcome]) -> list[Answered]:
    """Each system on the decisions that it could have made."""
    answered = []
    for label, run in sorted({(one.label, one.run) for one in outcomes}):
        could = [one for one in outcomes if one.shares.get(run, 0.0) > 0 or one.label == label]
        own = np.array([one.label == label for one in could], dtype=np.float64)
        weights = own / [one.decision.chance for one in could]
        answered.append(
            Answered(
                system=label,
                decisions=int(own.sum()),
                of=len(could),
                plain=_value(could, own, own),
                ips=_value(could, weights, np.ones(len(could))),
                snips=_value(could, weights, weights),
                effective=effective(weights),
            )
        )
    return answered


def _value(outcomes: Sequence[_Outcome], weights: np.ndarray, total: np.ndarray) -> Value:
    """The weighted sum of what was taken, by the sum of `total`."""
    users = np.array([one.user for one in outcomes])
    hits = np.array([float(len(one.taken)) for one in outcomes])
    gains = np.array([_gain(one.decision.items, one.taken) for one in outcomes])
    return Value(*(Sums(weights * one, total, np.ones(len(outcomes))).estimate(users) for one in (hits, gains)))


def _gain(items: Sequence[str], taken: frozenset[str]) -> float:
    places = np.array([place for place, item in enumerate(items) if item in taken], dtype=np.int64)
    return float(discount(places).sum())


def _asked_again(
    outcomes: Sequence[_Outcome],
    runs: Mapping[str, Path],
    withdrawn: Withdrawn,
    device: torch.device | None,
    run: Run,
) -> tuple[list[AskedAgain], Counter[str]]:
    """What each run is worth on the decisions that can be asked again, and why others cannot be."""
    reasons = [_not_askable(one, runs) for one in outcomes]
    askable = [one for one, reason in zip(outcomes, reasons, strict=True) if reason is None]
    questions = [Question(one.decision, one.since, withdrawn.at(one.decision.noted_place)) for one in askable]
    lists: dict[str, list[tuple[str, ...]]] = {}
    for name, folder in runs.items():
        run.begin(f"asking {name} again", len(questions))
        lists[name] = Replay(folder, device).lists(questions, run.advance)
        run.end()
    same = [set(lists[one.run][place]) == set(one.decision.items) for place, one in enumerate(askable)]
    why = Counter(reason for reason in reasons if reason is not None)
    if changed := same.count(False):
        why["asked again, the run that answered gives other items"] = changed
    kept = [place for place, one in enumerate(same) if one]
    chosen = [askable[place] for place in kept]
    return [
        _worth(name, chosen, {key: [all_[place] for place in kept] for key, all_ in lists.items()}) for name in runs
    ], why


def _not_askable(outcome: _Outcome, runs: Mapping[str, Path]) -> str | None:
    decision = outcome.decision
    if outcome.shares.get(outcome.run, 0.0) <= 0:
        return "the log does not say what share of the traffic the system had"
    if decision.answered_by != "model":
        return "answered by the fallback"
    if strange := sorted(set(decision.rules) - ASKABLE):
        return f"asked with the rule {strange[0]!r}"
    absent = sorted(name for name, share in outcome.shares.items() if share > 0 and name not in runs)
    if absent:
        return f"{absent[0]!r} could have answered, and was not given"
    return None


def _worth(name: str, outcomes: Sequence[_Outcome], lists: Mapping[str, Sequence[tuple[str, ...]]]) -> AskedAgain:
    """The estimate for one run, where all that could have answered were asked."""
    decisions, taken, chances, places = [], [], [], []
    unsupported = 0
    for number, one in enumerate(outcomes):
        shares = [(share, frozenset(lists[key][number])) for key, share in one.shares.items() if share > 0]
        own = {item: place for place, item in enumerate(lists[name][number])}
        for item in one.decision.items:
            decisions.append(number)
            taken.append(item in one.taken)
            chances.append(sum(share for share, items in shares if item in items))
            places.append(own.get(item, -1))
        unsupported += sum(not any(item in items for _, items in shares) for item in own)
    shown = Shown(
        decisions=np.array(decisions, dtype=np.int64),
        taken=np.array(taken, dtype=bool),
        chances=np.array(chances, dtype=np.float64),
        places=np.array(places, dtype=np.int64),
    )
    users = np.array([one.user for one in outcomes], dtype=np.int64)
    sizes = np.array([len(one) for one in lists[name]], dtype=np.int64)
    return AskedAgain(name, len(outcomes), estimate_lists(shown, users, sizes, unsupported))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def words(estimate: Estimate) -> str:
    """An estimate with its interval, for people."""
    if not np.isfinite(estimate.value):
        return "nothing known"
    return f"{estimate.value:.4f} [{estimate.low:.4f}, {estimate.high:.4f}]"
