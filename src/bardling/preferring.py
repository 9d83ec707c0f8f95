"""What a run that learns from pairs of answers has besides other runs: them, and its reference."""

from collections.abc import Callable
from functools import partial
from typing import Any

from bardling.beginning import read_start
from bardling.checkpoint import load_weights
from bardling.config import RunConfig
from bardling.data.config import Split
from bardling.data.tokens import Tokens
from bardling.evaluation.preferences import PairValidation
from bardling.kernels.choice import read_by
from bardling.machine.machine import Machine
from bardling.model.gpt import GPT
from bardling.model.lora_config import is_beside
from bardling.run_folder import RunFolder
from bardling.seen import training_pairs
from bardling.text.tokenizer import Tokenizer
from bardling.training.objective import Objective
from bardling.training.preference import AdaptersOff, Frozen, PreferenceLoss
from bardling.training.task import Preference


def reference_model(config: RunConfig, run: RunFolder, machine: Machine) -> GPT:
    """Return the model that a run began with, frozen, on a machine."""
    model = GPT(config.model)
    load_weights(model, read_start(run), str(run.path))
    return model.to(machine.device, machine.dtype).requires_grad_(False)


def preference_objective(
    task: Preference, config: RunConfig, run: RunFolder
) -> Callable[[Machine], Objective]:
    """Return what makes the objective.

    With adapters and nothing else, no copy of the model is held for it.
    """

    def build(machine: Machine) -> Objective:
        if is_beside(config.adapter):
            return PreferenceLoss(task.beta, AdaptersOff())
        reader = read_by(reference_model(config, run, machine), machine)
        return PreferenceLoss(task.beta, Frozen(reader))

    return build


def preference_validation(
    task: Preference,
    config: RunConfig,
    run: RunFolder,
    splits: dict[Split, Tokens],
    tokenizer: Tokenizer,
) -> Callable[..., PairValidation]:
    """Return what makes a run's validations, which are of pairs."""

    def build(*, machine: Machine, **others: Any) -> PairValidation:
        return PairValidation(
            machine=machine,
            pairs={name: training_pairs(config, t, tokenizer, name) for name, t in splits.items()},
            beta=task.beta,
            reference=partial(reference_model, config, run, machine),
            **others,
        )

    return build
