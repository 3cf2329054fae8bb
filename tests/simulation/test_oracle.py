"""Nobody beats the oracle, and there is room between it and the simple baselines."""

import numpy as np
import polars as pl
import pytest

from segue.core.errors import DataError
from segue.core.ranking import NOTHING, Ranking, Rules
from segue.core.tables import Cases, Catalog, Dataset, Histories, InteractionLog
from segue.simulation.oracle import Oracle
from segue.simulation.world import World


def leave_one_out(dataset):
    whole = dataset.log.histories()
    test = Cases(Histories(whole.items, whole.starts, whole.ends - 1, whole.users, whole.timestamps), whole.ends)
    train = Histories(whole.items, whole.starts, whole.ends - 2, whole.users, whole.timestamps)
    return train, test


def ndcg(ranking, targets):
    places = ranking.items[:, :10] == targets[:, None]
    return (places / np.log2(np.arange(2, 12))).sum(axis=1)


def best_unseen(scores, cases):
    scores = scores.astype(float)
    items, bounds = cases.histories.packed()
    scores[np.repeat(np.arange(len(cases)), np.diff(bounds)), items] = -np.inf
    best = np.argpartition(-scores, 10, axis=1)[:, :10]
    order = np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1), axis=1)
    return Ranking(order, np.take_along_axis(scores, order, axis=1))


def multi_hot(histories, items):
    rows, bounds = histories.packed()
    matrix = np.zeros((len(histories), items), dtype=np.float32)
    matrix[np.repeat(np.arange(len(histories)), np.diff(bounds)), rows] = 1
    return matrix


@pytest.fixture(scope="module")
def scores():
    """NDCG@10 per user on the default world."""
    simulation = World().simulate(seed=0)
    dataset = simulation.dataset()
    train, test = leave_one_out(dataset)
    targets = dataset.log.items[test.histories.ends]
    counts = np.bincount(train.packed()[0], minlength=1000)
    rankings = {
        "oracle": Oracle(simulation).rank(dataset, test, 10),
        "popularity": best_unseen(np.tile(counts, (len(test), 1)), test),
    }

    together = multi_hot(train, 1000)
    together = together.T @ together
    np.fill_diagonal(together, 0)
    norms = np.sqrt(np.maximum(counts, 1))
    rankings["item-kNN"] = best_unseen(multi_hot(test.histories, 1000) @ (together / norms / norms[:, None]), test)

    category = simulation.environment.items.category
    items, bounds = train.packed()
    inside = np.ones(len(items) - 1, dtype=bool)
    inside[bounds[1:-1] - 1] = False
    steps = np.zeros((24, 24))
    np.add.at(steps, (category[items[:-1][inside]], category[items[1:][inside]]), 1)
    steps /= steps.sum(axis=1, keepdims=True)
    share = counts / np.bincount(category, weights=counts)[category]
    last = dataset.log.items[test.histories.ends - 1]
    rankings["Markov"] = best_unseen(steps[category[last]][:, category] * share, test)

    # parts of the truth, each without something the oracle knows
    requests = dataset.log.columns["request"][test.histories.ends]
    preference, exposure = simulation.preference(requests), simulation.exposure(requests)
    rankings["preference alone"] = best_unseen(preference, test)
    rankings["exposure alone"] = best_unseen(exposure, test)
    first = simulation.state.take(requests)
    forgetful = type(first)(first.users, first.times, np.full(len(first), -1))
    world = simulation.environment
    rankings["without the last click"] = best_unseen(
        world.preference(forgetful) * world.exposure(forgetful, simulation.clicked(requests)), test
    )
    past = type(first)(first.users, world.users.start[first.users], first.previous)
    rankings["without the drift"] = best_unseen(
        world.preference(past) * world.exposure(past, simulation.clicked(requests)), test
    )
    return {name: ndcg(ranking, targets) for name, ranking in rankings.items()}


def test_the_oracle_is_far_above_popularity(scores):
    assert scores["oracle"].mean() > 3.5 * scores["popularity"].mean()
    assert scores["oracle"].mean() > 0.22


def test_order_is_worth_more_than_contents_and_both_leave_room(scores):
    assert scores["Markov"].mean() > 1.15 * scores["item-kNN"].mean()
    assert scores["item-kNN"].mean() > 1.5 * scores["popularity"].mean()
    assert scores["oracle"].mean() > 1.4 * scores["Markov"].mean()


def test_no_one_who_knows_less_does_better(scores):
    for name, values in scores.items():
        if name == "oracle":
            continue
        gain = values - scores["oracle"]
        error = gain.std() / np.sqrt(len(gain))
        assert gain.mean() < 2 * error, name
    for name in ("preference alone", "exposure alone", "without the last click", "without the drift"):
        assert scores[name].mean() < 0.9 * scores["oracle"].mean(), name


