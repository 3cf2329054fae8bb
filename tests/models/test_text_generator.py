"""A text generator: what it is told and learns, token by token, and that all its ways of writing are one model."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from segue.core.batches import SequenceBatch
from segue.core.errors import DataError, RunError, SettingsError
from segue.core.ranking import Rules
from segue.core.run import Run
from segue.core.shapes import Int
from segue.core.tables import Histories, Split
from segue.core.text_forms import Known, Prompts, TextModel
from segue.decoding.beam_search import BeamSearch
from segue.models.text_generator import TextGenerator, TextGeneratorModel
from small_trunk import SmallTrunk

TITLES = ["ab", "c", "ba", "abc", "c", "bb"]
BEHAVIOUR = torch.arange(18, dtype=torch.float32).view(6, 3) / 10


class Bare(Prompts):
    """`ab,c>` is answered by `ba.`; with `marked` it is `ab:*,c:*>`."""

    history: int = 10
    marked: bool = False

    @property
    def placeholder(self) -> str | None:
        return ":*" if self.marked else None

    def preamble(self, split: Split, run: Run) -> str:
        return "a:"

    def asked(self, titles: pl.Series, bounds: Int[np.ndarray, " bounds"]) -> pl.Series:
        told = [title + ":*" * self.marked for title in titles]
        rows = [",".join(told[begin:end]) + ">" for begin, end in itertools.pairwise(bounds.tolist())]
        return pl.Series(rows, dtype=pl.String)

    def response(self, titles: pl.Series) -> pl.Series:
        return titles + "."

    def title(self, texts: pl.Series) -> pl.Series:
        return texts.str.strip_suffix(".")


def built(
    trunk: SmallTrunk | None = None, marked: bool = False, titles: list[str] = TITLES, **settings: object
) -> TextGeneratorModel:
    trunk = SmallTrunk("abc.,>:* ") if trunk is None else trunk
    known = Known(
        pl.Series(titles), torch.arange(len(titles)).float(), "a:", BEHAVIOUR[: len(titles)] if marked else None
    )
    model = TextGenerator.parse(settings).build(trunk, Bare(marked=marked), known).eval()
    with torch.no_grad():
        for adapter in trunk.adapters:  # as if something had been learnt
            adapter.up.weight.normal_(std=0.3)
    return model


def batch_of(*rows: list[int]) -> SequenceBatch:
    """The last item of each row is its target."""
    return SequenceBatch.of(Histories.from_lists(rows), targets=True)


def tokens_of(model: TextGeneratorModel, text: str) -> torch.Tensor:
    return torch.from_numpy(model.trunk.numbers(pl.Series([text]))[0])


def chances(model: TextGeneratorModel, states: torch.Tensor) -> torch.Tensor:
    return torch.log_softmax(states @ model.vocabulary().T, dim=-1)


def alone(model: TextGeneratorModel, text: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The begin token and the letters of a text, and the states after each, by the stack itself."""
    tokens = torch.cat([torch.tensor([1]), tokens_of(model, text)])
    vectors = model.trunk.table(tokens)
    rows = batch_of([0, 0]).rows
    whole = type(rows)(torch.tensor([0, len(tokens)]))
    return tokens, model.trunk.stack.states(vectors, whole)


def test_it_is_a_text_model() -> None:
    assert isinstance(built(), TextModel)


def test_a_response_and_its_end_are_learnt_and_nothing_else() -> None:
    """Two rows: `ab,c>` is answered by `ba.` and `bb>` by `abc.`, both behind `a:`."""
    model = built()
    batch = batch_of([0, 1, 2], [5, 3])
    states, tokens = model.answers(batch)
    assert batch.order.tolist() == [1, 0]
    assert model.trunk.words(tokens.numpy(), np.array([0, 5, 9])).to_list() == ["abc.", "ba."]
    assert tokens.tolist() == [*tokens_of(model, "abc.").tolist(), 0, *tokens_of(model, "ba.").tolist(), 0]
    _, first = alone(model, "a:bb>abc.")
    _, second = alone(model, "a:ab,c>ba.")
    torch.testing.assert_close(states, torch.cat([first[-5:], second[-4:]]), atol=1e-5, rtol=1e-5)


