"""What is told of each step: to whoever watches, and to the log when its turn has come.

Figures of a device that works on its own come one step late; until they are here, the step waits
to be told.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from shlex import quote
from typing import Any

from bardling.machine.meter import Meter
from bardling.reporting.watcher import Watcher
from bardling.run_folder import RunFolder
from bardling.training.state import RunState, finite
from bardling.training.step import TakenStep

STEP_KEYS = ("loss", "lr", "grad_norm", "tokens_per_second")


class Telling:
    """The steps of one run on their way to its log.

    `due` says which steps have a line of their own anyway, because they are validated.
    """

    def __init__(
        self, run: RunFolder, watcher: Watcher, *, interval: int, due: Callable[[int], bool]
    ) -> None:
        self._run, self._watcher, self._interval, self._due = run, watcher, interval, due
        self._untold: tuple[TakenStep, Mapping[str, Any]] | None = None
        self._meter = Meter()

    def count(self, taken: TakenStep, seconds: float, state: RunState) -> RunState:
        """Count a step that took so many seconds, and tell of it as soon as its figures are here.

        `state` is that before it, with everything before it told.
        """
        self._meter.add(taken.tokens, seconds)
        state = state.after_step(taken, seconds)
        self._untold = taken, state.place
        return state

    def tell(self, state: RunState, loss_scale: Mapping[str, Any]) -> RunState:
        """Tell of the last step if that is still to be done; return the state that knows of it."""
        if self._untold is None:
            return state
        (taken, place), self._untold = self._untold, None
        result, rate = taken.result, self._meter.rate
        figures = (finite(result.loss), result.lr, finite(result.grad_norm), rate)
        latest = dict(zip(STEP_KEYS, figures, strict=True))
        self._watcher.stepped(result, rate)
        if not result.applied:
            self._watcher.note(f"step {result.step}: loss or gradient not finite, not applied")
        spike = {"usual_loss": state.usual.mean} if result.loss > state.usual.highest else {}
        if spike:
            look = f"bardling data show {quote(str(self._run.path))} --step {result.step}"
            self._watcher.note(
                f"step {result.step}: the loss jumps to {result.loss:.3f} from about "
                f"{state.usual.mean:.3f}; its batch: {look}"
            )
        wanted = result.step % self._interval == 0 or not result.applied or spike
        if wanted and not self._due(result.step):
            self._run.log({**place, **latest, **spike})
            self._meter = Meter()
        return replace(
            state,
            failures=result.failures,
            latest={**latest, **spike},
            usual=state.usual.after(result.loss),
            loss_scale=loss_scale,
        )

    def validation(self, state: RunState, measured: Mapping[str, Any]) -> Mapping[str, Any]:
        """Log a validation and return its line."""
        record = {**state.place, **(state.latest or dict.fromkeys(STEP_KEYS)), **measured}
        self._run.log(record)
        self._meter = Meter()
        return record
