"""What a run's task makes of its tokens: batches, the loss on them, and what is validated.

Every task is learned by the same loop, in the same folder, with the same checkpoints; here alone
stands in what they differ.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bardling.beginning import read_teacher
from bardling.config import RunConfig
from bardling.data.batches import Counted
from bardling.data.documents import Documents, known_documents
from bardling.data.tokens import Tokens
from bardling.machine.machine import Machine
from bardling.run_folder import RunFolder
from bardling.seen import counted_for
from bardling.text.tokenizer import Tokenizer
from bardling.training.distillation import taught_by
from bardling.training.objective import Objective, pretraining_loss
from bardling.training.task import Distillation, Pretraining


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What a task needs besides what all of them need."""

    objective: Callable[[Machine], Objective]
    """What makes small: a model and a batch to a summed loss, on a machine."""
    documents: Documents | None
    """Those of the validation split, where losses are measured on whole ones."""
    counted: Counted | None
    """Which tokens count, where not all do."""
    checked: bool
    """Whether the checks before the first step mean something."""


def lesson_for(config: RunConfig, run: RunFolder, val: Tokens, tokenizer: Tokenizer) -> Lesson:
    """Return the lesson of a run's task."""
    counted = counted_for(config, tokenizer)
    return Lesson(
        objective=_objective(config, run),
        documents=known_documents(val, tokenizer) if counted is None else _all(val, tokenizer),
        counted=counted,
        checked=isinstance(config.task, Pretraining | Distillation),
    )


def _objective(config: RunConfig, run: RunFolder) -> Callable[[Machine], Objective]:
    """Return what makes a task's loss on a machine; a teacher is read when it is asked for."""
    task = config.task
    if isinstance(task, Distillation):
        return lambda machine: taught_by(read_teacher(run), task, machine)
    return lambda machine: pretraining_loss


def _all(val: Tokens, tokenizer: Tokenizer) -> Documents | None:
    """Return the documents of a split, each to be read from its beginning."""
    end = tokenizer.end_token
    return None if end is None else Documents.find(val, end)
