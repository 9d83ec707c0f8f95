"""The optimizers as frozen values, each with its own numbers. No torch here.

Which one trains a run is said by the type of the value; the word for it, on the command line and
in JSON, is the type's name in lower case. Numbers that several of them have keep their name and
their meaning, so that a setting is one word everywhere.
"""

from dataclasses import dataclass
from typing import Any

from bardling.errors import ConfigError
from bardling.fields import check_fields

_AT_LEAST_ZERO = ("lr", "muon_lr", "eps", "weight_decay")
_BELOW_ONE = ("beta1", "beta2", "momentum")
_MOST_NS_STEPS = 99  # torch refuses more


@dataclass(frozen=True, kw_only=True)
class AdamW:
    """AdamW (Loshchilov and Hutter 2019), whose decay acts on the weights, never through Adam."""

    lr: float = 1e-3
    """Highest learning rate."""
    beta1: float = 0.9
    """Memory of the gradient."""
    beta2: float = 0.95
    """Memory of its square."""
    eps: float = 1e-8
    """Added to the root of the second moment."""
    weight_decay: float = 0.1
    """Share of each matrix taken away per step, times the learning rate."""
    decay_vectors: bool = False
    """Take it away from biases and norm weights as well, which have no direction to lose."""

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, kw_only=True)
class Muon:
    """Muon (Jordan 2024) for the matrices inside the blocks, AdamW for everything else.

    Source: kellerjordan.github.io/posts/muon. A step has singular values near
    muon_lr * sqrt(max(1, rows / columns)), so one rate serves models of many widths. Both rates
    are measured (`results/tuning-muon-first-look.txt`).
    """

    lr: float = 8e-3
    """Highest learning rate of AdamW's part: embeddings, output layer, norms and biases."""
    muon_lr: float = 0.02
    """Highest learning rate of the matrices inside the blocks; not on the scale of AdamW's."""
    momentum: float = 0.95
    """Memory of the gradient of those matrices."""
    nesterov: bool = True
    """Look ahead: mix the newest gradient into the momentum once more."""
    ns_steps: int = 5
    """Newton-Schulz iterations that bring the singular values of a step close to one."""
    beta1: float = 0.9
    """Memory of the gradient in AdamW's part."""
    beta2: float = 0.95
    """Memory of its square."""
    eps: float = 1e-8
    """Added to the root of the second moment."""
    weight_decay: float = 0.1
    """Share of each matrix taken away per step, times its learning rate."""

    def __post_init__(self) -> None:
        _check(self)
        if not 1 <= self.ns_steps <= _MOST_NS_STEPS:
            raise ConfigError(f"ns_steps is {self.ns_steps}; it must be in [1, {_MOST_NS_STEPS}]")


@dataclass(frozen=True, kw_only=True)
class Adam:
    """Adam (Kingma and Ba 2015); a decay goes through it as a part of the gradient."""

    lr: float = 1e-3
    """Highest learning rate."""
    beta1: float = 0.9
    """Memory of the gradient."""
    beta2: float = 0.999
    """Memory of its square."""
    eps: float = 1e-8
    """Added to the root of the second moment."""
    weight_decay: float = 0.0
    """L2 penalty: share of each matrix that is added to its gradient."""

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, kw_only=True)
class SGD:
    """Stochastic gradient descent, with momentum if wanted and without decay of the weights."""

    lr: float = 0.1
    """Highest learning rate."""
    momentum: float = 0.0
    """Share of the step before that is taken again; 0 keeps no memory."""
    nesterov: bool = False
    """Look ahead: take the momentum's share of the step before it is known (needs momentum)."""

    def __post_init__(self) -> None:
        _check(self)
        if self.nesterov and self.momentum == 0:
            raise ConfigError("nesterov looks ahead along the momentum, which is 0; give 0.9, say")


OptimizerConfig = AdamW | Muon | Adam | SGD


def kept_states(config: OptimizerConfig) -> dict[str, int]:
    """Return the numbers kept for each parameter, by the words of `training_memory`."""
    match config:
        case AdamW() | Adam():
            return {"optimizer_states": 2}
        case Muon():
            return {"optimizer_states": 2, "hidden_states": 1}
        case SGD():
            return {"optimizer_states": 1 if config.momentum else 0}


def _check(config: OptimizerConfig) -> None:
    """Raise `ConfigError` for the first number with which no optimizer can work."""
    check_fields(config)
    values: dict[str, Any] = vars(config)
    for name in _AT_LEAST_ZERO:
        if values.get(name, 0) < 0:
            raise ConfigError(f"{name} is {values[name]}; it must be at least 0")
    if values.get("eps") == 0:
        raise ConfigError("eps is 0; a token not seen yet would divide 0 by 0, so give 1e-8")
    for name in _BELOW_ONE:
        if not 0 <= values.get(name, 0) < 1:
            raise ConfigError(f"{name} is {values[name]}; it must be in [0, 1)")