def test_with_prompts_all_tokens_but_the_first_of_each_row_are_learnt() -> None:
    model = built()
    states, tokens = model.answers(batch_of([0, 1, 2], [5, 3]), prompts=True)
    expected = []
    for text in ("a:bb>abc.", "a:ab,c>ba."):
        read, after = alone(model, text)
        wanted = torch.cat([read[1:], torch.tensor([0])])
        expected.append(chances(model, after).gather(1, wanted[:, None]))
    assert len(tokens) == len("a:bb>abc.") + len("a:ab,c>ba.") + 2
    found = chances(model, states).gather(1, tokens[:, None])
    torch.testing.assert_close(found.sort(0).values, torch.cat(expected).sort(0).values, atol=1e-5, rtol=1e-5)


def test_without_a_beginning_or_a_preamble_the_first_token_has_nothing_before_it() -> None:
    model = TextGenerator().build(
        SmallTrunk("abc.,>", begins=False), Bare(), Known(pl.Series(TITLES), torch.zeros(6), "", None)
    )
    _, tokens = model.answers(batch_of([0, 1]), prompts=True)
    assert model.trunk.words(tokens.numpy(), np.array([0, len(tokens)])).to_list() == ["b>c."]


def test_texts_of_its_own_take_the_place_of_the_titles() -> None:
    model = built()
    batch = batch_of([0, 1, 2], [5, 3])
    told = model.responses(pl.Series(["cc", "a.b"]))
    states, tokens = model.answers(SequenceBatch(**{**vars(batch), "responses": told}), own=True)
    assert tokens.tolist() == [*tokens_of(model, "cc").tolist(), 0, *tokens_of(model, "a.b").tolist(), 0]
    torch.testing.assert_close(states[3:], alone(model, "a:ab,c>a.b")[1][-4:], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("marked", [False, True])
def test_packed_rows_are_what_each_row_is_alone(marked: bool) -> None:
    model = built(marked=marked)
    rows = [[0, 1, 2], [5, 3], [3, 3, 3, 3, 1], [4, 1, 0], [2, 2]]
    batch = batch_of(*rows)
    with torch.no_grad():
        states, tokens = model.answers(batch)
        found = [model.answers(batch_of(rows[row])) for row in batch.order.tolist()]
    torch.testing.assert_close(states, torch.cat([part for part, _ in found]), atol=1e-5, rtol=1e-5)
    assert torch.equal(tokens, torch.cat([part for _, part in found]))


def test_a_placeholder_is_one_position_that_holds_what_is_known_of_the_item() -> None:
    model = built(marked=True)
    assert model.projector is not None
    states, tokens = model.answers(batch_of([0, 5, 1]))
    read = torch.cat([torch.tensor([1]), tokens_of(model, "a:ab*,bb*>c.")])
    vectors = model.trunk.table(read).clone()
    vectors[read == tokens_of(model, "*")] = model.projector(BEHAVIOUR[[0, 5]])
    rows = type(batch_of([0, 0]).rows)(torch.tensor([0, len(read)]))
    torch.testing.assert_close(states, model.trunk.stack.states(vectors, rows)[-3:], atol=1e-5, rtol=1e-5)
    torch.autograd.backward(states.sum())
    assert model.projector[0].weight.grad.abs().sum() > 0
    assert tokens.tolist() == [*tokens_of(model, "c.").tolist(), 0]
    _, everything = model.answers(batch_of([0, 5, 1]), prompts=True)
    assert len(everything) == len(read) - 2  # with the end, without the first token and what is no token


def test_a_title_with_the_placeholder_in_it_gets_no_second_position() -> None:
    model = built(SmallTrunk("abc.,>:* "), marked=True, titles=["a:*", ":*:*", "b"])
    vectors, rows, _ = model._packed(model._prompts(np.array([0, 1, 2]), np.array([0, 2, 3]), np.zeros(2, np.int64)))
    told = model._prompts(np.array([0, 1, 2]), np.array([0, 2, 3]), np.zeros(2, np.int64))
    assert [int((row < 0).sum()) for row in np.split(told.tokens, told.bounds[1:-1])] == [2, 1]
    assert told.tokens[told.tokens < 0].tolist() == [-1, -2, -3]
    assert len(vectors) == 3 + int(rows.offsets[-1])


def test_placeholders_and_vectors_need_each_other() -> None:
    trunk = SmallTrunk("abc.,>:*")
    known = Known(pl.Series(TITLES), torch.zeros(6), "a:", None)
    with pytest.raises(SettingsError, match="set behaviour to an encoder"):
        TextGenerator().build(trunk, Bare(marked=True), known)
    with pytest.raises(SettingsError, match="no placeholder"):
        TextGenerator().build(trunk, Bare(), known._replace(behaviour=BEHAVIOUR))


@pytest.mark.parametrize("marked", [False, True])
def test_step_by_step_equals_all_at_once(marked: bool) -> None:
    """The chance of each title after each history, along the trie and in one pass; rows are longer than they seem."""
    model = built(marked=marked)
    targets = [0, 1, 2, 3, 5]
    rows = [[3, 3], [1, 1, 1], [3], [1, 4]]
    past = SequenceBatch.of(Histories.from_lists(rows))
    codes = torch.from_numpy(model.codes.codes)[targets].expand(4, -1, -1)  # the same titles for everybody
    lengths = torch.from_numpy(model.codes.lengths)[targets]
    with torch.no_grad():
        texts, found = model.begin(past), torch.zeros(4, 5)
        parents = torch.zeros(4, 5, dtype=torch.int64)
        for level in range(model.codes.levels):
            assert texts.level == level
            table, begin = model.codebook(level)
            assert begin == 0
            steps = torch.log_softmax(texts.states @ table.T, -1)[torch.arange(4)[:, None], parents]
            found += steps.gather(2, codes[..., level, None])[..., 0] * (level < lengths)
            texts = texts.extended(parents, codes[..., level])
            parents = torch.arange(5).expand(4, 5)
        for place, target in enumerate(targets):
            batch = batch_of(*[[*row, target] for row in rows])
            assert torch.equal(batch.order, past.order)
            states, tokens = model.answers(batch)
            wanted = chances(model, states).gather(1, tokens[:, None]).view(4, -1).sum(1)
            torch.testing.assert_close(found[:, place], wanted, atol=1e-4, rtol=1e-4)


def test_titles_as_codes_end_and_equal_ones_share() -> None:
    model = built()
    assert model.titles.to_list() == ["ab", "c", "ba", "abc", "bb"]
    assert model.title_of.tolist() == [0, 1, 2, 3, 1, 4]
    codes = model.codes
    assert (codes.end, codes.levels, codes.vocabulary) == (0, 5, len(model.vocabulary()))
    assert codes.codes[4].tolist() == [*tokens_of(model, "c.").tolist(), 0, 0, 0]
    assert codes.codes[3].tolist() == [*tokens_of(model, "abc.").tolist(), 0]
    ranking = BeamSearch(beams=6)(model, Histories.from_lists([[0, 2]]), 6, Rules(seen=True))
    assert sorted(ranking.items[0].tolist()) == list(range(6))
    scores = dict(zip(ranking.items[0].tolist(), ranking.scores[0].tolist(), strict=True))
    assert scores[4] - scores[1] == pytest.approx(np.log(5 / 2), abs=1e-5)  # counts 4 and 1, one added to each


def test_a_long_title_is_cut_in_the_trie_and_learnt_to_its_end() -> None:
    model = built(titles=["a", "abcabcabc", "b"], length=4)
    assert model.codes.codes[1].tolist() == tokens_of(model, "abca").tolist()
    _, tokens = model.answers(batch_of([0, 1]))
    assert tokens.tolist() == [*tokens_of(model, "abcabcabc.").tolist(), 0]


def test_prompts_that_are_too_long_lose_their_oldest_events() -> None:
    """24 tokens: 3 of preamble and 5 for an answer leave 16 for titles, commas and the head."""
    model = built(SmallTrunk("abc.,>:", context=24))
    rows = [[3, 3, 3, 3, 2, 1, 0], [1, 1, 1, 1, 1, 1, 1, 1], [3, 3, 3]]
    items, bounds = Histories.from_lists(rows).packed()
    told = model._prompts(items, bounds, np.zeros(3, dtype=np.int64))
    assert model.trunk.words(told.tokens, told.bounds).to_list() == [
        "abc,abc,ba,c,ab>",
        "c,c,c,c,c,c,c,c>",
        "abc,abc,abc>",
    ]
    told = model._prompts(items, bounds, np.array([0, 13, 6]))
    assert (told.lengths <= [16, 8, 15]).all()
    assert model.trunk.words(told.tokens, told.bounds).to_list()[1:] == ["c,c,c,c>", "abc,abc,abc>"]


def test_a_title_that_does_not_fit_is_named() -> None:
    with pytest.raises(DataError, match=r"'abcabcabcabc' \(13 tokens\).* 3 tokens of instruction.*13 of history.*24"):
        built(SmallTrunk("abc.,>:", context=24), titles=["a", "abcabcabcabc"])


def every_text(model: TextGeneratorModel, prompt: str, longest: int) -> list[tuple[float, str]]:
    """All that can be written behind a prompt in so many tokens, with its mean log probability, best first."""
    words = len(model.vocabulary())
    found: list[tuple[float, str]] = []
    open_rows = [((), 0.0)]
    start = torch.cat([torch.tensor([1]), tokens_of(model, prompt)])
    for step in range(1, longest + 1):
        longer = []
        for written, total in open_rows:
            vectors = model.trunk.table(torch.cat([start, torch.tensor(written, dtype=torch.int64)]))
            rows = type(batch_of([0, 0]).rows)(torch.tensor([0, len(vectors)]))
            after = chances(model, model.trunk.stack.states(vectors, rows)[-1:])[0].tolist()
            longer += [((*written, word), total + after[word]) for word in range(words)]
        ended = [(text, total) for text, total in longer if text[-1] == 0 or step == longest]
        found += [(total / step, text) for text, total in ended]
        open_rows = [(text, total) for text, total in longer if text[-1] != 0]
    texts = model.trunk.words(
        np.array([word for _, text in found for word in text]),
        np.append(0, np.cumsum([len(text) for _, text in found])),
    )
    return sorted(zip([mean for mean, _ in found], texts.to_list(), strict=True), reverse=True)


def test_wide_beams_find_the_best_of_all_texts() -> None:
    """Six words and three tokens: 6 + 5 * 6 * ... = 1 + 5 + 25 * 6 = 156 texts; a row without history gets none."""
    titles = ["ab", "b", "ba"]
    model = (
        TextGenerator(prefixes=400, tokens=50)
        .build(SmallTrunk("ab,>"), Quoteless(), Known(pl.Series(titles), torch.ones(3), "a", None))
        .eval()
    )
    past = Histories.from_lists([[0, 1], [], [2], [1, 1, 1]])
    with torch.no_grad():
        drafts = model.write(past, beams=156, length=3)
        for row, prompt in ((0, "aab,b>"), (2, "aba>"), (3, "ab,b,b>")):
            expected = every_text(model, prompt, 3)
            assert len(expected) == 156
            np.testing.assert_allclose(drafts.scores[row], [mean for mean, _ in expected], atol=1e-5)
            assert sorted(drafts.texts[row * 156 : (row + 1) * 156]) == sorted(text for _, text in expected)
            assert drafts.texts[row * 156] == expected[0][1]
    assert set(drafts.texts[156 : 2 * 156]) == {""}
    assert np.isneginf(drafts.scores[1]).all()


class Quoteless(Bare):
    """An answer is the bare title."""

    abstract = False

    def response(self, titles: pl.Series) -> pl.Series:
        return titles

    def title(self, texts: pl.Series) -> pl.Series:
        return texts


@pytest.mark.parametrize("beams", [1, 3])
def test_what_is_written_does_not_depend_on_who_else_is_asked(beams: int) -> None:
    model = taught(built(SmallTrunk("abc.,>:", adapted=False)))
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 6, length).tolist() for length in rng.integers(1, 9, 15)]
    together = model.write(Histories.from_lists(rows), beams=beams, length=12)
    model.part = TextGenerator(tokens=60, prefixes=8)
    few = model.write(Histories.from_lists(rows), beams=beams, length=12)
    assert together.texts.to_list() == few.texts.to_list()
    np.testing.assert_allclose(together.scores, few.scores, atol=1e-5)
    assert (np.diff(together.scores, axis=1) <= 0).all()
    assert len({len(text) for text in together.texts}) >= 3, "texts of one length prove little"


