"""Our training of a whole GPT-2, or of adapters on its attention."""

from collections.abc import Callable
from functools import partial

from bardling.benchmarking.training import stepper
from bardling.config import RunConfig
from bardling.kernels.choice import obstacle
from bardling.machine.config import MachineConfig
from bardling.machine.machine import choose_machine
from bardling.model.families import classic
from bardling.model.lora_config import LoRA, Whole, adapter_parameters
from bardling.model.size import count_parameters
from bardling.training.config import TrainingConfig
from bardling.training.optimizer_config import AdamW


def step_of(
    sizes: dict[str, int], batch_size: int, rank: int, rate: float, precision: str
) -> tuple[int, Callable[[], object]]:
    """Return how many numbers are trained, and a step on them; rank 0 trains all."""
    model = classic(**sizes)
    targets = ("c_attn", "output")
    adapter = LoRA(rank=rank, alpha=2.0 * rank, targets=targets) if rank else Whole()
    config = RunConfig(
        model=model,
        optimizer=AdamW(lr=rate, weight_decay=0.0),
        training=TrainingConfig(batch_size=batch_size),
        machine=MachineConfig(precision=precision, device="cpu"),
        adapter=adapter,
    )
    machine = choose_machine(
        config.machine, train_seconds=0.0, obstacle=partial(obstacle, model, adapter)
    )
    trained = adapter_parameters(model, adapter) if rank else count_parameters(model).total
    return trained, stepper(config, machine)
