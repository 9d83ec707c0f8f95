"""Our training step, at the shape that nanoGPT has."""

from collections.abc import Callable

from bardling.benchmarking.training import stepper
from bardling.config import RunConfig
from bardling.kernels.choice import obstacle
from bardling.machine.config import MachineConfig
from bardling.machine.machine import choose_machine
from bardling.model.families import classic
from bardling.model.size import count_parameters
from bardling.training.config import TrainingConfig
from bardling.training.optimizer_config import AdamW

VOCABULARY = 65


def step_of(
    sizes: dict[str, int], batch_size: int, dropout: float, precision: str
) -> tuple[int, Callable[[], object]]:
    """Return the parameters and the training step of our GPT-2 block, without biases."""
    model = classic(vocab_size=VOCABULARY, dropout=dropout, bias=False, qkv_bias=False, **sizes)
    config = RunConfig(
        model=model,
        optimizer=AdamW(beta2=0.99),
        training=TrainingConfig(batch_size=batch_size),
        machine=MachineConfig(precision=precision, device="cpu"),
    )
    machine = choose_machine(config.machine, train_seconds=0.0, obstacle=lambda: obstacle(model))
    return count_parameters(model).total, stepper(config, machine)
