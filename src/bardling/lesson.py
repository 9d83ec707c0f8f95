"""What a run's task makes of its tokens: batches, the loss on them, and what is validated.

Every task is learned by the same loop, in the same folder, with the same checkpoints; here alone
stands in what they differ.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bardling.beginning import read_teacher
from bardling.config import RunConfig
from bardling.data.batches import BatchSource, Counted
from bardling.data.config import Split
from bardling.data.documents import Documents, known_documents
from bardling.data.tokens import Tokens
from bardling.evaluation.validation import Validation
from bardling.machine.machine import Machine
from bardling.preferring import preference_objective, preference_validation
from bardling.run_folder import RunFolder
from bardling.seen import counted_for, training_pairs, training_windows
from bardling.text.tokenizer import Tokenizer
from bardling.training.distillation import taught_by
from bardling.training.learner import Count
from bardling.training.objective import Objective, pretraining_loss
from bardling.training.preference import count_pairs
from bardling.training.task import Distillation, Preference, Pretraining


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
    batches: BatchSource
    """What a step learns from."""
    n_pairs: int = 0
    """Pairs of answers to learn from, where that is the task."""
    count: Count | None = None
    """How many losses the objective adds up, where that is not one for each target."""
    validation: Callable[..., Validation] = Validation
    """Makes the validations."""


def lesson_for(
    config: RunConfig, run: RunFolder, train: Tokens, val: Tokens, tokenizer: Tokenizer
) -> Lesson:
    """Return the lesson of a run's task."""
    if isinstance(config.task, Preference):
        pairs = training_pairs(config, train, tokenizer)
        splits: dict[Split, Tokens] = {"train": train, "val": val}
        return Lesson(
            objective=preference_objective(config.task, config, run),
            documents=None,
            counted=None,
            checked=False,
            batches=pairs.batch,
            n_pairs=pairs.n_pairs,
            count=count_pairs,
            validation=preference_validation(config.task, config, run, splits, tokenizer),
        )
    documents, counted = measured_on(config, val, tokenizer)
    return Lesson(
        objective=_objective(config, run),
        documents=documents,
        counted=counted,
        checked=isinstance(config.task, Pretraining | Distillation),
        batches=training_windows(config, train, tokenizer).batch,
    )


def _objective(config: RunConfig, run: RunFolder) -> Callable[[Machine], Objective]:
    """Return what makes a task's loss on a machine; a teacher is read when it is asked for."""
    task = config.task
    if isinstance(task, Distillation):
        return lambda machine: taught_by(read_teacher(run), task, machine)
    return lambda machine: pretraining_loss


def measured_on(
    config: RunConfig, val: Tokens, tokenizer: Tokenizer
) -> tuple[Documents | None, Counted | None]:
    """Return the documents that losses are measured on as wholes, and which tokens count."""
    counted = counted_for(config, tokenizer)
    return (known_documents(val, tokenizer) if counted is None else _all(val, tokenizer)), counted


def _all(val: Tokens, tokenizer: Tokenizer) -> Documents | None:
    """Return the documents of a split, each to be read from its beginning."""
    end = tokenizer.end_token
    return None if end is None else Documents.find(val, end)