@pytest.mark.parametrize(("beams", "length", "prefixes"), [(4, 16, 256), (2, 3, 6)])
def test_texts_are_those_that_transformers_writes(beams: int, length: int, prefixes: int, tmp_path: Path) -> None:
    """A random Llama, rows padded on the left and preamble and prompt in one: the same texts with the same scores."""
    import transformers

    from language.pretrained import saved
    from segue.backbones.pretrained_lm import PretrainedLm

    folder = saved(tmp_path / "llama", "llama", tie_word_embeddings=False)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():  # so that the end comes at all sorts of times
        states = theirs.get_decoder()(input_ids=torch.arange(2, 60)[None]).last_hidden_state[0]
        theirs.lm_head.weight[1] = 2.2 * states.mean(0) / states.mean(0).norm()
    theirs.save_pretrained(folder)
    titles, preamble = pl.Series(["Heat", "Alien", "The Matrix", "Toy Story 2", "Aliens"]), "Given these movies: "
    model = TextGenerator(prefixes=prefixes).build(
        PretrainedLm(checkpoint=folder).load(folder), Bare(), Known(titles, torch.ones(5), preamble, None)
    )
    rng = np.random.default_rng(0)
    past = Histories.from_lists([rng.integers(0, 5, events).tolist() for events in (3, 1, 6, 2, 4, 1, 5, 3)])
    drafts = model.write(past, beams=beams, length=length)

    items, bounds = past.packed()
    split = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left", pad_token="</s>")
    asked = split(Bare().asked(titles.gather(items), bounds).to_list(), add_special_tokens=False)["input_ids"]
    read = split.pad({"input_ids": [split(preamble)["input_ids"] + row for row in asked]}, return_tensors="pt")
    written = theirs.generate(
        **read, num_beams=beams, num_return_sequences=beams, max_new_tokens=length, do_sample=False, pad_token_id=1,
        length_penalty=1.0, early_stopping=False, return_dict_in_generate=True, output_scores=True,
    )  # fmt: skip
    answers = written.sequences[:, read["input_ids"].shape[1] :]
    assert drafts.texts.to_list() == split.batch_decode(answers, skip_special_tokens=True)
    np.testing.assert_allclose(drafts.scores, written.sequences_scores.view(8, beams), atol=1e-4)
    assert len(set((answers != 1).sum(1).tolist())) > 2, "texts of one length prove little"


