"""Where the loss stays not finite: back to the last good checkpoint, or an end that names it."""

from dataclasses import replace

from bardling.checkpoint import last_good, prune_checkpoints
from bardling.errors import TrainingDiverged
from bardling.outcome import write_result
from bardling.run_folder import RunFolder
from bardling.training.state import RunState
from bardling.workbench import Workbench


def go_back(bench: Workbench, run: RunFolder, state: RunState, error: TrainingDiverged) -> RunState:
    """Put the newest good checkpoint on the bench; return its state, on at half the rate.

    What was written after it goes. Where no retreat is left, the run has ended: its outcome is
    written, and `error` is raised with the checkpoint's name.
    """
    good = last_good(run)
    if state.retreats >= bench.settings.retreats:
        best = {"step": state.best_step, "val_loss": state.best_val_loss}
        last = {"step": state.step, "val_loss": None}
        write_result(run, state, stopped="diverged", last=last, best=best)
        raise TrainingDiverged(f"{error}; the last good checkpoint is {good.path}") from error
    bench.put_back(good)
    run.forget_after(good.state.step)
    if run.writes:
        kept = [step for step in run.steps() if step <= good.state.step]
        prune_checkpoints(run, kept, bench.note)
    return replace(good.state, conditions=state.conditions, failures=0, retreats=state.retreats + 1)
