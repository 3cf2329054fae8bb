"""The default world: the same for one seed, a believable log, and known probabilities that are true."""

import time

import numpy as np
import polars as pl
import pytest

from segue.core.errors import SettingsError
from segue.data.requests import request_spans
from segue.simulation.users import DAY
from segue.simulation.world import TINY, World


@pytest.fixture(scope="module")
def tiny():
    return TINY.simulate(seed=1)


@pytest.fixture(scope="module")
def default():
    return World().simulate(seed=0)


def test_what_was_shown_stands_beside_what_was_clicked(tiny):
    dataset, shown = tiny.dataset(), tiny.impressions
    exposures = dataset.exposures
    assert exposures.items.tolist() == shown["item"].to_list()
    assert exposures.timestamps.tolist() == shown["timestamp"].to_list()
    owners = np.repeat(np.arange(60), np.diff(exposures.offsets))
    assert owners.tolist() == shown["user"].to_list()
    assert set(exposures.columns) == {"request", "position", "exposure", "click", "like", "purchase", "watch_time"}
    for name, values in exposures.columns.items():
        assert values.tolist() == shown[name].to_list()
    click = exposures.columns["click"] == 1
    assert exposures.items[click].tolist() == dataset.log.items.tolist()
    assert exposures.timestamps[click].tolist() == dataset.log.timestamps.tolist()
    for name, values in dataset.log.columns.items():
        assert exposures.columns[name][click].tolist() == values.tolist()


def test_exposures_leave_the_digest_as_it_was_before_there_were_any(tiny, default):
    assert tiny.dataset().digest == "c7ef2fab64533999c689c7624565035da0f35bdd74e2fe2f1e3c82c88af4db07"
    assert default.dataset().digest == "de8cde7c5d404c242d020b0e4ebf151e72a44ddc82ab9507bdd0e8eb007a7a98"


def test_clicks_know_their_request(tiny):
    dataset = tiny.dataset()
    events = np.arange(len(dataset.log))
    spans = request_spans(dataset, events)
    request = dataset.exposures.columns["request"]
    assert (request[spans[:, 0]] == dataset.log.columns["request"]).all()
    assert (request[spans[:, 1] - 1] == dataset.log.columns["request"]).all()
    # and no exposure of that request lies elsewhere
    assert (spans[:, 1] - spans[:, 0]).tolist() == np.bincount(request)[dataset.log.columns["request"]].tolist()


def test_one_seed_one_world(tiny):
    again, other = TINY.simulate(seed=1), TINY.simulate(seed=2)
    assert again.dataset().digest == tiny.dataset().digest
    assert again.impressions.equals(tiny.impressions)
    assert other.dataset().digest != tiny.dataset().digest


def test_the_default_world_is_quick_and_of_the_size_it_says(default):
    start = time.process_time()
    World().simulate(seed=3)
    assert time.process_time() - start < 3
    origin = default.dataset().origin
    assert (origin["users"], origin["items"]) == (2000, 1000)
    assert 30 < origin["events"] / origin["users"] < 50
    assert 10 < origin["impressions"] / origin["requests"] < 13


def test_the_log_is_ordered_without_ties_or_repeats(default):
    log = default.dataset().log
    assert log.offsets[0] == 0
    assert log.offsets[-1] == len(log)
    lengths = np.diff(log.offsets)
    assert lengths.min() >= 5
    users = np.repeat(np.arange(len(lengths)), lengths)
    steps = np.diff(log.timestamps)[users[1:] == users[:-1]]
    assert steps.min() > 0
    assert len(np.unique(users * 1000 + log.items)) == len(log)


def test_every_item_is_described(default):
    table = default.catalog.table
    assert table.columns == ["item_id", "title", "categories", "brand", "price"]
    assert table["item_id"].n_unique() == table["title"].n_unique() == 1000
    assert table["title"].str.split(" ").list.first().n_unique() == 1000  # a word of its own
    assert table["price"].min() > 0
    assert (table["categories"].list.len() == 2).all()
    # a word of its category stands in every title of "Coffee"
    coffee = table.filter(pl.col("categories").list.last() == "Coffee")["title"]
    assert coffee.str.contains("espresso|roast|bean|filter|arabica|cup").all()


def test_impressions_agree_with_the_log(tiny):
    dataset = tiny.dataset()
    clicks = tiny.impressions.filter("click")
    assert clicks["item"].to_list() == dataset.log.items.tolist()
    assert clicks["timestamp"].to_list() == dataset.log.timestamps.tolist()
    assert clicks["user"].to_list() == np.repeat(np.arange(60), np.diff(dataset.log.offsets)).tolist()
    assert tiny.impressions["request"].n_unique() == len(tiny.state)
    positions = tiny.impressions.group_by("request").agg(pl.col("position").sort())
    assert all(row == list(range(len(row))) for row in positions["position"].to_list())