def taught(model: TextGeneratorModel) -> TextGeneratorModel:
    """A little, so that it knows that titles end."""
    optimizer = torch.optim.Adam([weight for weight in model.parameters() if weight.requires_grad], lr=0.02)
    batch = batch_of([0, 1, 2], [5, 3], [1, 0], [3, 5], [2, 2, 1])
    for _ in range(20):
        states, tokens = model.answers(batch)
        optimizer.zero_grad()
        torch.autograd.backward(-chances(model, states).gather(1, tokens[:, None]).mean())
        optimizer.step()
    return model


def test_what_is_written_fits_into_the_context() -> None:
    """24 tokens, of which the preamble and `abc,abc,abc>` take 15 and the end of a text that is broken off one."""
    model = built(SmallTrunk("abc.,>:", context=24, spread=0.0))
    drafts = model.write(Histories.from_lists([[3, 3, 3], [1]]), beams=2, length=50)
    tokens = model.responses(drafts.texts).rows.lengths
    assert tokens.max() <= 20
    assert len(drafts.texts) == 4


def test_nobody_with_a_history_is_asked_nothing() -> None:
    drafts = built().write(Histories.from_lists([[], []]), beams=2, length=5)
    assert drafts.texts.to_list() == [""] * 4
    assert np.isneginf(drafts.scores).all()
    assert len(built().write(Histories.from_lists([]), beams=2, length=5).texts) == 0


