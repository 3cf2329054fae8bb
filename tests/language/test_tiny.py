"""Checkpoints made on the spot: they load like any other, have learnt something, and are there whole or not at all."""

import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from segue.core.errors import DataError, SettingsError
from segue.core.run import Run
from segue.language.tiny import (
    REPORT,
    TinyCheckpoint,
    TinyReport,
    _share_at,
    digest_of,
    make_tiny,
    numbered,
    packed,
    trained_tokenizer,
)

transformers = pytest.importorskip("transformers")

SMALL = TinyCheckpoint(
    vocabulary=310, width=32, depth=2, heads=2, key_value_heads=1, steps=60, rows=4, length=64, rate=0.01
)
WORDS = ("red", "green", "blue", "small", "large", "warm", "cold", "wooden", "garden", "kitchen", "table", "lamp")


def texts(count: int = 200) -> pl.Series:
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, len(WORDS), (count, 4))
    return pl.Series("text", [" ".join(WORDS[word] for word in row) for row in chosen] + ["Été № 5 <s>"] * 3)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TinyReport]:
    folder = tmp_path_factory.mktemp("made") / "deep" / "llama"
    return folder, make_tiny(texts(), folder, SMALL, Run(seed=3), {"data": "words"})


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_the_folder_is_an_ordinary_checkpoint(made: tuple[Path, TinyReport]) -> None:
    folder, report = made
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert type(model).__name__ == "LlamaForCausalLM"
    assert sum(parameter.numel() for parameter in model.parameters()) == report.parameters
    assert (len(tokenizer), model.config.vocab_size) == (310, 310)
    assert (tokenizer.pad_token, tokenizer.bos_token, tokenizer.eos_token) == ("<pad>", "<s>", "</s>")
    assert model.config.eos_token_id == tokenizer.eos_token_id
    assert [path.name for path in folder.parent.iterdir()] == ["llama"], "no draft is left"
    other = folder.parent.parent / "again"
    model.save_pretrained(other)
    assert weights(other) == weights(folder), "a reload is bit-equal"


def test_it_reads_back_whatever_it_is_given(made: tuple[Path, TinyReport]) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(made[0])
    for text in ("red lamp", "  two  blanks , kept", "Żółć 日本 \u2028 😀"):
        tokens = tokenizer(text)["input_ids"]
        assert tokens[0] == tokenizer.bos_token_id
        assert tokenizer.decode(tokens, skip_special_tokens=True) == text


@pytest.mark.learns
def test_it_has_learnt_more_than_how_frequent_each_token_is(learning_seed: int, tmp_path: Path) -> None:
    report = make_tiny(texts(), tmp_path / "llama", SMALL, Run(seed=learning_seed))
    assert report.loss_before == pytest.approx(math.log(310), abs=0.3), "at first all tokens are alike"
    assert report.loss_after < report.entropy < report.loss_before
    assert report.seen == 60 * 4 * 64


def test_the_report_lies_in_the_folder(made: tuple[Path, TinyReport]) -> None:
    folder, report = made
    assert TinyReport.model_validate_json((folder / REPORT).read_text()) == report
    assert report.digest == digest_of(texts())
    assert report.settings["width"] == 32
    assert (report.seed, report.origin) == (3, {"data": "words"})


def test_one_seed_gives_one_model_and_another_seed_another(made: tuple[Path, TinyReport], tmp_path: Path) -> None:
    torch.manual_seed(99)  # the global generator has no say
    before = torch.get_rng_state()
    make_tiny(texts(), tmp_path / "again", SMALL, Run(seed=3))
    assert torch.equal(torch.get_rng_state(), before)
    for path in made[0].iterdir():
        if path.name != REPORT:
            assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name
    make_tiny(texts(), tmp_path / "other", SMALL, Run(seed=4))
    assert weights(tmp_path / "other") != weights(made[0])


@pytest.mark.parametrize(("family", "name"), [("qwen2", "Qwen2ForCausalLM"), ("qwen3", "Qwen3ForCausalLM")])
def test_qwen_has_no_token_at_the_beginning(family: str, name: str, tmp_path: Path) -> None:
    short = SMALL.changed({"family": family, "steps": 2})
    make_tiny(texts(), tmp_path / family, short, Run())
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / family)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / family)
    assert type(model).__name__ == name
    assert tokenizer.bos_token is None
    assert tokenizer.decode(tokenizer("red lamp")["input_ids"]) == "red lamp"


def test_texts_are_packed_one_after_another_with_an_end_behind_each() -> None:
    tokenizer = trained_tokenizer(texts(), SMALL)
    tokens = numbered(pl.Series(["red", "lamp"]), tokenizer)
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    red, lamp = (tokenizer(word, add_special_tokens=False)["input_ids"] for word in ("red", "lamp"))
    assert tokens.to_list() == [[begin, *red, end], [begin, *lamp, end]]
    rows = packed(tokens, SMALL, np.random.default_rng(0))
    assert rows.shape == (60 * 4, 64)
    round_ = len(red) + len(lamp) + 4
    for turn in range(5):
        one = rows.flatten()[turn * round_ : (turn + 1) * round_].tolist()
        assert one in (
            [begin, *red, end, begin, *lamp, end],
            [begin, *lamp, end, begin, *red, end],
        ), "each round has each text once"


def test_the_rate_rises_to_its_height_and_falls_to_nothing() -> None:
    rates = [_share_at(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(1 / 6)
    assert max(rates) == rates[5] == 1.0
    assert rates[-1] < 0.001
    assert rates[6:] == sorted(rates[6:], reverse=True)


def test_what_cannot_be_made_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"too few for a vocabulary of 310 tokens: they give \d+\."):
        make_tiny(pl.Series(["one title"]), tmp_path / "few", SMALL, Run())
    with pytest.raises(DataError, match="no text at all"):
        make_tiny(pl.Series([], dtype=pl.String), tmp_path / "none", SMALL, Run())
    (tmp_path / "there").mkdir()
    with pytest.raises(DataError, match="exists already"):
        make_tiny(texts(), tmp_path / "there", SMALL, Run())
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


class Impatient:
    """A watch that presses Ctrl-C after some steps."""

    def begin(self, what: str, steps: int) -> None: ...

    def advance(self, steps: int, note: str = "") -> None:
        assert note.startswith("loss ")
        raise KeyboardInterrupt

    def end(self) -> None: ...

    def log(self, step: int, values: object) -> None: ...


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        make_tiny(texts(), tmp_path / "stopped", SMALL, Run(watches=(Impatient(),)))
    assert list(tmp_path.iterdir()) == []


def test_a_failure_while_it_is_written_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, *_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="no space"):
        make_tiny(texts(), tmp_path / "full", SMALL.changed({"steps": 1}), Run())
    assert list(tmp_path.iterdir()) == []


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SettingsError, match="even multiple of the heads"):
        TinyCheckpoint.parse({"width": 36, "heads": 4})
    with pytest.raises(SettingsError, match="do not fit into a context of 256"):
        TinyCheckpoint.parse({"context": 256})
    assert TinyCheckpoint(width=128).inner == 352
    assert json.dumps(TinyCheckpoint().dump())
