"""The two families of blocks by name: GPT-2's, and the one that models use now.

A family is a `ModelConfig` with every switch of its block written out, so that it stays what it
is when a default moves. Sizes, and whatever a preset does differently, are given by name and
win. Sizes themselves are left to the caller and to `ModelConfig`'s defaults. No torch here.
"""

from typing import Any

from bardling.model.config import ModelConfig


def classic(**sizes: Any) -> ModelConfig:
    """Return GPT-2's block (Radford et al. 2019).

    Learned positions, LayerNorm before each sublayer and at the end, GELU in its tanh form,
    biases everywhere but in the output layer, which shares the embedding's matrix. That the
    logits equal those of transformers' GPT2LMHeadModel is proven by
    tests/model/test_parity.py::test_classic_is_gpt2.
    """
    block: dict[str, Any] = {
        "position": "learned",
        "norm": "layernorm",
        "norm_place": "before",
        "final_norm": True,
        "norm_eps": 1e-5,
        "residual": True,
        "attention": "causal",
        "attention_output": True,
        "attention_scale": True,
        "qk_norm": False,
        "feedforward": "gelu_tanh",
        "qkv_bias": True,
        "bias": True,
        "output_bias": False,
        "tie_embeddings": True,
        "init": "gpt2",
    }
    return ModelConfig(**(block | sizes))


def modern(**sizes: Any) -> ModelConfig:
    """Return Qwen3's block (Yang et al. 2025), which is also what `ModelConfig` defaults to.

    Rotary positions, RMSNorm before each sublayer and at the end, SwiGLU, RMS-normalised queries
    and keys, no bias anywhere, an output layer that shares the embedding's matrix. That the
    logits equal those of transformers' Qwen3ForCausalLM is proven by
    tests/model/test_parity.py::test_modern_is_qwen3; first weights and base of the rotary
    wavelengths (Qwen3's is 1e6, for contexts of 32,768) are ours.
    """
    block: dict[str, Any] = {
        "position": "rotary",
        "rope_base": 10_000.0,
        "norm": "rmsnorm",
        "norm_place": "before",
        "final_norm": True,
        "norm_eps": 1e-6,
        "residual": True,
        "attention": "causal",
        "attention_output": True,
        "attention_scale": True,
        "qk_norm": True,
        "feedforward": "swiglu",
        "qkv_bias": False,
        "bias": False,
        "output_bias": False,
        "tie_embeddings": True,
        "init": "modern",
    }
    return ModelConfig(**(block | sizes))
