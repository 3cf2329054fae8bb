"""Language models at the command line: a small one made whole or not at all, a large one planned; what is refused."""

import json
from pathlib import Path

import pytest

from cli.shell import Shell, contents, write_log

transformers = pytest.importorskip("transformers")
SMALL = (
    "--vocabulary", 320, "--width", 16, "--depth", 1, "--steps", 2, "--set", "heads=2", "--set", "length=32",
    "--set", "corpus.histories=20",
)  # fmt: skip
WORLD = ("--data", "world", "--set", "data.users=60", "--set", "data.items=60")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("config")
    transformers.LlamaConfig(
        vocab_size=128256, hidden_size=3072, intermediate_size=8192, num_hidden_layers=28, num_attention_heads=24,
        num_key_value_heads=8, head_dim=128, tie_word_embeddings=True,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def test_make_tiny_leaves_an_ordinary_checkpoint_and_says_what_is_next(segue: Shell, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "tiny"
    said = segue("llm", "make-tiny", *WORLD, "--out", out, *SMALL, "--family", "qwen3")
    assert said.code == 0, said.err
    words = " ".join(said.out.split())
    assert f"qwen3 in {out}" in words
    assert "320 tokens" in words
    assert (
        f"segue fit bigrec --data world --set data.users=60 --set data.items=60 --set backbone.checkpoint={out}"
        in words
    )
    model = transformers.AutoModelForCausalLM.from_pretrained(out)
    assert type(model).__name__ == "Qwen3ForCausalLM"
    assert (model.config.hidden_size, model.config.num_hidden_layers) == (16, 1)
    report = json.loads((out / "tiny.json").read_text())
    assert report["origin"]["split"].startswith("leave-one-out")
    assert report["origin"]["corpus"]["histories"] == 20


def test_json_is_one_document_and_the_seed_decides(segue: Shell, tmp_path: Path) -> None:
    first = segue("llm", "make-tiny", *WORLD, "--out", tmp_path / "one", *SMALL, "--seed", 5, "--json")
    made = json.loads(first.out)
    assert (made["vocabulary"], made["seed"], made["settings"]["heads"]) == (320, 5, 2)
    segue("llm", "make-tiny", *WORLD, "--out", tmp_path / "two", *SMALL, "--seed", 5)
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert one["model.safetensors"] == two["model.safetensors"]


def test_what_cannot_be_made_is_said_and_changes_nothing(segue: Shell, tmp_path: Path) -> None:
    bare = write_log(tmp_path / "walks.csv")
    there = tmp_path / "there"
    there.mkdir()
    (there / "mine.txt").write_text("mine")
    before = contents(tmp_path)
    new = tmp_path / "new"
    refused = {
        "this catalogue has none": ("--data", bare, "--out", new, *SMALL),
        "exists already; choose another --out": (*WORLD, "--out", there, *SMALL),
        "does not exist": ("--data", tmp_path / "nowhere.csv", "--out", new, *SMALL),
        "too few for a vocabulary of 4000 tokens": (*WORLD, "--out", new, *SMALL, "--vocabulary", 4000),
        "less than or equal to 4000": (*WORLD, "--out", new, "--vocabulary", 9000),
        "even multiple of the heads": (*WORLD, "--out", new, "--width", 50),
        "no such setting; did you mean 'depth'": (*WORLD, "--out", new, "--set", "deph=3"),
        "history: there is no such setting; did you mean 'histories'": (
            *WORLD,
            "--out",
            new,
            "--set",
            "corpus.history=3",
        ),
        "'llama', 'qwen2' or 'qwen3'": (*WORLD, "--out", new, "--family", "gpt2"),
    }
    for reason, words in refused.items():
        said = segue("llm", "make-tiny", *words)
        assert said.code == 1, reason
        assert reason in " ".join(said.err.split()), said.err
    assert contents(tmp_path) == before


def test_a_public_set_of_titles(segue: Shell, shared: Path, tmp_path: Path) -> None:
    data = shared / "ml-latest-small"
    if not data.is_dir():
        pytest.skip(f"{data} is absent")
    made = json.loads(
        segue("llm", "make-tiny", "--data", data, "--out", tmp_path / "ml", *SMALL, "--steps", 1, "--json").out
    )
    assert made["texts"] > 9_000
    assert made["origin"]["data"] == "ml-latest-small"


def test_estimate_tells_each_number_and_how_it_comes_about(segue: Shell, config: Path) -> None:
    said = segue("llm", "estimate", config, "--device", "4090", "--checkpointing")
    assert said.code == 0, said.err
    words = " ".join(said.out.split())
    assert "3,212,749,824" in words, "what Llama-3.2-3B is known to have"
    assert "2,293,760" in words
    for part in ("memory in training", "memory in use", "work", "time", "an epoch"):
        assert part in words


def test_estimate_as_json_follows_the_options(segue: Shell, config: Path) -> None:
    def told(*words: object) -> dict[str, float]:
        found = json.loads(segue("llm", "estimate", config, *words, "--json").out)
        return {line["name"]: line["amount"] for line in found["lines"]}

    usual = told()
    assert told("--samples", 8192)["an epoch"] == pytest.approx(2 * usual["an epoch"])
    assert told("--epochs", 14)["all epochs"] == pytest.approx(2 * usual["all epochs"])
    assert told("--rank", 16)["learnt"] == 2 * usual["learnt"]
    assert told("--targets", "q_proj")["learnt"] == 28 * 8 * (3072 + 3072)
    assert told("--bits", 4)["weights"] < usual["weights"] / 2
    assert told("--rank", 0)["learnt"] == usual["parameters"]
    assert told("--device", "here")["an epoch"] > usual["an epoch"]


def test_estimate_says_what_is_wrong(segue: Shell, config: Path, tmp_path: Path) -> None:
    refused = {
        "the device 'abacus' is not known": (config, "--device", "abacus"),
        "no layer 'query'": (config, "--targets", "query"),
        "has no config.json": (tmp_path,),
        "is not a folder": (tmp_path / "nothing",),
        "precision": (config, "--precision", "float8"),
        "bits": (config, "--bits", 3),
        "at most the 10 tokens": (config, "--tokens", 10, "--response", 20),
    }
    for reason, words in refused.items():
        said = segue("llm", "estimate", *words)
        assert said.code == 1, reason
        assert reason in " ".join(said.err.split()), said.err
