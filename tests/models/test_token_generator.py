"""A token generator: one pass, step by step and all at once are the same model."""

import numpy as np
import pytest
import torch

from segue.backbones.bidirectional import Bidirectional
from segue.backbones.causal_transformer import CausalTransformer
from segue.backbones.encoder_decoder import EncoderDecoder
from segue.backbones.gru import Gru
from segue.core.batches import SequenceBatch
from segue.core.codes import ItemCodes
from segue.core.errors import SettingsError
from segue.core.forms import Backbone, TokenModel
from segue.core.tables import Histories
from segue.models.token_generator import TokenGenerator, TokenGeneratorModel

BACKBONES = (
    CausalTransformer(width=16, depth=2, heads=2, inner=32, dropout=0.0),
    CausalTransformer(width=16, depth=2, heads=2, inner=32, dropout=0.0, position="rotary", norm="rms", gated=True),
    CausalTransformer(width=16, depth=1, heads=2, inner=32, dropout=0.0, order="post"),
    EncoderDecoder(width=16, depth=2, heads=3, size=8, inner=32, dropout=0.0),
)
ITEMS = 40


def built(backbone: Backbone, levels: int = 3, **settings: object) -> TokenGeneratorModel:
    torch.manual_seed(0)
    codes = ItemCodes(np.random.default_rng(0).integers(0, 5, (ITEMS, levels)), (5,) * levels)
    return TokenGenerator.parse({"spread": 0.5, **settings}).build(backbone, codes, 10).eval()


def histories(*lengths: int) -> Histories:
    rng = np.random.default_rng(1)
    return Histories.from_lists([rng.integers(0, ITEMS, length).tolist() for length in lengths])


@pytest.mark.parametrize("backbone", BACKBONES, ids=repr)
@pytest.mark.parametrize("user_tokens", [0, 5])
@pytest.mark.parametrize("levels", [1, 3])
def test_step_by_step_equals_all_at_once(backbone: Backbone, user_tokens: int, levels: int) -> None:
    """The cache of a prefix, moved from parent to child, is a full recomputation to 1e-5."""
    model = built(backbone, levels, user_tokens=user_tokens)
    assert isinstance(model, TokenModel)
    batch = SequenceBatch.of(histories(1, 4, 4, 9))
    wanted = torch.arange(24).view(4, 6)
    codes = torch.from_numpy(model.codes.codes)[wanted]
    with torch.no_grad():
        states = model.states_of(batch, wanted)
        prefixes = model.begin(batch)
        parents = torch.zeros(4, 6, dtype=torch.int64)
        for level in range(levels):
            assert prefixes.level == level
            seen = prefixes.states[torch.arange(4)[:, None], parents]
            torch.testing.assert_close(seen, states[:, :, level], atol=1e-5, rtol=1e-5)
            if level + 1 < levels:
                # The prefixes of a user change places: what each one wrote must come along.
                order = torch.tensor([3, 1, 0, 5, 4, 2])
                parents, codes, states = parents[:, order], codes[:, order], states[:, order]
                prefixes = prefixes.extended(parents, codes[..., level])
                parents = torch.arange(6).expand(4, 6)


