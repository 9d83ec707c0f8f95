"""A model as a folder that transformers opens, by one of the classes that it has.

config.json, generation_config.json, model.safetensors, tokenizer.json, tokenizer_config.json and
README.md, the model card, whose text comes from `model_card`. No code of ours goes along: what is
loaded is `GPT2LMHeadModel`, `LlamaForCausalLM` or `Qwen3ForCausalLM`, and vLLM and others that
read these classes can read it too.
"""

from safetensors.torch import save as tensor_bytes

from bardling import storage
from bardling.errors import ExportError
from bardling.interchange.chat_template import FILE, chat_template
from bardling.interchange.family import Family, Restated
from bardling.interchange.names import to_transformers
from bardling.model.config import ModelConfig
from bardling.storage import Json
from bardling.text.chat import ANSWERS, ChatFormat
from bardling.text.tokenizer import Tokenizer
from bardling.text.tokenizer_file import CONFIG_FILE, tokenizer_files

NO_CHAT = ChatFormat()
WEIGHTS = "model.safetensors"
CLASSES: dict[Family, str] = {
    "gpt2": "GPT2LMHeadModel",
    "llama": "LlamaForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}
ACTIVATIONS = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_tanh": "gelu_new",
    "gelu_sigmoid": "quick_gelu",
}
"""transformers' words for ours; its `gelu_pytorch_tanh` is `gelu_new` too."""


def huggingface_files(
    said: Restated, tokenizer: Tokenizer, card: str, chat: ChatFormat = NO_CHAT
) -> dict[str, bytes]:
    """Return the files of the folder by name."""
    files = files_beside_weights(said, tokenizer, card, chat)
    return {**files, WEIGHTS: tensor_bytes(to_transformers(said), metadata={"format": "pt"})}


def files_beside_weights(
    said: Restated, tokenizer: Tokenizer, card: str, chat: ChatFormat = NO_CHAT
) -> dict[str, bytes]:
    """Return the files that say what the weights mean."""
    if tokenizer.vocab_size != said.config.vocab_size:
        raise ExportError(
            f"the tokenizer has {tokenizer.vocab_size:,} tokens, and the model "
            f"{said.config.vocab_size:,}"
        )
    files = tokenizer_files(tokenizer)
    told = storage.parse_json(files[CONFIG_FILE], CONFIG_FILE)
    told["model_max_length"] = said.config.block_size
    if "eos_token" in told:
        told["pad_token"] = told["eos_token"]
    ends: Json = tokenizer.end_token
    if chat:
        own = tokenizer.special_tokens[chat.suffix[ANSWERS][-1]]
        ends = own if ends in (own, None) else [ends, own]
        files |= {FILE: chat_template(chat, tokenizer).encode()}
    return {
        **files,
        CONFIG_FILE: storage.json_bytes(told),
        "config.json": storage.json_bytes(config_json(said, tokenizer.end_token)),
        "generation_config.json": storage.json_bytes(
            {
                **_ends(tokenizer.end_token),
                "eos_token_id": ends,
                "max_length": said.config.block_size,
            }
        ),
        "README.md": card.encode(),
    }


def config_json(said: Restated, end_token: int | None) -> dict[str, Json]:
    """Return the content of config.json."""
    own = _gpt2(said.config) if said.family == "gpt2" else _llama(said.config, said.family)
    return {
        "architectures": [CLASSES[said.family]],
        "model_type": said.family,
        "vocab_size": said.config.vocab_size,
        "tie_word_embeddings": said.config.tie_embeddings,
        "dtype": "float32",
        "torch_dtype": "float32",  # as transformers 4 calls it
        "use_cache": True,
        **_ends(end_token),
        **own,
    }


def _ends(end_token: int | None) -> dict[str, Json]:
    """Return the special tokens, also where there are none: the defaults are GPT-2's own."""
    return dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), end_token)


def _gpt2(config: ModelConfig) -> dict[str, Json]:
    dropped = dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), config.dropout)
    return {
        "n_positions": config.block_size,
        "n_ctx": config.block_size,  # which converters to GGUF read
        "n_embd": config.n_embd,
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "n_inner": config.feedforward_width,
        "activation_function": ACTIVATIONS[config.feedforward],
        "layer_norm_epsilon": config.norm_eps,
        **dropped,
    }


def _llama(config: ModelConfig, family: Family) -> dict[str, Json]:
    biased = config.bias or config.qkv_bias
    return {
        "hidden_size": config.n_embd,
        "intermediate_size": config.feedforward_width,
        "num_hidden_layers": config.n_layer,
        "num_attention_heads": config.n_head,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_width,
        "hidden_act": "silu",
        "max_position_embeddings": config.block_size,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_base,  # where transformers 4 looks for it
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_base},
        "attention_bias": biased,
        **({"mlp_bias": biased} if family == "llama" else {"use_sliding_window": False}),
    }