TINY = World(users=40, items=30, categories=4, clicks=8.0, shown=6.0)


@pytest.fixture(scope="module")
def tiny():
    simulation = TINY.simulate(seed=0)
    return simulation, simulation.dataset()


def test_the_order_is_that_of_exposure_times_preference(tiny):
    simulation, dataset = tiny
    _, test = leave_one_out(dataset)
    found = Oracle(simulation).rank(dataset, test, 5)
    for row in range(len(test)):
        request = dataset.log.columns["request"][test.histories.ends[row] : test.histories.ends[row] + 1]
        chance = (simulation.exposure(request) * simulation.preference(request))[0]
        chance[dataset.log.items[test.histories.starts[row] : test.histories.ends[row]]] = -1
        assert found.items[row].tolist() == np.argsort(-chance, kind="stable")[:5].tolist()
        assert found.scores[row] == pytest.approx(np.sort(chance)[::-1][:5])


def test_next_click_frequencies_follow_the_oracle():
    """Among the clicks of all users, the item ranked first is hit as often as its share of the chance says."""
    simulation = World(users=400, items=40, categories=4, clicks=20.0, shown=3.0).simulate(seed=5)
    dataset = simulation.dataset()
    _, test = leave_one_out(dataset)
    found = Oracle(simulation).rank(dataset, test, 40)
    chance = np.where(np.isfinite(found.scores), found.scores, 0)
    odds = chance / (1 - chance)  # what the order of several clicks in one request is drawn by
    share = odds / odds.sum(axis=1, keepdims=True)
    hits = found.items == dataset.log.items[test.histories.ends][:, None]
    for place in range(4):
        expected = share[:, place].sum()
        spread = np.sqrt((share[:, place] * (1 - share[:, place])).sum())
        assert abs(hits[:, place].sum() - expected) < 4 * spread


def test_rules_are_kept(tiny):
    simulation, dataset = tiny
    _, test = leave_one_out(dataset)
    oracle = Oracle(simulation)
    for row, items in enumerate(oracle.rank(dataset, test, 30).items):
        seen = dataset.log.items[test.histories.starts[row] : test.histories.ends[row]]
        assert not set(items.tolist()) & set(seen.tolist())
        assert (items == NOTHING).sum() == len(seen)
    allowed = oracle.rank(dataset, test, 3, Rules(allow=np.array([1, 2, 3]), deny=np.array([2])))
    assert set(allowed.items.ravel().tolist()) <= {1, 3, NOTHING}
    assert (oracle.rank(dataset, test, 30, Rules(seen=True)).items != NOTHING).all()


def test_it_finds_its_items_in_a_prepared_dataset(tiny):
    simulation, dataset = tiny
    turned = np.arange(30)[::-1]
    log = dataset.log
    prepared = Dataset(
        "turned",
        InteractionLog(29 - log.items, log.offsets, log.users, log.timestamps, log.columns),
        Catalog(dataset.catalog.table[turned]),
        digest="",
    )
    _, test = leave_one_out(dataset)
    _, other = leave_one_out(prepared)
    plain, moved = Oracle(simulation).rank(dataset, test, 5), Oracle(simulation).rank(prepared, other, 5)
    assert (29 - moved.items == plain.items).all()


def test_a_log_without_requests_is_refused(tiny):
    simulation, dataset = tiny
    _, test = leave_one_out(dataset)
    bare = InteractionLog(dataset.log.items, dataset.log.offsets, dataset.log.users)
    with pytest.raises(DataError, match="needs the column 'request'"):
        Oracle(simulation).rank(Dataset("bare", bare, dataset.catalog, ""), test, 5)
    strange = Dataset("strange", dataset.log, Catalog(pl.DataFrame({"item_id": ["x"] * 30})), "")
    with pytest.raises(DataError, match="item id"):
        Oracle(simulation).rank(strange, test, 5)


def test_the_chances_of_actions_are_the_rates_at_which_they_come():
    simulation = World(users=400, items=60, categories=6, clicks=15.0).simulate()
    shown = np.arange(simulation.impressions.height)
    chances = Oracle(simulation).chances(shown, ("purchase", "click", "like"))
    for place, action in enumerate(("purchase", "click", "like")):
        came = simulation.impressions[action].to_numpy()
        spread = np.sqrt((chances[:, place] * (1 - chances[:, place])).sum())
        assert abs(came.sum() - chances[:, place].sum()) < 4 * spread
        assert chances[came, place].mean() > 1.3 * chances[~came, place].mean()
    assert (chances[:, 2] < chances[:, 1]).all()
