"""What distillation makes small: how far a student is from the text, and how far from its teacher.

    hard_weight * CE(text) + (1 - hard_weight) * T² * KL(teacher at T || student at T)

summed over the targets that count (Hinton, Vinyals and Dean 2015, "Distilling the knowledge in a
neural network", section 2). "At T" is softmax(logits / T). The gradient of a KL at T falls as 1/T²,
so that factor keeps the balance of both parts when T is changed. The teacher stays as it is: its
logits come without gradient and without dropout.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from bardling.data.batches import IGNORE, Batch
from bardling.kernels.choice import read_by
from bardling.kernels.fused import FusedGPT, fusable
from bardling.kernels.halves import Layer
from bardling.kernels.operations import distil
from bardling.machine.machine import Machine
from bardling.model.dropout import Noise
from bardling.model.gpt import GPT
from bardling.training.task import Distillation


def softened_loss(
    logits: Float[Tensor, "rows vocab"],
    taught: Float[Tensor, "rows vocab"],
    targets: Int64[Tensor, " rows"],
    task: Distillation,
) -> Float[Tensor, ""]:
    """Return the loss of a student's logits under a teacher's, summed over the targets, in nats."""
    logits, taught = _wide(logits), _wide(taught)
    hard = F.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="sum")
    student, teacher = (F.log_softmax(x / task.temperature, dim=-1) for x in (logits, taught))
    apart = F.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=-1)
    soft = torch.where(targets == IGNORE, 0.0, apart).sum()
    return task.hard_weight * hard + (1.0 - task.hard_weight) * task.temperature**2 * soft


@dataclass(frozen=True, kw_only=True)
class Taught:
    """The objective of a student: a model and a batch to the summed loss."""

    teacher: GPT | FusedGPT
    task: Distillation

    def __call__(self, model: GPT | FusedGPT, batch: Batch) -> Float[Tensor, ""]:
        """Return the summed loss; the kernels make it without all logits at once."""
        noise, targets = Noise(batch.row_keys), batch.targets.flatten()
        with torch.no_grad():
            read = self.teacher.hidden(batch.inputs).flatten(0, -2)
            output = _output(self.teacher)
        if not isinstance(model, FusedGPT):
            with torch.no_grad():
                taught = output(read)
            logits = model(batch.inputs, noise=noise).flatten(0, 1)
            return softened_loss(logits, taught, targets, self.task)
        lib, task = model.lib, self.task

        def judge(logits: Tensor, targets: Tensor, read: Tensor) -> Tensor:
            taught = output(read).to(logits.dtype)
            how = {"hard": task.hard_weight, "temperature": task.temperature}
            return distil(lib, logits, targets, taught, **how)

        return model.judged_loss(judge, batch.inputs, (targets, read), noise)


def taught_by(teacher: GPT, task: Distillation, machine: Machine) -> Taught:
    """Return the objective of those who learn from `teacher`, which is put on the machine."""
    teacher = teacher.requires_grad_(False).to(machine.device, machine.dtype)
    reader = read_by(teacher, machine) if fusable(teacher.config) else teacher
    return Taught(teacher=reader, task=task)


def _output(reader: GPT | FusedGPT) -> Layer | nn.Linear:
    """Return what makes logits of hidden states."""
    return reader.output_layer() if isinstance(reader, FusedGPT) else reader.output


def _wide(logits: Float[Tensor, "rows vocab"]) -> Float[Tensor, "rows vocab"]:
    """Return logits in float32 at least: sums need the digits."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