def test_writing_is_without_dropout_and_leaves_training_on() -> None:
    model = built(SmallTrunk("abc.,>:", dropout=0.5, spread=0.6))
    past = Histories.from_lists([[0, 1, 2]])
    calm = model.eval().write(past, beams=2, length=6)
    model.train()
    assert model.write(past, beams=2, length=6).texts.equals(calm.texts)
    assert model.training
    assert model.trunk.training


def test_titles_are_placed_by_the_last_state_of_the_frozen_model() -> None:
    model = built()
    model.place(Run())
    with torch.no_grad(), model.trunk.frozen():
        for place, title in enumerate(model.titles):
            torch.testing.assert_close(model.places[place], alone(model, title)[1][-1], atol=1e-6, rtol=1e-6)
        begun = alone(model, "")[1][-1]
    with torch.no_grad():
        assert (model.places[3] - alone(model, "abc")[1][-1]).norm() > 1e-2  # what was learnt plays no part
    texts = pl.Series(["bb", "", "ccc", "ab", "bb", "c.", "ccc"])
    placed = model.placed(texts)
    assert torch.equal(placed[[0, 3, 4]], model.places[[4, 0, 4]])
    torch.testing.assert_close(placed[1], begun, atol=1e-6, rtol=1e-6)
    assert torch.equal(placed[2], placed[6])
    assert (placed[2] - placed[5]).norm() > 1e-2


