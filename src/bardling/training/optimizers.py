"""The optimizer of a run: torch's own, one or several, their groups, and their state by name.

Weight decay pulls matrices towards zero and, unless it is asked for, leaves vectors alone: biases
and norm weights have no direction to lose. The state goes in and out as `<parameter>/<state>`, so
that a checkpoint can be read by name and does not depend on the order of registration.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor, nn
from torch.optim import Optimizer

from bardling.errors import CheckpointError
from bardling.fields import show
from bardling.machine.shards import part_of
from bardling.machine.team import ALONE, Team
from bardling.training.muon import StackedMuon
from bardling.training.optimizer_config import SGD, Adam, AdamW, Muon, OptimizerConfig

PEAK = "initial_lr"  # torch's own word for a group's rate before any schedule
FUSED_ON = frozenset({"cpu", "cuda", "mps"})  # devices on which Adam's step is one kernel

_MOMENTS = frozenset({"step", "exp_avg", "exp_avg_sq"})
_MEMORY: dict[type[Optimizer], frozenset[str]] = {
    torch.optim.AdamW: _MOMENTS,
    torch.optim.Adam: _MOMENTS,
    StackedMuon: frozenset({"momentum_buffer"}),
    torch.optim.SGD: frozenset({"momentum_buffer"}),
}
_GUARDED = (torch.optim.Adam, StackedMuon)  # AdamW is an Adam; both are built fused


class Optimizers:
    """One or several torch optimizers that share a model's parameters and step as one.

    `peak_lr` is the highest rate of the whole, which the log tells; each group may have its own.
    `owners` says which member moves a parameter.
    """

    def __init__(self, members: Sequence[Optimizer], *, peak_lr: float) -> None:
        self.members = list(members)
        self.peak_lr = peak_lr
        self.owners: dict[Tensor, Optimizer] = {
            parameter: member
            for member in self.members
            for group in member.param_groups
            for parameter in group["params"]
        }
        for group in self.param_groups:
            group[PEAK] = group["lr"]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """All groups of all members."""
        return [group for member in self.members for group in member.param_groups]

    def set_lr_fraction(self, fraction: float) -> float:
        """Set each group's rate to `fraction` of its highest and return that of the whole."""
        for group in self.param_groups:
            group["lr"] = group[PEAK] * fraction
        return self.peak_lr * fraction

    @property
    def guarded(self) -> bool:
        """Whether a device can decide by itself not to step: not all of torch's optimizers can."""
        return all(isinstance(member, _GUARDED) for member in self.members)

    def step(self, *, unless: Bool[Tensor, ""] | None = None) -> None:
        """Move every parameter that has a gradient, but nothing `unless` that is false.

        That is asked of `guarded` ones only, who read it on its device.
        """
        for member in self.members:
            # torch's name for it, from loss scales whose gradients overflow
            vars(member)["found_inf"] = None if unless is None else unless.float()
            member.step()

    def zero_grad(self) -> None:
        """Let all gradients go."""
        for member in self.members:
            member.zero_grad(set_to_none=True)

    def forget(self) -> None:
        """Stand where no step was taken yet."""
        for member in self.members:
            member.state.clear()
        self.set_lr_fraction(1.0)


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that are trained, by name: those that are not frozen."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def decay_groups(model: nn.Module) -> tuple[list[str], list[str]]:
    """Return the names of the parameters with weight decay, and of those without.

    That is where the optimizer decays anything at all.
    """
    named = trainable(model)
    matrices = [name for name, p in named.items() if p.dim() >= 2]
    return matrices, [name for name in named if name not in set(matrices)]


def hidden_matrices(model: nn.Module) -> list[str]:
    """Return the names of the matrices inside blocks: neither embedding, places nor output."""
    named = trainable(model).items()
    return [name for name, p in named if p.dim() == 2 and "blocks" in name.split(".")]


def build_optimizer(model: nn.Module, config: OptimizerConfig, team: Team = ALONE) -> Optimizers:
    """Return the configured optimizer over all parameters of `model` that are trained.

    Groups without parameters are left out, and so is Muon, whose work a `team` shares, in a model
    without hidden matrices, and AdamW where adapters leave nothing but these.
    """
    match config:
        case AdamW():
            members = [
                _adamw(model, config, list(trainable(model)), decay_vectors=config.decay_vectors)
            ]
        case Muon():
            members = _muon(model, config, team)
        case Adam():
            members = [
                torch.optim.Adam(
                    _groups(model, config.weight_decay, trainable(model)),
                    lr=config.lr,
                    betas=(config.beta1, config.beta2),
                    eps=config.eps,
                    fused=_can_fuse(model),
                )
            ]
        case SGD():
            members = [
                torch.optim.SGD(
                    trainable(model).values(),
                    lr=config.lr,
                    momentum=config.momentum,
                    nesterov=config.nesterov,
                )
            ]
    return Optimizers(members, peak_lr=config.lr)