def test_without_a_click_there_is_nothing_else(default):
    rest = default.impressions.filter(~pl.col("click"))
    assert not rest["like"].any()
    assert not rest["purchase"].any()
    assert rest["watch_time"].max() == 0
    clicks = default.impressions.filter("click")
    assert clicks["watch_time"].min() >= 0
    assert 0.05 < clicks["like"].mean() < 0.6
    assert 0.02 < clicks["purchase"].mean() < 0.4


def test_the_recorded_exposure_is_the_one_the_world_states(tiny):
    requests = np.arange(len(tiny.state))
    table = tiny.impressions
    stated = tiny.exposure(requests)[table["request"].to_numpy(), table["item"].to_numpy()]
    assert table["exposure"].to_numpy() == pytest.approx(stated)


def test_the_exposure_is_true(default):
    requests = np.random.default_rng(0).choice(len(default.state), 3000, replace=False)
    exposure = default.exposure(requests)
    shown = np.zeros(exposure.shape, dtype=bool)
    place = {request: row for row, request in enumerate(requests.tolist())}
    chosen = default.impressions.filter(pl.col("request").is_in(requests))
    shown[[place[request] for request in chosen["request"].to_list()], chosen["item"].to_numpy()] = True
    for low, high in [(0, 0.005), (0.005, 0.02), (0.02, 0.1), (0.1, 0.3), (0.3, 0.91)]:
        band = (exposure > low) & (exposure <= high)
        expected, spread = exposure[band].sum(), np.sqrt((exposure[band] * (1 - exposure[band])).sum())
        assert abs(shown[band].sum() - expected) < 4 * spread, (low, high)
    assert not shown[exposure == 0].any()


def test_the_preference_is_true(default):
    table = default.impressions
    requests, place = np.unique(table["request"].to_numpy()[:60_000], return_inverse=True)
    truth = default.preference(requests)[place, table["item"].to_numpy()[:60_000]]
    clicks = table["click"].to_numpy()[:60_000]
    for low, high in [(0, 0.02), (0.02, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1)]:
        band = (truth > low) & (truth <= high)
        spread = np.sqrt((truth[band] * (1 - truth[band])).sum())
        assert abs(clicks[band].sum() - truth[band].sum()) < 4 * spread, (low, high)


def test_exposure_weights_recover_the_click_rate_of_a_fair_shop(default):
    """Weighting by 1 / exposure gives what showing every unseen item alike would have given."""
    requests = np.arange(0, len(default.state), 40)
    exposure, preference = default.exposure(requests), default.preference(requests)
    fair = (preference * (exposure > 0)).sum(axis=1).mean()
    chosen = default.impressions.filter(pl.col("request") % 40 == 0)
    weighed = (chosen["click"] / chosen["exposure"]).sum() / len(requests)
    plain = chosen["click"].mean() * 1000
    assert weighed == pytest.approx(fair, rel=0.15)
    assert plain > 1.5 * fair  # the log alone says far too much


def test_popular_items_are_shown_more_than_liked_ones(default):
    shown = np.bincount(default.impressions["item"].to_numpy(), minlength=1000)
    popularity = default.environment.items.popularity
    assert np.corrcoef(np.log(popularity), np.log(shown + 1))[0, 1] > 0.8
    users = np.arange(0, 2000, 20)
    latest = default.latest_requests()[users]
    assert default.state.users[latest].tolist() == users.tolist()
    never = ~default.ever_shown(users)
    liked = default.preference(latest) > 0.5
    assert (liked & never).sum(axis=1).mean() > 5  # liked but never shown: what exposure bias hides


def test_tastes_turn_by_a_right_angle(default):
    users = default.environment.users
    rows = np.arange(2000)
    start = users.tastes(rows, users.start)
    later = users.tastes(rows, users.start + int(45 * DAY))
    soon = users.tastes(rows, users.start + DAY)

    def alike(a, b):
        return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))

    assert alike(start, soon) > 0.99
    assert abs(alike(start, later)) < 0.05
    assert later.std() == pytest.approx(1, abs=0.05)


def test_settings_that_make_no_world_are_refused():
    with pytest.raises(SettingsError, match="explore"):
        World.parse({"explore": 0.0})
    with pytest.raises(SettingsError, match=r"items.*greater than or equal to 20"):
        World.parse({"items": 3})


def test_a_world_where_nothing_matters_still_runs():
    flat = World(users=20, items=30, categories=4, taste=0, habit=0, personal=0, popularity_bias=0, clicks=6.0, base=-1)
    preference = flat.simulate(seed=0).preference(np.array([0, 5]))
    assert ((preference > 0) & (preference < 1)).all()