def test_texts_are_placed_alike_with_anybody_and_before_the_titles_are() -> None:
    model = built(tokens=7)
    texts = pl.Series(["abcabcabc", "ab", "c", "cab"])
    before = model.placed(texts)
    torch.testing.assert_close(model.placed(texts[:1])[0], before[0], atol=1e-6, rtol=1e-6)
    model.place(Run())
    torch.testing.assert_close(model.places[:2], before[1:3], atol=1e-6, rtol=1e-6)


def test_an_empty_text_is_placed_by_the_end_where_nothing_begins_a_text() -> None:
    model = TextGenerator().build(
        SmallTrunk("abc.,>", begins=False), Bare(), Known(pl.Series(TITLES), torch.zeros(6), "a", None)
    )
    with torch.no_grad():
        rows = type(batch_of([0, 0]).rows)(torch.tensor([0, 1]))
        ended = model.trunk.stack.states(model.trunk.table(torch.tensor([0])), rows)
    torch.testing.assert_close(model.placed(pl.Series([""])), ended, atol=1e-6, rtol=1e-6)


def test_weights_are_what_is_learnt_and_nothing_frozen() -> None:
    model, other = built(marked=True), built(SmallTrunk("abc.,>:* ", seed=0), marked=True)
    model.place(Run())
    weights = model.state_dict()
    learnt = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert set(weights) == learnt | {"counts", "places"}
    assert any(name.startswith("projector") for name in weights)
    assert "trunk.table.weight" not in weights
    other.counts.zero_()
    other.load_state_dict(weights)
    batch = batch_of([0, 1, 2], [5, 3])
    assert torch.equal(model.answers(batch)[0], other.answers(batch)[0])
    assert torch.equal(other.places, model.places)
    assert torch.equal(other.counts, torch.arange(6).float())
    with pytest.raises(RunError, match="1 are missing"):
        other.load_state_dict({name: weight for name, weight in weights.items() if name != "places"})
    with pytest.raises(RunError, match="1 are not known"):
        other.load_state_dict(weights | {"trunk.more": torch.zeros(1)})


def test_without_adapters_all_weights_are_kept_and_the_frozen_model_stays() -> None:
    model = built(SmallTrunk("abc.,>:", adapted=False))
    model.place(Run())
    before = model.places.clone()
    assert "trunk.table.weight" in model.state_dict()
    states, tokens = model.answers(batch_of([0, 1, 2], [5, 3]))
    torch.autograd.backward(-chances(model, states).gather(1, tokens[:, None]).mean())
    with torch.no_grad():
        for weight in model.trunk.parameters():
            weight -= 0.1 * (0 if weight.grad is None else weight.grad)
    model.place(Run())
    torch.testing.assert_close(model.places, before)
