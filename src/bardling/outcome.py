"""What a run ends at: the whole validation split, for its last step and for its best one."""

from collections.abc import Callable, Mapping
from typing import Any

from bardling.checkpoint import load_checkpoint
from bardling.errors import CheckpointError
from bardling.evaluation.loss import Evaluation
from bardling.run_folder import RunFolder
from bardling.training.state import RunState
from bardling.workbench import Workbench


def whole_split(
    bench: Workbench, run: RunFolder, state: RunState, note: Callable[[str], None]
) -> tuple[Evaluation, Evaluation, int]:
    """Return the last step's loss, the better of it and the best one's, and whose that is.

    Where the best step's checkpoint cannot be read, `note` is told and the last stands for it.
    """
    last = bench.validation.whole(bench.model())
    if state.best_step == state.step:
        return last, last, state.step
    checkpoint = None
    try:
        checkpoint = load_checkpoint(run.checkpoint_path(state.best_step))
    except CheckpointError as error:
        note(f"{error}; the last step stands for the best")
    missing = bench.machine.team.most(checkpoint is None)  # to one of a team, so to all
    if checkpoint is None or missing:
        return last, last, state.step
    best = bench.validation.whole(checkpoint.build_model().to(bench.machine.device))
    if best.loss >= last.loss:  # chosen on a subset, it may be worse on the whole
        return last, last, state.step
    return last, best, state.best_step


def write_result(
    run: RunFolder,
    state: RunState,
    *,
    stopped: str,
    last: Mapping[str, Any],
    best: Mapping[str, Any],
) -> Mapping[str, Any]:
    """Write that a run has ended, and how; return it as it stands in result.json.

    `stopped` is budget, early or diverged.
    """
    spent = {"tokens": state.tokens, "seconds": round(state.seconds, 3)}
    result = {"stopped": stopped, "last": last, "best": best, **spent}
    run.write_result(result)
    return result
