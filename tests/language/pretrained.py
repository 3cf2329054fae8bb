"""Tiny random checkpoints of real architectures, saved as transformers saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

WORDS = (
    "The quick brown fox jumps over the lazy dog",
    "Given ten movies, recommend a new movie: ",
    'The Matrix (1999), "Alien", "Aliens", Toy Story 2, Heat',
    "### Instruction: ### Input: ### Response:",
)
SIZES = {"vocab_size": 300, "bos_token_id": 0, "eos_token_id": 1}
LLAMA = {
    **SIZES, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 128, "initializer_range": 0.3,
}  # fmt: skip
SETTINGS: dict[str, dict[str, Any]] = {
    "llama": LLAMA,
    "mistral": LLAMA | {"sliding_window": None},
    "qwen2": LLAMA,
    "qwen3": LLAMA | {"head_dim": 8},
    "gemma": LLAMA | {"head_dim": 8, "tie_word_embeddings": True},
    "gpt2": SIZES | {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128, "initializer_range": 0.3},
}


def saved(folder: Path, kind: str, **settings: Any) -> str:
    """The folder, with a random model of this kind and a byte-level tokenizer in it."""
    import transformers

    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, **(SETTINGS.get(kind, LLAMA) | settings))
    model = transformers.AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return str(folder)


def tokenizer(*, begins: bool = True) -> Any:
    """A byte-level tokenizer of at most 300 tokens without one for padding; `<s>` before each text if it `begins`."""
    from transformers import PreTrainedTokenizerFast

    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(
        WORDS,
        trainers.BpeTrainer(
            vocab_size=300, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
        ),
    )
    if begins:
        made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>")