def _groups(
    model: nn.Module, decay: float, names: Collection[str], *, of_vectors: float = 0.0
) -> list[dict[str, Any]]:
    """Return those parameters as one group with the decay of matrices and one with that of vectors.

    Groups without parameters are left out.
    """
    named = trainable(model)
    groups = [
        {"params": [named[name] for name in group if name in names], "weight_decay": share}
        for group, share in zip(decay_groups(model), (decay, of_vectors), strict=True)
    ]
    return [group for group in groups if group["params"]]


def _adamw(
    model: nn.Module, config: AdamW | Muon, names: Sequence[str], *, decay_vectors: bool = False
) -> Optimizer:
    """Return AdamW over those parameters."""
    decay = config.weight_decay
    return torch.optim.AdamW(
        _groups(model, decay, set(names), of_vectors=decay if decay_vectors else 0.0),
        lr=config.lr,
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        fused=_can_fuse(model),
    )


def _muon(model: nn.Module, config: Muon, team: Team) -> list[Optimizer]:
    """Return Muon over the hidden matrices and AdamW over the rest."""
    named, hidden = trainable(model), hidden_matrices(model)
    others = [name for name in named if name not in set(hidden)]
    rest = [_adamw(model, config, others)] if others else []
    if not hidden:
        return rest
    muon = StackedMuon(
        [named[name] for name in hidden],
        lr=config.muon_lr,
        weight_decay=config.weight_decay,
        momentum=config.momentum,
        nesterov=config.nesterov,
        ns_steps=config.ns_steps,
        adjust_lr_fn="original",
    )
    muon.team = team
    return [muon, *rest]


def _can_fuse(model: nn.Module) -> bool:
    return next(model.parameters()).device.type in FUSED_ON


def group_settings(optimizers: Optimizers) -> list[dict[str, Any]]:
    """Return what is set for each group of parameters, as JSON values, without the parameters."""
    return [
        {name: value for name, value in group.items() if name != "params"}
        for group in optimizers.param_groups
    ]


def state_tensors(model: nn.Module, optimizers: Optimizers) -> dict[str, Tensor]:
    """Return the optimizers' memory, one tensor for each `<parameter>/<state>`.

    The order is the same in every process, because they may have to gather each together; that in
    which an optimizer holds its memory is by chance where it was restored.
    """
    return {
        f"{name}/{key}": value
        for name, parameter in trainable(model).items()
        for key, value in sorted(optimizers.owners[parameter].state.get(parameter, {}).items())
    }


def restore_state(model: nn.Module, optimizers: Optimizers, tensors: Mapping[str, Tensor]) -> None:
    """Give the optimizers the memory that `state_tensors` returned.

    Raises `CheckpointError`, before anything is changed, when a name or a shape is not that of
    this model or the memory is not that of these optimizers.
    """
    named = trainable(model)
    found: dict[str, dict[str, Tensor]] = {}
    for full_name, tensor in tensors.items():
        name, _, key = full_name.rpartition("/")
        if name not in named:
            raise CheckpointError(
                f"the optimizer's state names {name[:100]!r}, which this model does not have"
            )
        expected = [] if key == "step" else list(named[name].shape)
        if list(tensor.shape) != expected:
            raise CheckpointError(
                f"the optimizer's state {full_name[:100]!r} has shape {list(tensor.shape)}, "
                f"but this model needs {expected}"
            )
        found.setdefault(name, {})[key] = tensor
    owners = {name: optimizers.owners[named[name]] for name in found}
    for name, memory in found.items():
        _check_memory(name, set(memory), owners[name])
    for name, memory in found.items():
        parameter = named[name]
        owners[name].state[parameter] = {
            key: tensor.to(parameter.device, tensor.dtype, copy=True)  # which is float32 in each
            if key == "step"
            else part_of(tensor.to(parameter.device, parameter.dtype, copy=True), parameter)
            for key, tensor in memory.items()
        }


def _check_memory(name: str, keys: set[str], owner: Optimizer) -> None:
    """Raise `CheckpointError` unless `keys` are all that `owner` remembers of a parameter."""
    if keys != _MEMORY[type(owner)]:
        found = ", ".join(key if key.isidentifier() else show(key) for key in sorted(keys))
        raise CheckpointError(
            f"the optimizer's state of '{name}' is {found}, "
            f"but {type(owner).__name__} keeps {', '.join(sorted(_MEMORY[type(owner)]))}"
        )
