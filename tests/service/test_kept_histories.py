"""A system with a memory answers as one without, and reads only what it has not read."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from kernels.packed import UnwrittenIsNaN
from segue.backbones.bidirectional import Bidirectional
from segue.backbones.causal_transformer import CausalTransformer
from segue.backbones.encoder_decoder import EncoderDecoder
from segue.backbones.gru import Gru
from segue.backbones.hstu import Hstu
from segue.core.codes import ItemCodes
from segue.core.forms import Remembering
from segue.core.ranking import Rules
from segue.core.ranking_recipe import FittedRanker
from segue.core.recipe import FittedModel, Recommender
from segue.core.run import Run
from segue.core.tables import Catalog, Histories
from segue.data.passes import SharedHistory
from segue.models.item_scorer import ItemScorer
from segue.models.token_generator import TokenGenerator
from segue.recipes import dfgr, din, gpsd, metagr, popularity, sasrec
from segue.service.history_memory import HistoryMemory, Kept
from segue.service.kept_histories import NEWER, SHORT, memory_of, with_kept_histories
from segue.testing.requests import parity_requests
from segue.testing.worlds import ring
from workflows.small_tokens import RECIPE as TOKENS

ITEMS, WINDOW = 30, 32
CATALOG = Catalog(
    pl.DataFrame({"item_id": [f"i{row}" for row in range(ITEMS)], "title": [f"Item {row}" for row in range(ITEMS)]})
)
LLAMA = {"norm": "rms", "position": "rotary", "activation": "swiglu"}
TRUNKS = {
    "sasrec": CausalTransformer(width=8, inner=8, dropout=0.0),
    "post": CausalTransformer(width=8, inner=8, dropout=0.0, order="post"),
    "llama": CausalTransformer(width=8, inner=None, dropout=0.0, **LLAMA),
    "ligr": CausalTransformer(width=8, inner=8, dropout=0.0, gated=True, activation="swiglu"),
    "hstu": Hstu(width=8, head_width=4, heads=2, dropout=0.0),
    "gru": Gru(width=8),
    "timeless": Hstu(width=8, head_width=4, heads=2, dropout=0.0, timed=False),
}
HEADS = {"plain": ItemScorer(), "cosine": ItemScorer(scaled=True, normalized=True, temperature=0.5, head=False)}


def shaken(model: torch.nn.Module) -> torch.nn.Module:
    """Weights large enough that every event matters to the answer."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return model.eval()


def scorer(backbone, part: ItemScorer = HEADS["plain"], history: int = WINDOW) -> FittedModel:
    recipe = sasrec.RECIPE.changed({"backbone": backbone, "model": part, "batches": {"history": history, "users": 4}})
    return FittedModel(recipe, CATALOG, shaken(recipe._build(CATALOG, 0)), torch.ones(ITEMS))


def writer(backbone, **settings) -> FittedModel:
    codes = ItemCodes(np.random.default_rng(0).integers(0, 4, (ITEMS, 3)), (4,) * 3)
    recipe = TOKENS.changed({"batches.history": WINDOW, "backbone": backbone, "model": TokenGenerator(**settings)})
    model = shaken(recipe.model.build(recipe.backbone, codes, WINDOW))
    return FittedModel(recipe.changed({"decoder.beams": 64}), CATALOG, model, torch.ones(ITEMS))


def ranker(recipe) -> FittedRanker:
    world = parity_requests(items=ITEMS)
    facts = {name: torch.from_numpy(np.array(values)) for name, values in world.item_features.items()}
    model = shaken(recipe._build(world.schema, facts, 0))
    return FittedRanker(recipe, world.catalog, model)


