"""A checkpoint is loaded as it was saved, known again by its bytes, and says what is wrong with it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from language.pretrained import saved, tokenizer
from segue.core.errors import DataError, SettingsError
from segue.language import checkpoint as files


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved(tmp_path_factory.mktemp("checkpoints") / "llama", "llama")


@pytest.fixture
def copied(llama: str, tmp_path: Path) -> Path:
    """One to break."""
    return Path(shutil.copytree(llama, tmp_path / "copied"))


def test_weights_come_back_bit_for_bit(llama: str, tmp_path: Path) -> None:
    model, words = files.load(llama)
    again = tmp_path / "again"
    model.save_pretrained(again)
    words.save_pretrained(again)
    reloaded = files.load(str(again)).model.state_dict()
    assert all(torch.equal(tensor, reloaded[name]) for name, tensor in model.state_dict().items())


def test_the_type_of_the_weights_is_the_one_asked_for(llama: str) -> None:
    assert files.load(llama, torch.bfloat16).model.dtype == torch.bfloat16


def test_a_tokenizer_needs_no_padding(llama: str) -> None:
    assert files.load(llama).tokenizer.pad_token_id is None


def test_loading_is_silent_and_leaves_the_progress_bars_as_they_were(
    llama: str, capfd: pytest.CaptureFixture[str]
) -> None:
    import transformers

    before = transformers.utils.logging.is_progress_bar_enabled()
    files.load(llama)
    assert capfd.readouterr().err == ""
    assert transformers.utils.logging.is_progress_bar_enabled() is before


def test_it_is_found_again_by_its_bytes(copied: Path) -> None:
    kept = files.kept(str(copied))
    assert {tensor.dtype for tensor in kept.values()} == {torch.uint8}
    assert files.found(kept) == str(copied)
    with (copied / "model.safetensors").open("r+b") as stream:
        stream.seek(-1, 2)
        last = stream.read(1)
        stream.seek(-1, 2)
        stream.write(bytes([last[0] ^ 1]))  # one bit of one weight
    with pytest.raises(DataError, match="its files have changed"):
        files.found(kept)
    shutil.rmtree(copied)
    with pytest.raises(DataError, match=r"fitted with the language model .*copied', which is not there any more"):
        files.found(kept)


def test_other_files_in_the_folder_do_not_matter(copied: Path) -> None:
    before = files.fingerprint(str(copied))
    (copied / "README.md").write_text("a licence")
    assert files.fingerprint(str(copied)) == before


def test_a_name_on_the_hub_is_hashed_where_it_was_downloaded(llama: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: str(Path(llama) / "config.json"))
    assert files.fingerprint("somebody/llama") == files.fingerprint(llama)
    assert files.found(files.kept("somebody/llama")) == "somebody/llama"
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    with pytest.raises(DataError, match="'somebody/llama' is not among the downloaded models"):
        files.fingerprint("somebody/llama")


def test_nothing_given() -> None:
    with pytest.raises(SettingsError, match=r"backbone.checkpoint is empty.*--set backbone.checkpoint=FOLDER"):
        files.load(" ")


def test_a_missing_folder_has_a_neighbour(llama: str) -> None:
    with pytest.raises(DataError, match=r"llamas' is not a folder. Did you mean the folder '.*/llama'\?"):
        files.load(llama + "s")


def test_a_folder_without_a_config(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").touch()
    with pytest.raises(DataError, match=r"has no config.json: it holds weights.bin"):
        files.load(str(tmp_path))


def test_an_adapter_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(DataError, match="it holds an adapter alone; merge it into its base model"):
        files.load(str(tmp_path))


def test_a_hub_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match=r"'somebody/no-such-model' could not be loaded .*--set backbone=tiny_lm"):
        files.load("somebody/no-such-model")


def test_a_gated_model(monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers

    def gated(*_: Any, **__: Any) -> None:
        raise OSError("You are trying to access a gated repo.\nMake sure to have access to it at ...")

    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", gated)
    with pytest.raises(
        DataError, match=r"Accept its licence on https://huggingface.co/meta/llama, then `hf auth login`"
    ):
        files.reached("meta/llama")


def test_weights_cut_short(copied: Path) -> None:
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"copied' could not be loaded"):
        files.load(str(copied))


def test_old_weights_cut_short(copied: Path) -> None:
    (copied / "model.safetensors").unlink()
    (copied / "pytorch_model.bin").write_bytes(b"not a pickle")
    with pytest.raises(DataError, match=r"copied' could not be loaded"):
        files.load(str(copied))


def test_code_that_comes_with_a_checkpoint_is_not_run(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    config |= {"model_type": "their_own", "auto_map": {"AutoConfig": "theirs.Config"}}
    (copied / "config.json").write_text(json.dumps(config))
    (copied / "theirs.py").write_text("raise SystemExit")
    with pytest.raises(DataError, match=r"copied' could not be loaded .*contains custom code"):
        files.load(str(copied))


def test_weights_that_lack_a_tensor(copied: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copied / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError, match=r"damaged: 1 tensors .* \(first: 'model.layers.1.mlp.up_proj.weight'\)"):
        files.load(str(copied))


def test_no_causal_language_model(tmp_path: Path) -> None:
    import transformers

    transformers.T5Config(vocab_size=300, d_model=8, num_layers=1).save_pretrained(tmp_path)
    with pytest.raises(DataError, match="is a 't5', which is no causal language model"):
        files.load(str(tmp_path))


def test_no_tokenizer(copied: Path) -> None:
    for path in copied.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(DataError, match=r"copied' could not be loaded"):
        files.load(str(copied))


def test_a_tokenizer_without_an_end(copied: Path) -> None:
    words = tokenizer()
    words.eos_token = None
    words.save_pretrained(copied)
    with pytest.raises(DataError, match="has no token that ends a text"):
        files.load(str(copied))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_few_bits_need_a_gpu(llama: str) -> None:
    with pytest.raises(SettingsError, match=r"backbone.bits=4 needs a GPU"):
        files.load(llama, bits=4)