@pytest.mark.parametrize("backbone", BACKBONES, ids=repr)
def test_a_shared_context_equals_one_context_a_candidate(backbone: Backbone) -> None:
    model, past = built(backbone), histories(6, 2)
    with torch.no_grad():
        together = model.states_of(SequenceBatch.of(past), torch.tensor([[3, 9, 21], [5, 0, 8]]))
        batch = SequenceBatch.of(past)
        for row in range(2):
            for place in range(3):
                alone = SequenceBatch.of(past.take(batch.order[row : row + 1].numpy()))
                item = torch.tensor([[[3, 9, 21], [5, 0, 8]][row][place]])
                states = model.states_of(alone, item[None])
                torch.testing.assert_close(states[0, 0], together[row, place], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("user_tokens", [0, 5])
@pytest.mark.parametrize("backbone", BACKBONES[:3], ids=repr)
def test_a_causal_trunk_answers_every_event_in_one_pass(backbone: Backbone, user_tokens: int) -> None:
    model = built(backbone, user_tokens=user_tokens)
    batch = SequenceBatch.of(histories(3, 7, 2), targets=True)
    assert batch.targets is not None
    assert batch.users is not None
    with torch.no_grad():
        states, items = model.answers(batch)
        assert torch.equal(items, batch.targets)
        for row in range(3):
            begin, end = int(batch.rows.offsets[row]), int(batch.rows.offsets[row + 1])
            for token in range(begin, end):
                past = Histories.from_lists([batch.items[begin : token + 1].tolist()])
                alone = model.states_of(SequenceBatch.of(past), items[token].view(1, 1))
                torch.testing.assert_close(states[token], alone[0, 0], atol=1e-5, rtol=1e-4)


def test_an_encoder_decoder_answers_the_last_event_of_each_row() -> None:
    model = built(BACKBONES[3])
    batch = SequenceBatch.of(histories(3, 7, 2), targets=True)
    assert batch.targets is not None
    states, items = model.answers(batch)
    assert torch.equal(items, batch.targets[batch.rows.last])
    torch.testing.assert_close(states, model.states_of(batch, items[:, None])[:, 0])


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("user_tokens", [0, 5])
@pytest.mark.parametrize("backbone", BACKBONES, ids=repr)
def test_answers_and_other_items_come_out_of_one_pass(backbone: Backbone, user_tokens: int, positive: bool) -> None:
    """Items are written after any part of a history as if the history ended there, and so are their gradients."""
    model = built(backbone, user_tokens=user_tokens)
    batch = SequenceBatch.of(histories(3, 7, 2, 8), targets=True)
    assert batch.targets is not None
    lengths = batch.rows.lengths  # 1 2 6 7
    at = torch.tensor([1, 1, 6, 3]) if isinstance(backbone, CausalTransformer) else lengths
    next_items = batch.targets[batch.rows.offsets[:-1] + at - 1]
    wanted = torch.cat([next_items[:, None], torch.tensor([[3, 9], [5, 0], [8, 8], [1, 2]])], 1)
    answers, items, states = model.answers_and_states_of(batch, wanted, at, positive)
    expected, targets = model.answers(batch)
    assert torch.equal(items, targets)
    torch.testing.assert_close(answers, expected, atol=1e-5, rtol=1e-5)
    alone = []
    for row in range(4):
        begin = int(batch.rows.offsets[row])
        past = SequenceBatch.of(Histories.from_lists([batch.items[begin : begin + int(at[row])].tolist()]))
        alone.append(model.states_of(past, wanted[row : row + 1])[0])
    torch.testing.assert_close(states, torch.stack(alone), atol=1e-5, rtol=1e-4)
    parameter = model.table.weight
    (one,) = torch.autograd.grad(states.square().sum() + answers.sum(), parameter)
    (other,) = torch.autograd.grad(torch.stack(alone).square().sum() + expected.sum(), parameter)
    torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)


def test_a_user_token_moves_the_states_of_known_users_only() -> None:
    model = built(BACKBONES[0], user_tokens=5)
    past = Histories(np.array([1, 2, 1, 2]), np.array([0, 2]), np.array([2, 4]), np.array([3, -1]))
    before = model.begin(SequenceBatch.of(past)).states
    assert model.user_table is not None
    model.user_table.weight.data[:, ::2] += 1.0
    after = model.begin(SequenceBatch.of(past)).states
    assert not torch.allclose(before[0], after[0])
    assert torch.allclose(before[1], after[1])


def test_an_end_token_stands_behind_each_history() -> None:
    model = built(BACKBONES[3], ended=True, user_tokens=5)
    batch = SequenceBatch.of(histories(3, 1))
    vectors, rows, ahead = model._context(batch.items, batch.rows, batch.users)
    assert (ahead, rows.lengths.tolist()) == (1, [1 + 3 + 1, 1 + 9 + 1])
    assert model.end is not None
    assert torch.equal(vectors[rows.last], model.end.expand(2, -1))
    assert torch.equal(vectors[1:4], model._embedded(batch.items[0], 3))
    assert torch.equal(vectors[6:15], model._embedded(batch.items[1:], 3).flatten(0, 1))
    with pytest.raises(SettingsError, match="is for encoders"):
        built(BACKBONES[0], ended=True)


def test_the_softmax_over_the_level_or_over_the_vocabulary() -> None:
    table, begin = built(BACKBONES[0]).codebook(1)
    assert (len(table), begin) == (5, 0)
    table, begin = built(BACKBONES[0], softmax="vocabulary").codebook(1)
    assert (len(table), begin) == (15, 5)


@pytest.mark.parametrize("backbone", [Gru(width=16), Bidirectional(width=16, heads=2, depth=1, inner=16)], ids=repr)
def test_a_trunk_that_cannot_write_is_refused(backbone: Backbone) -> None:
    if isinstance(backbone, Gru):
        with pytest.raises(SettingsError, match="causal_transformer or encoder_decoder"):
            built(backbone)
    else:
        with pytest.raises(SettingsError, match="sees what comes later"):
            built(backbone)


def test_without_targets_it_says_so() -> None:
    with pytest.raises(SettingsError, match="no targets"):
        built(BACKBONES[0]).answers(SequenceBatch.of(histories(2)))
