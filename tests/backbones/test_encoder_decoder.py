"""The encoder-decoder: T5's own outputs for T5's weights, and each row for itself."""

import numpy as np
import pytest
import torch

from segue.backbones.encoder_decoder import EncoderDecoder
from segue.core.batches import SequenceBatch
from segue.core.codes import ItemCodes
from segue.core.tables import Histories
from t5_weights import twins


@pytest.mark.slow
def test_with_equal_weights_it_is_the_t5_of_transformers() -> None:
    pytest.importorskip("transformers", reason="needs the extra 'text'")
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    codes = ItemCodes(rng.integers(0, 6, (30, 3)), (6, 6, 7))
    backbone = EncoderDecoder(width=24, depth=2, heads=3, size=8, inner=40, dropout=0.0, buckets=8, farthest=16)
    ours, theirs = twins(codes, backbone, 20)
    histories = Histories.from_lists([rng.integers(0, 30, length).tolist() for length in (1, 3, 3, 12, 20)])
    batch = SequenceBatch.of(histories)
    wanted = torch.tensor([[0, 7], [3, 3], [29, 1], [5, 4], [2, 8]])
    tokens = torch.from_numpy(codes.codes + np.array(codes.offsets)) + 1
    padded = torch.zeros(5, 60, dtype=torch.int64)
    for row in range(5):
        begin, end = batch.rows.offsets[row], batch.rows.offsets[row + 1]
        written = tokens[batch.items[begin:end]].flatten()
        padded[row, : len(written)] = written
    with torch.no_grad():
        states = ours.states_of(batch, wanted)
        logits = states @ ours.codebook(0)[0].T
        for place in range(2):
            answer = theirs(input_ids=padded, attention_mask=padded > 0, labels=tokens[wanted[:, place]])
            expected = torch.cat([answer.logits[..., 1:], answer.logits[..., :1]], dim=-1)
            torch.testing.assert_close(logits[:, place], expected, atol=2e-5, rtol=1e-4)


def test_rows_do_not_see_each_other_and_the_encoder_looks_both_ways() -> None:
    torch.manual_seed(0)
    trunk = EncoderDecoder(width=16, depth=2, heads=2, size=8, inner=32, dropout=0.0).build(10).eval()
    batch = SequenceBatch.of(Histories.from_lists([[1] * length for length in (2, 5, 5)]))
    vectors = torch.randn(12, 16)
    with torch.no_grad():
        memory = trunk.read(vectors, batch.rows)
        alone = trunk.read(vectors[2:7], SequenceBatch.of(Histories.from_lists([[1] * 5])).rows)
        torch.testing.assert_close(memory.layers[1][0][2:7], alone.layers[1][0])
        changed = vectors.clone()
        changed[6] += 1.0
        after = trunk.read(changed, batch.rows)
    assert torch.equal(after.layers[0][0][7:], memory.layers[0][0][7:])
    assert not torch.equal(after.layers[0][0][2:6], memory.layers[0][0][2:6])
