"""Who reads a model: the kernels, or torch alone."""

from dataclasses import replace

from bardling.errors import KernelError
from bardling.kernels.fused import FusedGPT, fusable
from bardling.kernels.library import load_library
from bardling.machine.machine import Machine
from bardling.machine.precision import product_type
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from bardling.model.lora_config import Adapter, LoRA


def obstacle(config: ModelConfig, adapter: Adapter | None = None) -> str | None:
    """Return why the kernels cannot train a model here, or None; compiles them if they can."""
    if not fusable(config):
        return "the kernels do not know this kind of block"
    if isinstance(adapter, LoRA) and adapter.lora_dropout > 0.0:
        return "the kernels do not drop what adapters see"
    try:
        load_library("training")
    except KernelError as error:
        return str(error)
    return None


def with_kernels(machine: Machine) -> Machine:
    """Return a machine that knows what its native kernels were made from."""
    if machine.kernels == "plain":
        return machine
    return replace(machine, kernels_made=load_library("training").made_from)


def read_by(model: GPT, machine: Machine | None) -> GPT | FusedGPT:
    """Return what reads `model` in training and validation on a machine."""
    if machine is None or machine.kernels == "plain":
        return model
    return FusedGPT(model, load_library("training"), product_type(machine.precision))
