"""What exported files say, of trained models: three families, two tokenizers, tied and not.

    python benchmarks/exports.py [STEPS] > results/exports.txt

Trains twelve small models of Tiny Shakespeare (200 steps each unless told otherwise), writes each
in every format and quantisation, and prints what was found when the files were read back: by
transformers, by our own reader of GGUF, by llama.cpp where llama_cpp is installed, by onnxruntime.
"""

import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

import torch

import bardling
from bardling.machine.device import cpu_model

GPT2: dict[str, Any] = {
    "position": "learned",
    "norm": "layernorm",
    "norm_eps": 1e-5,
    "qk_norm": False,
    "feedforward": "gelu_tanh",
    "qkv_bias": True,
    "bias": True,
    "init": "gpt2",
}
FAMILIES: dict[str, dict[str, Any]] = {
    "gpt2": GPT2,
    "llama": {"qk_norm": False, "n_kv_head": 2},
    "qwen3": {"n_kv_head": 2},
}
SIZE = {"n_layer": 4, "n_head": 4, "n_embd": 128, "block_size": 256, "batch_size": 8, "lr": 2e-3}
TOKENIZERS = ("char", "bpe:1000")
QUANTIZED = ("f16", "q8_0", "q4_0")


def main() -> None:
    """Train, export, print."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(f"{cpu_model()}, torch {torch.__version__}, {steps} steps each")
    with tempfile.TemporaryDirectory() as parent:
        for family, tokenizer, tied in product(FAMILIES, TOKENIZERS, (True, False)):
            run = bardling.train(
                "shakespeare",
                budget=f"{steps}steps",
                runs_dir=parent,
                name=f"{family}-{tokenizer[:3]}-{'tied' if tied else 'untied'}",
                **SIZE | FAMILIES[family] | {"tokenizer": tokenizer, "tie_embeddings": tied},
            )
            print(f"\n{run.folder.name}: loss {run.folder.result()['best']['val_loss']:.4f}")
            formats = [("huggingface", "f32"), ("onnx", "f32"), ("gguf", "f32")]
            formats += [("gguf", kind) for kind in QUANTIZED] if tied else []
            for to, kind in formats:
                out = Path(parent) / "out" / kind / run.folder.name
                for one in bardling.export(run, to, out=out, quantization=kind):
                    for check in one.checks:
                        size = one.n_bytes / 2**20
                        print(f"  {to:<11} {kind:<4} {size:5.1f} MiB  {check.told}", flush=True)


if __name__ == "__main__":
    main()
