"""What learns: a model, its objective and its optimizer, on a machine.

`BatchLoss` is the one small module that is compiled, and that several machines would wrap: a
batch goes in, its summed loss comes out. `Learner` puts it beside the optimizer and the loss
scale; the loop needs no more.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor, nn

from bardling.data.batches import Batch
from bardling.kernels.choice import read_by
from bardling.machine.machine import Machine
from bardling.machine.precision import loss_scale
from bardling.model.gpt import GPT
from bardling.training.objective import Objective
from bardling.training.optimizer_config import OptimizerConfig
from bardling.training.optimizers import Optimizers, build_optimizer, trainable

Count = Callable[[Batch], int]
Loss = Callable[..., Any]
"""(inputs, targets, row keys) → summed loss; see `BatchLoss.forward`."""


class BatchLoss(nn.Module):
    """An objective bound to its model, computed in the machine's precision."""

    def __init__(self, model: GPT, objective: Objective, machine: Machine) -> None:
        super().__init__()
        self.model, self.objective, self.machine = model, objective, machine
        self.reader = read_by(model, machine)

    def forward(
        self,
        inputs: Int64[Tensor, "batch time"],
        targets: Int64[Tensor, "batch time"],
        row_keys: Int32[Tensor, " batch"],
    ) -> Float[Tensor, ""]:
        """Return the summed loss of the batch."""
        with self.machine.autocast():
            return self.objective(
                self.reader, Batch(inputs=inputs, targets=targets, row_keys=row_keys)
            )


@dataclass(frozen=True, kw_only=True)
class Learner:
    """All that changes when a step is taken, and what it takes to change it."""

    model: GPT
    optimizers: Optimizers
    loss: Loss
    """A `BatchLoss`, compiled or not."""
    scale: torch.amp.GradScaler
    machine: Machine
    parameters: tuple[nn.Parameter, ...]
    """Those that are trained, found once: looking for them in it takes as long as a small layer."""
    count: Count | None = None
    """How many losses the objective adds up, where that is not one for each target."""
    late: bool = False
    """Whether figures of a step are read while the next one is on its way."""

    def backward(self, batch: Batch, n_targets: int, *, last: bool = True) -> Tensor:
        """Add the gradient of a batch's loss per target; return that loss, without gradient.

        Where the learner counts its losses, `n_targets` is their number.

        With the `last` part of a batch, gradients are added up over the team.
        """
        batch = batch.to(self.machine.device)
        with nullcontext() if last else self.machine.team.apart(self.loss):
            loss = self.loss(batch.inputs, batch.targets, batch.row_keys) / n_targets
            torch.autograd.backward(self.scale.scale(loss))
        return loss.detach()

    def bound(self) -> "Learner":
        """Return the learner whose backward pass adds up gradients over its team."""
        loss = self.machine.team.bound(self.loss)
        return self if loss is self.loss else replace(self, loss=loss)

    def unscale(self) -> None:
        """Give the gradients their true size."""
        for optimizer in self.optimizers.members:
            self.scale.unscale_(optimizer)


def build_learner(
    model: GPT,
    optimizer: OptimizerConfig,
    machine: Machine,
    objective: Objective,
    count: Count | None = None,
) -> Learner:
    """Return what trains `model`, which is on the machine already, from its first step."""
    optimizers = build_optimizer(model, optimizer, machine.team)
    scale = loss_scale(machine.device, machine.precision)
    return Learner(
        model=model,
        optimizers=optimizers,
        loss=BatchLoss(model, objective, machine),
        scale=scale,
        machine=machine,
        parameters=tuple(trainable(model).values()),
        count=count,
        late=(
            machine.device.type == "cuda"
            and machine.team.size == 1  # sums over a team are waited for
            and optimizers.guarded
            and not scale.is_enabled()
        ),
    )
