"""Items that come later: who can recommend them does, who cannot says why, and nothing else changes."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from models.test_text_generator import built as text_model
from segue.core.errors import DataError
from segue.core.ranking import NOTHING, Rules
from segue.core.ranking_recipe import FittedRanker
from segue.core.recipe import FittedModel, Recommender
from segue.core.run import Run
from segue.core.tables import Catalog, Histories
from segue.core.text_recipe import FittedText
from segue.decoding.nearest_items import NearestItems
from segue.decoding.title_search import TitleSearch
from segue.encoders.own_vectors import OwnVectors
from segue.recipes import bigrec, dfgr, item_knn, popularity, sasrec
from segue.service.kept_histories import memory_of, with_kept_histories
from segue.testing.contracts import check_token_decoder
from segue.testing.requests import parity_requests
from segue.tokenizers import saved_codes
from segue.tokenizers.item_ids import ItemIds
from segue.tokenizers.saved_codes import SavedCodes
from segue.workflows.grow import Enlarged, EnlargedRanker, with_new_items
from text_world import TITLES, kinds
from workflows.small_tokens import RECIPE

WORLD = kinds(users=48)
OLD = len(WORLD.catalog)
NEW = pl.DataFrame({"item_id": ["n0", "n1"], "title": ["Amber Lantern", "Delta Meadow"], "colour": ["red", "blue"]})
PASTS = WORLD.test.histories.take(np.arange(12))


@pytest.fixture(scope="module")
def writer() -> FittedModel:
    """A system whose codes come from titles, with weights large enough that every event matters."""
    return shaken(RECIPE.fit(WORLD, Run()))


def shaken(fitted: Recommender) -> FittedModel:
    assert isinstance(fitted, FittedModel)
    torch.manual_seed(1)
    for parameter in fitted.model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    fitted.model.eval()
    return fitted


def after(system: Recommender, *pasts: list[int], k: int = 40, **rules) -> tuple[np.ndarray, np.ndarray]:
    found = system.recommend(Histories.from_lists(pasts), k, Rules(**{"seen": True, **rules}))
    return found.items, found.scores


def assert_old_answers_stay(before: Recommender, now: Recommender, k: int = 10) -> None:
    new = np.arange(len(before.catalog), len(now.catalog))
    for seen in (True, False):
        one = before.recommend(PASTS, k, Rules(seen=seen))
        other = now.recommend(PASTS, k, Rules(seen=seen, deny=new))
        assert np.array_equal(one.items, other.items)
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-6)


def test_a_system_that_writes_codes_recommends_and_reads_new_items(writer: FittedModel) -> None:
    grown, refused = with_new_items(writer, NEW)
    assert refused == {}
    assert isinstance(grown, FittedModel)
    assert len(writer.catalog) == len(writer.model.item_codes) == OLD  # the other one knows nothing of it
    assert grown.catalog.table.columns == writer.catalog.table.columns
    assert grown.catalog.rows(["n0", "n1", writer.catalog.ids[0]]).tolist() == [OLD, OLD + 1, 0]
    assert_old_answers_stay(writer, grown)
    items, scores = after(grown, [0, 3], allow=np.array([OLD, OLD + 1]), k=5)
    assert sorted(items[0, :2].tolist()) == [OLD, OLD + 1]
    assert np.isfinite(scores[0, :2]).all()
    check_token_decoder(grown.decoder.changed({"beams": 64}), grown.model, PASTS)
    kept, _ = after(grown, [0, 3])
    assert set(kept[0]) >= {OLD, OLD + 1}
    read, plain = after(grown, [0, 3, OLD])[1], after(grown, [0, 3])[1]
    assert not np.allclose(read[0, :20], plain[0, :20])


def test_a_new_item_is_where_the_tokenizer_puts_it(writer: FittedModel) -> None:
    grown, _ = with_new_items(writer, NEW)
    wanted = writer.tokenizer.encode(Catalog(NEW.select("item_id", "title")))
    assert grown.model.item_codes[OLD:].tolist() == wanted.tolist()
    twin, _ = with_new_items(writer, pl.DataFrame({"item_id": ["twin"], "title": [TITLES[5]]}))
    levels = RECIPE.tokenizer.levels
    assert twin.model.item_codes[OLD, :levels].tolist() == twin.model.item_codes[5, :levels].tolist()


def test_who_has_no_history_gets_what_was_popular(writer: FittedModel) -> None:
    grown, _ = with_new_items(writer, NEW)
    one, other = after(writer, [], k=OLD), after(grown, [], k=OLD + 2)
    assert np.array_equal(one[0], other[0][:, :OLD])
    assert other[1][0, OLD:].tolist() == [0, 0]


def test_items_come_one_after_another_and_nobody_gets_the_codes_of_another(writer: FittedModel) -> None:
    system: Recommender = writer
    for number in range(4):
        one = pl.DataFrame({"item_id": [f"twin{number}"], "title": [TITLES[5]]})
        system, refused = with_new_items(system, one)
        assert refused == {}
    assert isinstance(system, FittedModel)
    assert len(np.unique(system.model.codes.codes, axis=0)) == OLD + 4
    assert_old_answers_stay(writer, system)


def test_the_weights_are_shared_and_the_result_can_be_saved(writer: FittedModel) -> None:
    grown, _ = with_new_items(writer, NEW)
    assert isinstance(grown, FittedModel)
    for one, other in zip(writer.model.parameters(), grown.model.parameters(), strict=True):
        assert one is other
    again = grown.recipe.restore(grown.catalog, grown.weights())
    one, other = grown.recommend(PASTS, 10), again.recommend(PASTS, 10)
    assert np.array_equal(one.items, other.items)
    np.testing.assert_allclose(one.scores, other.scores)


def test_saved_codes_grow_as_the_codes_that_were_saved(writer: FittedModel, tmp_path) -> None:
    saved_codes.save(tmp_path / "codes", writer.tokenizer)
    fitted = shaken(RECIPE.changed({"tokenizer": SavedCodes(path=str(tmp_path / "codes"))}).fit(WORLD, Run()))
    system: Recommender = fitted
    for name in ("n0", "n1"):
        system, refused = with_new_items(system, NEW.filter(pl.col("item_id") == name))
        assert refused == {}
    assert isinstance(system, FittedModel)
    assert len(np.unique(system.model.codes.codes, axis=0)) == OLD + 2
    assert_old_answers_stay(fitted, system)
    again = system.recipe.restore(system.catalog, system.weights())
    assert np.array_equal(again.recommend(PASTS, 10).items, system.recommend(PASTS, 10).items)
    saved_codes.save(tmp_path / "grown", system.tokenizer)
    assert np.array_equal(saved_codes.load(tmp_path / "grown").codes.codes, system.model.codes.codes)


def test_kept_histories_go_with_new_items(writer: FittedModel) -> None:
    grown, _ = with_new_items(writer, NEW)
    keeping = with_kept_histories(grown, 1.0)
    for past in ([0, 3], [0, 3, OLD], [0, 3, OLD, OLD + 1]):
        np.testing.assert_allclose(after(keeping, past)[1], after(grown, past)[1], atol=1e-5)
    assert memory_of(keeping).extended == 2


def mute(system: Recommender) -> Recommender:
    """The system with two items, both of which it refuses."""
    grown, refused = with_new_items(system, NEW)
    assert list(refused) == ["n0", "n1"]
    assert all("fit" in reason for reason in refused.values())
    assert isinstance(grown, Enlarged)
    return grown


def fitted(name: str) -> Recommender:
    """A system that knows nothing of a new item."""
    recipes = {
        "sasrec": sasrec.RECIPE.changed({"batches": {"history": 8}, "procedure.loop.epochs": 1}),
        "item_ids": RECIPE.changed({"tokenizer": ItemIds()}),
        "item_knn": item_knn.RECIPE,
        "popularity": popularity.RECIPE,
    }
    system = recipes[name].fit(WORLD, Run())
    return shaken(system) if isinstance(system, FittedModel) else system


@pytest.mark.parametrize("name", ["sasrec", "item_ids", "item_knn", "popularity"])
def test_who_knows_nothing_of_a_new_item_skips_it(name: str) -> None:
    system = fitted(name)
    grown = mute(system)
    assert len(grown.catalog) == OLD + 2
    assert grown.catalog.rows(["n1"]).tolist() == [OLD + 1]
    assert_old_answers_stay(system, grown)
    skipping, plain = after(grown, [OLD, 0, OLD + 1, 3, OLD], [OLD], []), after(system, [0, 3], [], [])
    assert np.array_equal(skipping[0], plain[0])
    np.testing.assert_allclose(skipping[1], plain[1], rtol=1e-6)
    assert (after(grown, [0, 3], allow=np.array([OLD, OLD + 1]))[0] == NOTHING).all()
    assert set(after(grown, [0], allow=np.array([OLD, 7]))[0][0]) == {7, NOTHING}
    assert all(torch.equal(one, grown.weights()[name]) for name, one in system.weights().items())


def test_times_and_users_stay_with_the_events_that_are_read() -> None:
    seen: list[Histories] = []

    plain = fitted("popularity")

    class Watched(type(plain)):
        def recommend(self, histories, k, rules=Rules()):
            seen.append(histories)
            return super().recommend(histories, k, rules)

    grown = mute(Watched(plain.recipe, plain.catalog, plain.counts))
    log = np.array([9, OLD, 1, 2, OLD + 1, 3, 4])
    grown.recommend(
        Histories(log, np.array([1, 4]), np.array([4, 7]), np.array([5, 6]), 10 * np.arange(7), np.array([99, 98])), 3
    )
    (read,) = seen
    assert read.packed()[0].tolist() == [1, 2, 3, 4]
    assert read.lengths.tolist() == [2, 2]
    assert read.timestamps[read.positions()[0]].tolist() == [20, 30, 50, 60]
    assert (read.users.tolist(), read.asked_at.tolist()) == ([5, 6], [99, 98])


def test_some_are_known_and_others_are_not(tmp_path) -> None:
    """Vectors are there for one of each two new items; the catalogue has them all, in the order in which they came."""
    ids = [*WORLD.catalog.ids, "n1", "n2"]
    vectors = np.random.default_rng(0).normal(size=(len(ids), 8)).astype(np.float32)
    path = tmp_path / "vectors.parquet"
    pl.DataFrame({"item_id": ids, "vector": vectors.tolist()}).write_parquet(path)
    recipe = RECIPE.changed({"tokenizer.encoder": OwnVectors(path=str(path))})
    plain = shaken(recipe.fit(WORLD, Run()))
    first, refused = with_new_items(plain, NEW)
    assert list(refused) == ["n0"]
    assert "n0" in refused["n0"]
    system, refused = with_new_items(first, NEW.with_columns(item_id=pl.Series(["n2", "n3"])))
    assert list(refused) == ["n3"]
    assert isinstance(system, Enlarged)
    assert system.catalog.ids[OLD:].to_list() == ["n0", "n1", "n2", "n3"]
    assert system.known[OLD:].tolist() == [OLD + 1, OLD + 2]
    assert_old_answers_stay(plain, system)
    items, _ = after(system, [0, 3])
    assert set(items[0]) == {*range(OLD), OLD + 1, OLD + 2, NOTHING}
    inner = system.inner
    assert np.array_equal(after(system, [0, OLD, OLD + 2])[1], after(inner, [0, OLD + 1])[1])
    keeping = with_kept_histories(system, 1.0)
    for past in ([0, OLD + 1], [0, OLD + 1, OLD, 4]):
        np.testing.assert_allclose(after(keeping, past)[1], after(system, past)[1], atol=1e-5)
    assert memory_of(keeping).extended == 1


def test_a_ranker_skips_new_items_and_refuses_to_judge_them() -> None:
    world = parity_requests()
    facts = {name: torch.from_numpy(np.array(values)) for name, values in world.item_features.items()}
    recipe = dfgr.VARIANTS["small"]
    plain = FittedRanker(recipe, world.catalog, recipe._build(world.schema, facts, 0).eval())
    items, reasons = with_new_items(plain, pl.DataFrame({"item_id": ["n0"], "title": ["New"]}))
    assert isinstance(items, EnlargedRanker)
    assert "fit it again" in reasons["n0"]
    new, asked = len(world.catalog), world.asked.take(np.arange(5))
    np.testing.assert_array_equal(items.probabilities(asked), plain.probabilities(asked))
    # One more event in the middle of each history, of an item that it does not know.
    places, bounds = asked.histories.positions()
    middles = (bounds[:-1] + bounds[1:]) // 2
    longer = replace(
        asked,
        histories=Histories(
            items=np.insert(asked.histories.items[places], middles, new),
            starts=bounds[:-1] + np.arange(5),
            ends=bounds[1:] + np.arange(1, 6),
            users=asked.histories.users,
            timestamps=np.insert(asked.histories.timestamps[places], middles, 0),
            asked_at=asked.histories.asked_at,
        ),
        actions=np.insert(asked.actions[places], middles, 1, axis=0),
        events=np.full(len(asked.items), -1),
    )
    np.testing.assert_allclose(items.probabilities(longer), plain.probabilities(asked), atol=1e-6)
    with pytest.raises(DataError, match="cannot judge 'n0'"):
        items.probabilities(replace(asked, items=np.append(asked.items[:-1], new)))
    ranking = items.recommend(asked.histories, new + 1, Rules(seen=True))
    assert np.array_equal(ranking.items[:, :new], plain.recommend(asked.histories, new, Rules(seen=True)).items)
    assert (ranking.items[:, new] == NOTHING).all()


@pytest.mark.parametrize("decoder", [NearestItems(beams=2, length=8), TitleSearch()], ids=lambda part: part.kind())
def test_a_language_model_is_told_and_writes_new_titles(decoder) -> None:
    titles = ["ab", "c", "ba", "abc", "c", "bb"]
    model = text_model()
    model.place(Run())
    catalog = Catalog(pl.DataFrame({"item_id": [f"i{row}" for row in range(6)], "title": titles}))
    plain = FittedText(bigrec.RECIPE.changed({"decoder": decoder}), catalog, model, "a:", {})
    new = pl.DataFrame({"item_id": ["n0", "n1"], "title": ["cabbac", "c"]})
    grown, refused = with_new_items(plain, new)
    assert refused == {}
    assert isinstance(grown, FittedText)
    assert grown.model.titles.to_list() == ["ab", "c", "ba", "abc", "bb", "cabbac"]
    assert grown.model.title_of.tolist() == [0, 1, 2, 3, 1, 4, 5, 1]
    torch.testing.assert_close(grown.model.places[5:], model.placed(pl.Series(["cabbac"])))
    assert model.titles.len() == 5
    pasts = [[0, 1], [2], [3, 5, 0]]
    deny = np.array([6, 7])
    one, other = after(plain, *pasts, k=6), after(grown, *pasts, k=6, deny=deny)
    if isinstance(decoder, TitleSearch):  # the title `c` is shared by three now
        alone = after(grown, *pasts, k=1, allow=np.array([0]))
        np.testing.assert_allclose(alone[1], after(plain, *pasts, k=1, allow=np.array([0]))[1], rtol=1e-5)
    else:
        assert np.array_equal(one[0], other[0])
        np.testing.assert_allclose(one[1], other[1], rtol=1e-5)
    everything = after(grown, *pasts, k=8)[0]
    assert (np.sort(everything, axis=1) == np.arange(8)).all()
    told = grown.model._prompts(np.array([6, 0]), np.array([0, 2]), np.array([1]))
    assert model.trunk.words(*told).to_list() == ["cabbac,ab>"]


def test_a_title_that_the_language_model_cannot_read_is_refused_alone() -> None:
    model = text_model()
    model.place(Run())
    catalog = Catalog(pl.DataFrame({"item_id": [f"i{row}" for row in range(6)], "title": list("abcabc")}))
    plain = FittedText(bigrec.RECIPE, catalog, model, "a:", {})
    new = pl.DataFrame({"item_id": ["long", "short"], "title": ["ab" * 150, "cab"]})
    grown, refused = with_new_items(plain, new)
    assert list(refused) == ["long"]
    assert "does not fit" in refused["long"]
    assert isinstance(grown, Enlarged)
    assert grown.known.tolist() == [*range(6), 7]


def test_vectors_of_who_took_an_item_are_missing_for_a_new_one() -> None:
    model = text_model(marked=True)
    with pytest.raises(DataError, match="nobody has taken"):
        model.with_titles(pl.Series(["cab"]))


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ({"item_id": ["x"]}, "no title"),
        ({"title": ["x"]}, "no item_id"),
        ({"item_id": ["x", "y"], "title": ["X", None]}, "new item 2 of 2 has no title"),
        ({"item_id": ["x", " "], "title": ["X", "Y"]}, "new item 2 of 2 has no item_id"),
        ({"item_id": ["x", "x"], "title": ["X", "Y"]}, "come twice: 'x'"),
        ({"item_id": ["x", "i3"], "title": ["X", "Y"]}, "in the catalog already: 'i3'"),
        ({"item_id": ["x"], "title": ["X"], "price": ["dear"]}, "do not fit the columns"),
    ],
)
def test_what_is_no_item_is_refused(items, said: str) -> None:
    priced = Catalog(WORLD.catalog.table.with_columns(price=pl.lit(1.5)))
    system = popularity.RECIPE.restore(priced, {"counts": torch.ones(OLD)})
    with pytest.raises(DataError, match=said):
        with_new_items(system, pl.DataFrame(items))


def test_no_items_change_nothing(writer: FittedModel) -> None:
    assert with_new_items(writer, NEW[:0]) == (writer, {})
