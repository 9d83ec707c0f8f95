"""What a run would take, before it is begun: rehearsed for real, in a folder that is thrown away.

Nothing is guessed that can be tried: the text is prepared, the model is built, some steps are
taken, a part of the validation text is read and a sample written, by the code that a run uses.
The time follows from what each took, the memory is what this process has had at most.
"""

import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bardling.config import RunConfig
from bardling.machine.memory import most_bytes, physical_bytes
from bardling.model.size import count_parameters
from bardling.pacing import Costs, Forecast, Pace
from bardling.preparing import prepare_run
from bardling.run import require_memory, set_up
from bardling.run_folder import RunFolder
from bardling.training.config import seconds_of_budget
from bardling.training.rehearsal import first_pass_seconds
from bardling.workbench import Workbench

REHEARSED_SECONDS = 10.0
"""For steps, and for evaluations, where they are slow."""


@dataclass(frozen=True, kw_only=True)
class RunForecast:
    """What a run comes to, if everything costs what it cost in rehearsal."""

    config: RunConfig
    """With what the text and the budget tell: vocabulary, steps, validations."""
    machine: str
    """In the words of `train`."""
    parameters: int
    train_tokens: int
    val_tokens: int
    costs: Costs
    ready_seconds: float
    """Until the first step, and what that takes longer than others: it has to find its memory."""
    seconds: float
    """From the command to its end."""
    memory_bytes: int
    """The most that the process takes."""
    machine_bytes: int

    @property
    def tokens(self) -> int:
        """Tokens trained on, repeats counted."""
        step = self.config.batch_tokens
        return self.config.total_steps * step

    @property
    def passes(self) -> float:
        """How often each token of the text is trained on."""
        return self.tokens / self.train_tokens


def forecast(
    config: RunConfig,
    *,
    data_dir: Path | None = None,
    note: Callable[[str], None],
    began: float | None = None,
) -> RunForecast:
    """Rehearse a run and tell what it would take.

    `began` is when the user began to wait, by `time.perf_counter`; None means now. Raises what the
    run itself would raise.
    """
    began = time.perf_counter() if began is None else began
    part = -(-config.training.batch_size // config.training.accumulate)
    require_memory(config, batch_size=part)
    budget = seconds_of_budget(config.training.budget)
    prepared = prepare_run(config, data_dir=data_dir, note=note)
    with tempfile.TemporaryDirectory(prefix="bardling-") as folder:
        run = RunFolder(Path(folder) / "rehearsal")
        set_up(config, prepared, run)
        bench = Workbench(run, note, None)
        with bench.machine.exactly():
            bench.rehearse(None if budget is None else Pace(seconds=budget, began=began))
            ready = time.perf_counter() - began
            limit = REHEARSED_SECONDS if budget is None else math.inf
            first = bench.fitting(
                lambda: first_pass_seconds(bench.learner, bench.lesson.batches, bench.settings)
            )
            costs = bench.fitting(lambda: bench.costs(limit))
        every = bench.config.eval_interval
        tokens = bench.validation.subset_tokens or len(bench.val)
        steps = Forecast(costs=costs, every=every, validation=costs.validation(tokens))
        training = steps.validation + steps.seconds(bench.config.total_steps)
        ready += max(0.0, first - costs.step)
        whole = ready + training + costs.whole
        return RunForecast(
            config=bench.config,
            machine=bench.machine.describe(),
            parameters=count_parameters(bench.config.model).total,
            train_tokens=len(bench.train),
            val_tokens=len(bench.val),
            costs=costs,
            ready_seconds=ready,
            seconds=whole if budget is None else budget,
            memory_bytes=most_bytes(),
            machine_bytes=physical_bytes(),
        )
