"""Models with weights that no default has, and tokenizers for them."""

from pathlib import Path

import torch

from bardling.config import RunConfig
from bardling.data.config import DataConfig
from bardling.data.sums import sums
from bardling.model.config import ModelConfig
from bardling.model.families import classic, modern
from bardling.model.gpt import GPT
from bardling.run_folder import RunFolder
from bardling.text.bpe import BPETokenizer
from bardling.text.characters import CharacterTokenizer
from bardling.text.tokenizer import Tokenizer
from bardling.trained import Run

TEXT = sums(3, n_lines=60) + "Höhe ist 3 m – „genau“ 🙂\n"
TOKENIZERS: dict[str, Tokenizer] = {
    "characters": CharacterTokenizer.train([TEXT], end_token=True),
    "bpe": BPETokenizer.train([TEXT], vocab_size=300, end_token=True),
}
FAMILIES = {
    "gpt2": lambda **sizes: classic(**{"n_embd": 24, "n_head": 4, "d_ff": 37, **sizes}),
    "llama": lambda **sizes: modern(
        **{"n_embd": 24, "n_head": 4, "n_kv_head": 2, "d_ff": 40, "qk_norm": False, **sizes}
    ),
    "qwen3": lambda **sizes: modern(
        **{"n_embd": 20, "n_head": 4, "n_kv_head": 2, "head_dim": 8, "d_ff": 40,
           "rope_base": 5000.0, **sizes}
    ),
}  # fmt: skip


def randomised(config: ModelConfig, seed: int = 6, *, std: float = 0.25) -> GPT:
    """Return a model whose every parameter is random, those of norms and biases too."""
    model = GPT(config)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(std=std, generator=random)
            if "norm" in name and name.endswith("weight"):
                parameter += 1.0
    return model


def family(name: str, **sizes) -> ModelConfig:
    """Return a small model's config of a family."""
    return FAMILIES[name](**{"vocab_size": 29, "block_size": 16, "n_layer": 2, **sizes})


def run_of(model: GPT, tokenizer: Tokenizer, folder: Path) -> Run:
    """Return a run that holds a model, as if it had been trained."""
    return Run(
        folder=RunFolder(folder),
        step=7,
        config=RunConfig(data=DataConfig(corpus="stories"), model=model.config, total_steps=7),
        model=model,
        tokenizer=tokenizer,
    )
