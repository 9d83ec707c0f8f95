"""Every switch builds, trains, generates and comes back from a checkpoint: alone and in pairs."""

from pathlib import Path
from typing import Any

import pytest
import torch

import bardling
from bardling.checkpoint import load_checkpoint
from bardling.errors import ConfigError
from bardling.run import start_run
from bardling.run_folder import RunFolder
from bardling.trainer import Trainer
from bardling.training.optimizers import state_tensors
from covers import pairwise
from tiny import Listener, tiny_config, write_text

# The first value of each is what the others are varied from.
SWITCHES: dict[str, tuple[Any, ...]] = {
    "n_layer": (2, 0),
    "n_head": (2, 1),
    "n_kv_head": (None, 1),
    "head_dim": (None, 6),
    "position": ("rotary", "none", "learned", "sinusoidal", "sinusoidal_scaled"),
    "rope_base": (10_000.0, 500.0),
    "norm": ("rmsnorm", "layernorm", "none"),
    "norm_place": ("before", "after"),
    "final_norm": (True, False),
    "residual": (True, False),
    "attention": ("causal", "none", "uniform", "unmasked"),
    "attention_output": (True, False),
    "attention_scale": (True, False),
    "qk_norm": (True, False),
    "feedforward": ("swiglu", "none", "relu", "gelu", "gelu_tanh", "gelu_sigmoid"),
    "d_ff": (None, 20),
    "qkv_bias": (False, True),
    "bias": (False, True),
    "output_bias": (False, True),
    "tie_embeddings": (True, False),
    "dropout": (0.0, 0.3),
    "init": ("modern", "plain", "gpt2", "copying"),
    "order": ("random", "shuffled", "sequential"),
    "schedule": ("linear", "constant", "cosine", "exponential"),
    "accumulate": (1, 3),
    "clip_norm": (1.0, 0.0),
    "weight_decay": (0.1, 0.0),
}
SMALL = {"n_embd": 8, "block_size": 6, "batch_size": 4, "budget": "3steps",
         "eval_interval_steps": 3, "min_lr_fraction": 0.1, "sample_tokens": 2}  # fmt: skip


def legal(choice: dict[str, Any]) -> bool:
    try:
        tiny_config(Path(__file__), **SMALL, **choice)
    except ConfigError:
        return False
    return True


ALONE = [
    {**{k: v[0] for k, v in SWITCHES.items()}, name: value}
    for name, values in SWITCHES.items()
    for value in values[1:]
]
ALONE = [c if legal(c) else {**c, "tie_embeddings": False} for c in ALONE]
PAIRS = pairwise(SWITCHES, legal)


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    return write_text(tmp_path_factory.mktemp("switches"), n_lines=20)


def live(text: Path, choice: dict[str, Any], name: str) -> None:
    """Train three steps, save, load, generate, and train on from the checkpoint."""
    run = RunFolder(text.parent / "runs" / name)
    config = tiny_config(text, **SMALL, **choice)
    start_run(config, run, data_dir=None, watcher=Listener())
    loaded = bardling.load(run.path, "last")
    assert loaded.step == 3 and loaded.config.model == run.config().model
    generated = loaded.generate("one", max_new_tokens=9, seed=1)  # past the context of 6
    assert len(generated) == 9
    checkpoint = load_checkpoint(run.checkpoint_path(3))
    again = Trainer(run, Listener(), checkpoint)
    learner = again.bench.learner
    ids = torch.tensor([loaded.tokenizer.encode("one a")])
    assert torch.equal(learner.model(ids), loaded.model(ids))
    states = state_tensors(learner.model, learner.optimizers)
    remembered = {name.rpartition("/")[0] for name in states}
    assert remembered == {name for name, _ in learner.model.named_parameters()}


def label(choice: dict[str, Any]) -> str:
    return "-".join(f"{k}={v}" for k, v in choice.items() if v != SWITCHES[k][0]) or "defaults"


@pytest.mark.parametrize("choice", ALONE, ids=label)
def test_each_switch_alone(text: Path, choice: dict[str, Any]):
    live(text, choice, label(choice).replace("=", "-"))


@pytest.mark.parametrize("number", range(len(PAIRS)))
def test_all_pairs_of_switches(text: Path, number: int):
    live(text, PAIRS[number], f"pair{number}")