class Stream:
    """Users who take items in time, and requests that ask about some of them in any order."""

    def __init__(self, users: int = 6, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.pasts: list[list[tuple[int, int]]] = [[] for _ in range(users)]
        self.clock = 1_000_000

    def happen(self, events: int) -> None:
        for user in self.rng.integers(0, len(self.pasts), events):
            self.clock += int(self.rng.integers(1, 5000))
            self.pasts[user].append((int(self.rng.integers(ITEMS)), self.clock))

    def ask(self, rows: int, timed: bool = True, foretold: bool = False) -> Histories:
        """Some users, some of them twice, one with an old history and one without any."""
        users = self.rng.integers(0, len(self.pasts), rows)
        pasts = [self.pasts[user] for user in users]
        old = self.pasts[0][: len(self.pasts[0]) // 2]
        return self.histories([*pasts, old, []], [*users, 0, 1], timed, foretold)

    def histories(self, pasts, users, timed: bool = True, foretold: bool = False) -> Histories:
        flat = [event for past in pasts for event in past]
        ends = np.cumsum([len(past) for past in pasts])
        return Histories(
            items=np.array([item for item, _ in flat], dtype=np.int64),
            starts=ends - np.array([len(past) for past in pasts]),
            ends=ends,
            users=np.array(users),
            timestamps=np.array([time for _, time in flat], dtype=np.int64) if timed else None,
            asked_at=self.clock + self.rng.integers(1, 9000, len(pasts)) if foretold else None,
        )


def agree(plain: Recommender, keeping: Recommender, histories: Histories, k: int = ITEMS) -> None:
    one, other = plain.recommend(histories, k, Rules(seen=True)), keeping.recommend(histories, k, Rules(seen=True))
    np.testing.assert_allclose(other.scores, one.scores, atol=2e-5, rtol=2e-5)
    moved = one.items != other.items
    near = np.abs(np.diff(one.scores, axis=1)) < 1e-4  # what changed places was as good as equal
    assert not (moved & ~(np.pad(near, ((0, 0), (1, 0))) | np.pad(near, ((0, 0), (0, 1))))).any()


def streamed(plain: Recommender, megabytes: float = 4.0, steps: int = 16, **asking: bool) -> HistoryMemory:
    """Ask both systems along a stream; every answer agrees, and the counts say how many were asked."""
    keeping = with_kept_histories(plain, megabytes)
    memory = memory_of(keeping)
    assert memory is not None
    stream, asked = Stream(), 0
    stream.happen(6 * (SHORT - 2))
    for _ in range(steps):
        stream.happen(int(stream.rng.integers(0, 18)))
        some = stream.ask(int(stream.rng.integers(1, 7)), **asking)
        agree(plain, keeping, some)
        asked += int((some.lengths > 0).sum()) if isinstance(plain, FittedModel) else 0
        assert memory.nbytes <= memory.most
        assert memory.nbytes == sum(kept.nbytes for kept in memory._used)
    assert asked in (0, memory.exact + memory.extended + memory.read)
    assert max(map(len, stream.pasts)) > WINDOW
    return memory


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
@pytest.mark.parametrize("trunk", TRUNKS.values(), ids=TRUNKS.keys())
def test_a_scorer_reads_on_and_answers_as_if_it_had_read_anew(trunk, head) -> None:
    memory = streamed(scorer(trunk, head))
    assert memory.exact > 0
    assert memory.extended > 0
    assert memory.read > 0


@pytest.mark.parametrize("trunk", ["sasrec", "hstu"])
def test_who_is_told_the_time_of_the_question_reads_the_newest_event_again(trunk: str) -> None:
    memory = streamed(scorer(TRUNKS[trunk]), foretold=True)
    assert memory.extended > 0
    assert (memory.exact > 0) == (trunk == "sasrec")  # to SASRec the time is nothing


def test_without_times_hstu_reads_on_too() -> None:
    assert streamed(scorer(TRUNKS["hstu"]), timed=False).extended > 0


@pytest.mark.parametrize("asking", [{"timed": True}, {"timed": False}, {"foretold": True}], ids=str)
def test_a_trunk_whose_newest_events_see_less_keeps_answers_only(asking) -> None:
    memory = streamed(scorer(Hstu(width=8, head_width=4, dropout=0.0, candidates=2)), **asking)
    assert memory.extended == 0
    assert memory.read > 0


@pytest.mark.parametrize(
    ("trunk", "part"),
    [
        (Bidirectional(width=8, inner=8, dropout=0.0), ItemScorer(question="mask", head=True)),
        (Gru(width=8, depth=2), ItemScorer()),
    ],
    ids=["bert4rec", "gru of two layers"],
)
def test_a_trunk_that_cannot_go_on_keeps_answers_only(trunk, part) -> None:
    memory = streamed(scorer(trunk, part))
    assert memory.exact > 0
    assert memory.extended == 0


@pytest.mark.parametrize("plain", [scorer(TRUNKS["llama"]), scorer(TRUNKS["hstu"]), writer(TRUNKS["sasrec"])])
def test_no_place_is_looked_at_before_it_is_filled(plain: Recommender) -> None:
    with UnwrittenIsNaN():
        assert streamed(plain).extended > 0


def test_a_window_that_slides_is_read_from_the_start() -> None:
    keeping = with_kept_histories(scorer(TRUNKS["sasrec"]), 4.0)
    memory, stream = memory_of(keeping), Stream(users=1)
    assert memory is not None
    for length in range(1, WINDOW + 4):
        stream.happen(1)
        keeping.recommend(stream.histories(stream.pasts, [0]), 3)
        assert memory.extended == max(min(length, WINDOW) - SHORT, 0)
    assert memory.read == SHORT + 3
    full = memory.find(next(reversed(memory._used)).keys[0])
    assert full.nbytes == 4 * 8  # from a full window nobody goes on: its end is enough


@pytest.mark.parametrize("users", [0, 3])
@pytest.mark.parametrize("trunk", ["sasrec", "post", "llama", "ligr"])
def test_a_writer_reads_the_codes_of_newer_items_alone(trunk: str, users: int) -> None:
    memory = streamed(writer(TRUNKS[trunk], user_tokens=users))
    assert memory.exact > 0
    assert memory.extended > 0
    assert memory.read > 0


@pytest.mark.parametrize("settings", [{}, {"user_tokens": 3, "ended": True}], ids=str)
def test_an_encoder_keeps_what_its_decoder_asks_of_whole_histories(settings) -> None:
    memory = streamed(writer(EncoderDecoder(width=8, depth=2, heads=2, size=4, inner=8, dropout=0.0), **settings))
    assert memory.exact > 0
    assert memory.extended == 0


def test_one_history_of_two_users_with_different_tokens_is_two() -> None:
    plain = writer(TRUNKS["sasrec"], user_tokens=3)
    keeping, stream = with_kept_histories(plain, 1.0), Stream(users=1)
    stream.happen(4)
    tokens = [plain.model._buckets(torch.tensor([user])).item() for user in range(6)]
    assert len(set(tokens)) > 1
    for user in range(6):
        agree(plain, keeping, stream.histories(stream.pasts, [user]))
    assert memory_of(keeping).read == len(set(tokens))


RANKERS = {
    "dfgr": dfgr.RECIPE,
    "dfgr_own": dfgr.VARIANTS["own"],
    "dfgr_blind": dfgr.VARIANTS["blind"],
    "dfgr_single": dfgr.VARIANTS["single"],
    "metagr": metagr.RECIPE,
    "gpsd": gpsd.RECIPE,
    "gpsd_told": gpsd.RECIPE.changed({"model.actions": True}),
}


@pytest.mark.parametrize("recipe", RANKERS.values(), ids=RANKERS.keys())
def test_a_ranker_reads_newer_events_alone(recipe) -> None:
    plain = ranker(recipe.changed({"batches": SharedHistory(history=24, slack=12), "backbone.dropout": 0.0}))
    memory = streamed(plain)
    assert memory.exact > 0
    assert memory.extended > 0
    assert memory.read > 0


def test_what_was_done_tells_two_histories_apart_where_it_is_looked_at() -> None:
    world = parity_requests(items=ITEMS)
    asked = world.asked.take(np.arange(4))
    other = replace(asked, actions=1 - asked.actions)
    for recipe, kept in ((dfgr.RECIPE, 0), (dfgr.VARIANTS["blind"], 4)):
        plain = ranker(recipe)
        keeping = with_kept_histories(plain, 4.0)
        for some in (asked, other):
            np.testing.assert_allclose(keeping.probabilities(some), plain.probabilities(some), atol=1e-5)
        assert memory_of(keeping).exact == kept


def test_nothing_is_computed_of_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = scorer(TRUNKS["sasrec"])
    keeping, stream = with_kept_histories(plain, 1.0), Stream(users=3)
    stream.happen(72)
    read: list[int] = []
    entering = plain.model._entering
    monkeypatch.setattr(plain.model, "_entering", lambda items: [read.append(len(items)), entering(items)][1])
    everybody = [0, 1, 2]
    keeping.recommend(stream.histories(stream.pasts, everybody), 3)
    assert all(SHORT <= len(past) <= WINDOW - 2 for past in stream.pasts)
    assert read == [sum(len(past) for past in stream.pasts)]
    keeping.recommend(stream.histories(stream.pasts, everybody), 3)
    assert len(read) == 1
    for past in stream.pasts:
        past.append((1, 2_000_000))
        past.append((2, 2_000_001))
    keeping.recommend(stream.histories(stream.pasts, everybody), 3)
    assert read[1:] == [6]


def test_more_newer_events_than_the_limit_are_read_anew() -> None:
    for newer, extended in ((NEWER, 1), (NEWER + 1, 0)):
        keeping, stream = with_kept_histories(scorer(TRUNKS["sasrec"], history=40), 1.0), Stream(users=1)
        for events in (SHORT, newer):
            stream.happen(events)
            keeping.recommend(stream.histories(stream.pasts, [0]), 3)
        assert memory_of(keeping).extended == extended


@pytest.mark.parametrize("bound", [0, 9_000, 90_000])
def test_the_bound_holds_and_answers_do_not_depend_on_it(bound: int) -> None:
    systems = scorer(TRUNKS["sasrec"]), writer(TRUNKS["sasrec"]), ranker(dfgr.RECIPE)
    memories = [streamed(plain, bound / 2**20) for plain in systems]
    assert all(memory.most == bound for memory in memories)
    assert (sum(memory.evicted for memory in memories) > 0) == (bound > 0)
    assert (sum(memory.exact + memory.extended for memory in memories) > 0) == (bound > 0)


def test_who_was_not_asked_for_longest_goes_first() -> None:
    memory = HistoryMemory(most=100)
    for name in (b"a", b"b"):
        memory.keep(Kept((name,), 1, 1, torch.zeros(10), torch.zeros(2)))  # 48 bytes
    assert memory.find(b"a") is not None
    memory.keep(Kept((b"c",), 1, 1, torch.zeros(10), torch.zeros(2)))
    assert memory.find(b"b") is None
    assert memory.find(b"a") is not None
    assert (memory.nbytes, memory.evicted, len(memory)) == (96, 1, 2)
    memory.keep(Kept((b"d",), 1, 1, torch.zeros(26), torch.zeros(0)))  # larger than the bound alone
    assert memory.find(b"d") is None
    assert len(memory) == 2
    memory.clear()
    assert (memory.nbytes, len(memory), memory.find(b"a")) == (0, 0, None)


@pytest.mark.parametrize("plain", [scorer(TRUNKS["hstu"]), writer(TRUNKS["sasrec"])], ids=["hstu", "codes"])
def test_two_histories_that_go_on_from_one_are_both_kept(plain: Recommender) -> None:
    keeping, stream = with_kept_histories(plain, 1.0), Stream(users=1)
    stream.happen(SHORT)
    past = stream.pasts[0]
    agree(plain, keeping, stream.histories([past], [0]))
    branches = [past, [*past, (3, 5_000_000)], [*past, (4, 5_000_000)], [*past, (3, 5_000_000)]]
    memory = memory_of(keeping)
    agree(plain, keeping, stream.histories(branches, [0] * 4))
    assert (memory.exact, memory.extended, memory.read) == (1, 3, 1)
    agree(plain, keeping, stream.histories(branches[1:], [0] * 3))
    assert (memory.exact, memory.extended, memory.read) == (4, 3, 1)
    longer = [[*branch, (5, 6_000_000)] for branch in branches[1:3]]
    agree(plain, keeping, stream.histories(longer, [0] * 2))
    assert (memory.exact, memory.extended, memory.read) == (4, 5, 1)
    agree(plain, keeping, stream.histories(branches[:1], [0]))  # it was kept in the room of what went on from it
    assert memory.read == 2


def test_it_can_be_moved_saved_and_named_like_the_system_it_is() -> None:
    plain = scorer(TRUNKS["sasrec"])
    keeping, stream = with_kept_histories(plain, 1.0), Stream()
    stream.happen(30)
    agree(plain, keeping, stream.ask(5))
    assert keeping is not plain
    assert keeping.recipe is plain.recipe
    assert keeping.catalog is plain.catalog
    assert all(torch.equal(one, plain.weights()[name]) for name, one in keeping.weights().items())
    keeping.to(torch.device("cpu"))
    assert len(memory_of(keeping)) == 0
    agree(plain, keeping, stream.ask(5))


def test_systems_that_read_no_history_with_a_trunk_come_back_as_they_are() -> None:
    world = ring(users=16, items=ITEMS, longest=8)
    fitted = popularity.RECIPE.fit(world, Run())
    assert with_kept_histories(fitted, 1.0) is fitted
    assert memory_of(fitted) is None
    clicks = ranker(din.RECIPE)
    assert not isinstance(clicks.model, Remembering)
    assert with_kept_histories(clicks, 1.0) is clicks
