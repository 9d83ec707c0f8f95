"""When a run's checkpoints are written, and which of them stay.

A large one is copied in memory, which takes tenths of a second, and hashed, written, synced and
read back by a thread while the training goes on. Whoever reads checkpoints, or ends, asks it to
`settle` first. What a checkpoint is made of is left to checkpoint.py.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from bardling.checkpoint import (
    MEMORY,
    WEIGHTS,
    checkpoint_files,
    give,
    prune_checkpoints,
    write_checkpoint,
)
from bardling.machine.beside import Beside
from bardling.model.size import FLOAT_BYTES, training_memory
from bardling.run_folder import RunFolder
from bardling.storage import Contents, total_bytes
from bardling.training.optimizer_config import kept_states
from bardling.training.state import RunState
from bardling.tray import Tray
from bardling.workbench import Workbench

AT_ONCE_BYTES = 2**23
"""Of a checkpoint that is written on the spot: no thread is faster than that."""
_COUNTERS_BYTES = 2**16
"""Of the steps that an optimizer counts for each parameter."""


class Saver:
    """The checkpoints of one run, as they come and go.

    `note` hears, between steps, of what went wrong without doing harm; `saved_step` is the last
    step that was handed over, -1 where there is none.
    """

    def __init__(
        self, run: RunFolder, bench: Workbench, note: Callable[[str], None], saved_step: int
    ) -> None:
        self._run, self._bench, self._note, self.saved_step = run, bench, note, saved_step
        self._untold: list[str] = []
        self._tray = Tray()
        self._beside = Beside()

    def __enter__(self) -> "Saver":
        return self

    def __exit__(self, *raised: Any) -> None:
        self._beside.__exit__(*raised)

    def prepare(self) -> None:
        """Let the thread touch the memory that copies will take, so that no step waits for it."""
        config, dtype = self._bench.config, self._bench.machine.dtype
        expected = training_memory(config.model, batch_size=1, **kept_states(config.optimizer))
        factor = dtype.itemsize / FLOAT_BYTES
        if not self._run.writes or expected.weights * factor < AT_ONCE_BYTES:
            return

        def touch() -> None:
            with suppress(MemoryError, RuntimeError):  # then the first save will see to it
                self._tray.reserve(WEIGHTS, round(expected.weights * factor))
                self._tray.reserve(MEMORY, round(expected.optimizer * factor) + _COUNTERS_BYTES)

        self._beside.begin(touch)

    def save(self, state: RunState) -> None:
        """Write a checkpoint of this step where there is none, then let old ones go."""
        bench = self._bench
        self.settle()
        if not bench.is_finite:
            self._note(f"step {state.step} is not saved: its weights are not finite")
            return
        files: Mapping[str, Contents] = {}
        is_new = self.saved_step < state.step
        if is_new and bench.machine.team.sharing and not self._run.writes:
            give(bench.learner.model, bench.learner.optimizers)
        if is_new and self._run.writes:
            files = checkpoint_files(
                model=bench.learner.model,
                optimizer=bench.learner.optimizers,
                config=bench.config,
                tokenizer=bench.tokenizer,
                state=state,
                tray=self._tray,
            )
        self.saved_step = state.step
        work = partial(self._write, files, state)
        if sum(map(total_bytes, files.values())) > AT_ONCE_BYTES:
            self._beside.begin(work)
        else:
            work()
            self._tell()

    def let_go(self, state: RunState) -> None:
        """Remove checkpoints that are not to be kept, also those that a kill has left."""
        self.settle()
        self._write({}, state)
        self._tell()

    def look(self) -> None:
        """Tell, and raise, what has come of the last save so far; wait for nothing."""
        self._beside.look()
        self._tell()

    def settle(self) -> None:
        """Wait until the last save is on the disk, or raise what has kept it from there."""
        self._beside.settle()
        self._tell()

    def _write(self, files: Mapping[str, Contents], state: RunState) -> None:
        """Write what there is to write; only then may something older go."""
        settings = self._bench.settings
        if not self._run.writes:
            return
        if files:
            write_checkpoint(self._run.checkpoint_path(state.step), files)
        newest = self._run.steps()[-settings.keep_last :]
        kept = {0, state.best_step, *settings.keep_at, *newest}
        prune_checkpoints(self._run, kept, self._untold.append)

    def _tell(self) -> None:
        while self._untold:
            self._note(self._untold.pop(0))
