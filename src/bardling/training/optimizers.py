"""The optimizer, its groups, and its state as named tensors.

Weight decay pulls matrices towards zero and leaves vectors alone: biases and norm weights have
no direction to lose. The state goes in and out as `<parameter>/<state>`, so that a checkpoint
can be read by name and does not depend on the order in which parameters were registered.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bardling.errors import CheckpointError
from bardling.training.config import AdamW


def decay_groups(model: nn.Module) -> tuple[list[str], list[str]]:
    """Return the names of the parameters with weight decay, and of those without."""
    named = dict(model.named_parameters())
    matrices = [name for name, p in named.items() if p.dim() >= 2]
    return matrices, [name for name in named if name not in set(matrices)]


def build_optimizer(model: nn.Module, config: AdamW) -> Optimizer:
    """Return AdamW over the two groups of `decay_groups`; one without members is left out."""
    named = dict(model.named_parameters())
    matrices, vectors = decay_groups(model)
    groups = [
        {"params": [named[n] for n in matrices], "weight_decay": config.weight_decay},
        {"params": [named[n] for n in vectors], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=config.lr,
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        fused=True,
    )


def group_settings(optimizer: Optimizer) -> list[dict[str, Any]]:
    """Return what is set for each group of parameters, as JSON values, without the parameters."""
    return [
        {name: value for name, value in group.items() if name != "params"}
        for group in optimizer.param_groups
    ]


def state_tensors(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's memory, one tensor for each `<parameter>/<state>`."""
    return {
        f"{name}/{key}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state[parameter].items()
    }


def restore_state(model: nn.Module, optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give the optimizer the memory that `state_tensors` returned.

    Raises `CheckpointError` when a name or a shape is not that of this model.
    """
    named = dict(model.named_parameters())
    for full_name, tensor in tensors.items():
        name, _, key = full_name.rpartition("/")
        if name not in named:
            raise CheckpointError(
                f"the optimizer's state names '{name}', which this model does not have"
            )
        expected = [] if key == "step" else list(named[name].shape)
        if list(tensor.shape) != expected:
            raise CheckpointError(
                f"the optimizer's state '{full_name}' has shape {list(tensor.shape)}, "
                f"but this model needs {expected}"
            )
        optimizer.state[named[name]][key] = tensor.clone()
