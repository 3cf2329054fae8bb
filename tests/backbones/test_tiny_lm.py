"""A language model made on the spot: once for a data set, found again in the cache, whole in every run."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from segue.backbones import tiny_lm
from segue.backbones.tiny_lm import TinyLm
from segue.core.errors import DataError
from segue.core.recipe import initialising
from segue.core.run import Run
from segue.core.text_forms import LanguageBackbone
from segue.language.tiny import REPORT, TinyReport
from segue.testing import ring

pytest.importorskip("peft")
SMALL = TinyLm.parse(
    {
        "tiny": {
            "vocabulary": 300,
            "width": 16,
            "depth": 1,
            "heads": 2,
            "key_value_heads": 1,
            "steps": 2,
            "length": 32,
        },
        "corpus": {"histories": 20},
    }
)
WORLD = ring(users=32, items=60)


def contents(folder: str | Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_it_is_made_once_and_then_found(cache: Path) -> None:
    first = SMALL.prepare(WORLD, Run(cache=cache))
    assert Path(first).parent == cache / "checkpoints"
    made = contents(first)
    assert SMALL.prepare(WORLD, Run(cache=cache, seed=1)) == first, "whatever the seed of the run"
    assert SMALL.changed({"lora.rank": 2, "length": 64}).prepare(WORLD, Run(cache=cache)) == first, "nor what is on top"
    assert contents(first) == made, "the second time nothing was written"
    report = TinyReport.model_validate_json(made[REPORT])
    assert (report.origin["data"], report.origin["split"]) == ("ring", "leave-two-out")


@pytest.mark.parametrize("change", [{"seed": 1}, {"tiny.width": 32}, {"corpus.histories": 10}])
def test_what_is_made_otherwise_is_another_checkpoint(change: dict[str, int], cache: Path) -> None:
    run = Run(cache=cache)
    assert SMALL.changed(change).prepare(WORLD, run) != SMALL.prepare(WORLD, run)


def test_other_histories_make_another_checkpoint(cache: Path) -> None:
    shorter = replace(WORLD, train=replace(WORLD.train, ends=WORLD.train.ends - 1))
    assert SMALL.prepare(shorter, Run(cache=cache)) != SMALL.prepare(WORLD, Run(cache=cache))


def test_without_a_cache_it_lies_in_the_run_folder(tmp_path: Path) -> None:
    folder = Path(SMALL.prepare(WORLD, Run(folder=tmp_path / "run")))
    assert folder.parent == tmp_path / "run" / "language"
    assert SMALL.prepare(WORLD, Run(folder=tmp_path / "run")) == str(folder)
    passing = Path(SMALL.prepare(WORLD, Run()))
    assert (passing / "config.json").is_file()
    assert contents(passing)["model.safetensors"] == contents(folder)["model.safetensors"]


def test_a_run_finds_it_again_when_cache_and_folder_are_gone(cache: Path) -> None:
    folder = SMALL.prepare(WORLD, Run(cache=cache))
    kept = SMALL.kept(folder)
    assert {name: (tensor.dtype, len(tensor)) for name, tensor in kept.items()} == {
        name: (torch.uint8, len(content)) for name, content in contents(folder).items()
    }
    again = SMALL.found({name: tensor.clone() for name, tensor in kept.items()})
    assert again != folder
    assert contents(again) == contents(folder)
    with initialising(0):
        one = SMALL.load(folder)
    with initialising(0):
        other = SMALL.load(again)
    tokens = torch.arange(3, 9)
    assert torch.equal(one.embedded(tokens), other.embedded(tokens))
    with pytest.raises(DataError, match="holds no language model"):
        SMALL.found({})


def test_what_it_loads_learns_only_its_adapters(cache: Path) -> None:
    trunk = SMALL.load(SMALL.prepare(WORLD, Run(cache=cache)))
    learning = [name for name, parameter in trunk.named_parameters() if parameter.requires_grad]
    assert learning
    assert all("lora" in name for name in learning)
    assert trunk.begin, "Llama begins every text with a token of its own"
    assert trunk.context == 700


def test_who_was_quicker_is_believed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(texts: object, folder: Path, *_: object) -> None:
        folder.mkdir(parents=True)
        raise OSError("Directory not empty")

    monkeypatch.setattr(tiny_lm, "make_tiny", late)
    run = Run(cache=cache / "other")
    folder = SMALL.prepare(WORLD, run)
    assert Path(folder).is_dir()

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(tiny_lm, "make_tiny", full)
    with pytest.raises(OSError, match="no space"):
        SMALL.changed({"seed": 5}).prepare(WORLD, run)


def test_it_is_a_word_where_a_language_backbone_is_asked_for() -> None:
    assert LanguageBackbone.parse("tiny_lm") == TinyLm()
    assert TinyLm().changed({"tiny.width": 64}).tiny.width == 64
