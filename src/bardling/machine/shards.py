"""Weights that are shared out: each process keeps a part of each, of its gradient and its memory.

That is PyTorch's FSDP2 (`fully_shard`; Zhao et al., "PyTorch FSDP", 2023): a layer's weights are
gathered when it is computed and let go after, and gradients are added up where the part of them
lies. A tensor that is shared out says its whole shape; `whole` and `part_of` are the way between
it and an ordinary one, and ordinary ones go through both as they are.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, runtime_checkable

import torch.distributed as dist
from torch import Tensor, nn

from bardling.extras import when_needed
from bardling.machine.ranks import Ranks
from bardling.machine.team import Loss, Team

FSDP = "torch.distributed.fsdp"  # which take half a second to load
TENSORS = "torch.distributed.tensor"
MESHES = "torch.distributed.device_mesh"


@runtime_checkable
class SharedOut(Protocol):
    """What a `DTensor` says besides what a tensor does."""

    device_mesh: Any
    placements: Any

    def full_tensor(self) -> Tensor:
        """Gather it."""
        ...

    def to_local(self) -> Tensor:
        """Return the part that lies here."""
        ...


class Sharers(Ranks):
    """Several processes of which none has the whole model."""

    sharing = True

    def bound(self, loss: Loss) -> Loss:
        """Return the loss as it is: layers that are shared out add up by themselves."""
        return loss

    def apart(self, loss: Loss) -> AbstractContextManager[None]:
        """Change nothing: each part of a batch is added up at once, so that nobody has it whole."""
        return nullcontext()


def sharing(team: Team) -> Team:
    """Return a team whose members share out the weights; one process alone keeps them all."""
    return Sharers(team.seat, team.store, team.works) if isinstance(team, Ranks) else team


def share_out(model: nn.Module, parts: Iterable[nn.Module], device: str) -> None:
    """Leave to this process its part of all weights; each of `parts` is gathered by itself.

    `device` is the kind of those that the weights are on.
    """
    fsdp = when_needed(FSDP)
    mesh = when_needed(MESHES).init_device_mesh(device, (dist.get_world_size(),))
    for module in (*parts, model):
        fsdp.fully_shard(module, mesh=mesh)
    for layer in model.modules():
        if isinstance(layer, fsdp.FSDPModule):  # the sum, where it would take the mean
            layer.set_gradient_divide_factor(1.0)
            layer.set_force_sum_reduction_for_comms(True)


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor as one; all processes have to ask for it, and all get it."""
    return tensor.full_tensor() if isinstance(tensor, SharedOut) else tensor


def part_of(tensor: Tensor, like: Tensor) -> Tensor:
    """Return this process's part of a tensor that all have, cut as `like` is."""
    if not isinstance(like, SharedOut):
        return tensor
    cut: Tensor = when_needed(TENSORS).distribute_tensor(
        tensor, like.device_mesh, like.placements, src_data_rank=None
    )
    return cut


def here(tensor: Tensor) -> Tensor:
    """Return what of a tensor lies in this process."""
    return tensor.to_local() if isinstance(tensor, SharedOut) else tensor
