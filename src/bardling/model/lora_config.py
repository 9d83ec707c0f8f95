"""What of a model is trained on: all of it, or a few numbers beside its layers. No torch here."""

from dataclasses import dataclass

from bardling.errors import ConfigError, nearest
from bardling.fields import check_fields
from bardling.model.config import ModelConfig

JOINED = "c_attn"
"""Queries, keys and values with one A, as in GPT-2's layer that makes all three."""
TARGETS: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in ("query", "key", "value", "output", "gate", "up", "down")},
    JOINED: ("query", "key", "value"),
    **{"q_proj": ("query",), "k_proj": ("key",), "v_proj": ("value",), "o_proj": ("output",)},
    **{"gate_proj": ("gate",), "up_proj": ("up",), "down_proj": ("down",), "c_fc": ("up",)},
    "c_proj": ("output", "down"),
}
"""Layers of a block by our names, and by those of transformers."""


@dataclass(frozen=True, kw_only=True)
class Whole:
    """Every weight is trained."""


@dataclass(frozen=True, kw_only=True)
class LoRA:
    """Low-rank adapters are trained beside layers that stay as they are (Hu et al. 2021)."""

    rank: int = 8
    """Inner width of an adapter."""
    alpha: float = 16.0
    """What an adapter adds is multiplied by alpha / rank."""
    lora_dropout: float = 0.0
    """Share of a layer's input that its adapter does not see in training."""
    targets: tuple[str, ...] = ("query", "key", "value", "output")
    """Layers of each block: query, key, value, output, gate, up, down, c_attn (the first three
    with one A), or as transformers calls them."""
    embeddings: bool = False
    """Train embedding and output layer whole as well: for a text whose words are others."""

    def __post_init__(self) -> None:
        check_fields(self)
        if self.rank < 1:
            raise ConfigError(f"the rank of an adapter is {self.rank}; it must be at least 1")
        if self.alpha <= 0:
            raise ConfigError(f"the alpha of an adapter is {self.alpha}; it must be above 0")
        if not 0.0 <= self.lora_dropout < 1.0:
            raise ConfigError(f"lora_dropout is {self.lora_dropout}; it must be in [0, 1)")
        for target in self.targets:
            if target not in TARGETS:
                raise ConfigError(
                    f"there is no layer {target[:60]!r}{nearest(target, TARGETS)}; "
                    f"there are {', '.join(TARGETS)}"
                )
        layers = [layer for target in self.targets for layer in TARGETS[target]]
        if len(layers) != len(set(layers)) or not layers:
            raise ConfigError(f"targets {', '.join(self.targets)} must name layers, each once")


Adapter = Whole | LoRA


def is_beside(adapter: Adapter) -> bool:
    """Tell whether all that is trained lies beside the model, which is the old one without it."""
    return isinstance(adapter, LoRA) and not adapter.embeddings


def adapter_parameters(config: ModelConfig, adapter: Adapter) -> int:
    """Return how many numbers the adapters of a model have; none where it is trained whole."""
    if not isinstance(adapter, LoRA):
        return 0
    keys, inner = config.kv_heads * config.head_width, config.feedforward_width
    shapes: dict[str, tuple[int, int]] = {}
    if config.attention not in ("none", "window"):
        shapes["value"] = (keys, config.n_embd)
        if config.attention != "uniform":
            shapes |= {"query": (config.attention_width, config.n_embd)}
            shapes |= {"key": (keys, config.n_embd)}
        if config.attention_output:
            shapes["output"] = (config.n_embd, config.attention_width)
    if config.feedforward != "none":
        shapes |= {"up": (inner, config.n_embd), "down": (config.n_embd, inner)}
        shapes |= {"gate": (inner, config.n_embd)} if config.feedforward == "swiglu" else {}
    total = 0
    for target in adapter.targets:
        found = [shapes[layer] for layer in TARGETS[target] if layer in shapes]
        inputs = [width for _, width in found]
        total += sum(rows for rows, _ in found) + sum(inputs[:1] if target == JOINED else inputs)
    return config.n_layer * adapter.rank * total
