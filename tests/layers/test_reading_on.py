"""Reading on is reading everything at once, whatever is new in each row."""

import pytest
import torch

from kernels.packed import rows_of
from segue.backbones.causal_transformer import CausalTransformer
from segue.backbones.gru import Gru
from segue.backbones.hstu import Hstu
from segue.layers.reading_on import Clock, Growth, ReadingOn, by_layer, stacked

WIDTH = 8
TRUNKS = {
    "pre": CausalTransformer(width=WIDTH, inner=8),
    "post": CausalTransformer(width=WIDTH, inner=8, order="post", norm="rms", position="rotary", activation="swiglu"),
    "gated": CausalTransformer(width=WIDTH, inner=8, gated=True),
    "hstu": Hstu(width=WIDTH, heads=2, head_width=4),
    "gru": Gru(width=WIDTH),
}
CASES = [
    ((5,), (3,)),
    ((5,), (1,)),
    ((4, 4, 4), (3, 3, 3)),
    ((4, 4, 4), (1, 3, 2)),
    ((2, 5, 7), (1, 5, 3)),
    ((4, 2, 2), (3, 1, 2)),  # as many tokens as two rows of the longest
    ((0, 3, 6), (0, 2, 6)),
]


@pytest.mark.parametrize(("lengths", "known"), CASES, ids=str)
@pytest.mark.parametrize("name", TRUNKS)
@torch.no_grad()
def test_reading_on_is_reading_at_once(name: str, lengths: tuple[int, ...], known: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    trunk = TRUNKS[name].build(8).eval()
    assert isinstance(trunk, ReadingOn)
    for parameter in trunk.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    rows, tokens = rows_of(lengths), sum(lengths)
    vectors, times = torch.randn(tokens, WIDTH), torch.randint(1, 99_999, (tokens,)).cumsum(0)
    clock = Clock(times, times + 500)
    states, kept = trunk.read_all(vectors, rows, clock)
    growth = Growth(rows, torch.tensor(known))
    room = kept.clone()
    room[growth.new] = torch.nan  # what is not known yet is not looked at
    found = trunk.read_on(vectors[growth.new], growth, room, clock)
    torch.testing.assert_close(found, states[growth.new], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(room, kept, atol=1e-5, rtol=1e-4)


def test_what_is_new_of_each_row() -> None:
    growth = Growth(rows_of((3, 1, 4, 0)), torch.tensor([1, 1, 1, 0]))
    assert growth.some.tolist() == [0, 2]
    assert growth.counts.tolist() == [2, 3]
    assert growth.places.tolist() == [1, 2, 1, 2, 3]
    assert growth.new.tolist() == [1, 2, 5, 6, 7]
    assert growth.last.tolist() == [1, 4]
    assert growth.asking.tolist() == [[1, 2, 2], [1, 2, 3]]
    assert growth.taken(growth.asking).tolist() == growth.places.tolist()
    assert growth.wholly(torch.arange(8)).tolist() == [[0, 1, 2, 2], [4, 5, 6, 7]]


def test_layers_are_views_of_what_was_stacked() -> None:
    layers = [(torch.randn(5, 2, 3), torch.randn(5, 2, 3)) for _ in range(2)]
    kept = stacked(layers)
    assert kept.shape == (5, 2, 2, 2, 3)
    for one, other in zip(by_layer(kept), layers, strict=True):
        for part, whole in zip(one, other, strict=True):
            assert torch.equal(part, whole)
            assert part.untyped_storage().data_ptr() == kept.untyped_storage().data_ptr()


@pytest.mark.parametrize("trunk", [Hstu(width=8, candidates=1), Gru(width=8, depth=2)], ids=str)
def test_a_trunk_that_cannot_go_on_says_so(trunk) -> None:
    assert not trunk.build(8).reads_on
