"""What lies ready before the first step: precision, kernels, and the steps of a budget in time."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bardling import costing, pacing, workbench
from bardling.checkpoint import load_checkpoint
from bardling.machine.compiling import NO_GRAPHS
from bardling.pacing import Pace
from bardling.reporting.watcher import RunFacts
from bardling.run import resume_run, start_run
from bardling.run_folder import RunFolder
from bardling.training import rehearsal
from bardling.training.optimizers import state_tensors
from bardling.workbench import Workbench
from tiny import Listener, tiny_config, write_text


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return write_text(tmp_path, n_lines=60)


@pytest.fixture
def quick(monkeypatch):
    """Measure few steps, however little time they take, and believe the first forecast."""
    monkeypatch.setattr(rehearsal, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(pacing, "SLIP", 1e9)


def train(text: Path, name: str, listener: Listener | None = None, **overrides) -> RunFolder:
    run = RunFolder(text.parent / "runs" / name)
    config = tiny_config(text, **overrides)
    start_run(config, run, data_dir=None, watcher=listener or Listener())
    return run


def set_up(text: Path, **overrides) -> RunFolder:
    """Return a run that was begun and left before its first step."""

    class Leaves(Listener):
        def preparing(self, name, machine):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        train(text, "demo", Leaves(), **overrides)
    return RunFolder(text.parent / "runs" / "demo")


def snapshot(bench: Workbench) -> dict[str, torch.Tensor]:
    tensors = dict(bench.learner.model.named_parameters())
    tensors |= state_tensors(bench.learner.model, bench.learner.optimizers)
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def same_bits(here: dict[str, torch.Tensor], there: dict[str, torch.Tensor]) -> bool:
    return here.keys() == there.keys() and all(torch.equal(here[k], there[k]) for k in here)


def losses(text: Path, precision: str) -> list[float]:
    listener = Listener()
    # at the tiny model's own rate two runs part by themselves, whatever made the first difference
    settings = {"budget": "50steps", "lr": 3e-3, "eval_interval_steps": 50, "sample_tokens": 0}
    train(text, precision, listener, precision=precision, **settings)
    return [result.loss for result in listener.results]


def test_in_bf16_the_losses_of_a_run_are_those_of_float32_within_one_percent(text):
    exact, short = losses(text, "fp32"), losses(text, "bf16")
    assert len(exact) == 50 and exact[-1] < 0.85 * exact[0]
    assert short == pytest.approx(exact, rel=0.01)
    assert short != exact


class Reads(Listener):
    """Keeps what a run's config.json says when the first step is about to be taken."""

    def __init__(self, run: RunFolder) -> None:
        super().__init__()
        self.run = run

    def started(self, facts: RunFacts) -> None:
        super().started(facts)
        self.config = self.run.config()
        self.log = self.run.metrics_path.read_text()


def test_a_budget_in_time_becomes_steps_before_the_first_and_leaves_no_other_trace(text, quick):
    folder = text.parent / "runs"
    listener = Reads(RunFolder(folder / "timed"))
    run = train(text, "timed", listener, budget="0.9s", eval_interval_steps=0, dropout=0.2)
    config = run.config()
    assert listener.config == config and listener.log == ""
    assert config.total_steps >= 1 and config.eval_interval >= 1
    assert config.plan.earlier == ()
    assert listener.facts[0].total_steps == config.total_steps
    assert run.result()["last"]["step"] == config.total_steps

    counted = train(
        text,
        "counted",
        budget=f"{config.total_steps}steps",
        eval_interval_steps=config.eval_interval,
        dropout=0.2,
    )
    mine, other = (load_checkpoint(r.checkpoint_path(config.total_steps)) for r in (run, counted))
    assert same_bits(mine.weights, other.weights)
    assert same_bits(mine.optimizer, other.optimizer)
    timing = ("seconds", "tokens_per_second")
    logs = [
        [{k: v for k, v in line.items() if k not in timing} for line in r.metrics()]
        for r in (run, counted)
    ]
    assert logs[0] == logs[1]


def test_the_wish_for_an_interval_holds_in_a_budget_in_time(text, quick):
    run = set_up(text, budget="60s", eval_interval_steps=7)
    bench = Workbench(run, Listener().note, None)
    bench.rehearse(Pace(seconds=60.0, began=0.0, clock=lambda: 0.0))
    assert run.config().eval_interval == bench.config.eval_interval == 7
    assert bench.validation.interval_tokens == 7 * 8 * 16
    assert bench.validation.machine is bench.machine


def test_measuring_changes_neither_weights_nor_memory_nor_random_numbers(text, quick):
    run = set_up(text, budget="60s", dropout=0.2)
    bench = Workbench(run, Listener().note, None)
    before, noise = snapshot(bench), torch.get_rng_state()
    costs = bench.costs()
    assert same_bits(snapshot(bench), before)
    assert torch.equal(torch.get_rng_state(), noise)
    assert all(p.grad is None for p in bench.learner.model.parameters())
    assert min(costs.step, costs.validated_token, costs.sample, costs.save, costs.whole) > 0.0
    assert run.config().total_steps == 0


def test_the_whole_split_costs_what_its_tokens_cost(text, quick, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(costing.time, "perf_counter", lambda: now[0])

    def evaluate(model, tokens, *, batch_size, machine, team):
        now[0] += (len(tokens) - 1) * (1.0 if machine is None else 0.25)

    monkeypatch.setattr(costing, "evaluate", evaluate)
    monkeypatch.setattr(costing, "step_seconds", lambda *_: 2.0)

    def sample(model, tokenizer, *, n_tokens, seed):
        now[0] += n_tokens * 3.0

    monkeypatch.setattr(costing, "sample_text", sample)
    run = set_up(text, budget="60s", sample_tokens=100)
    bench = Workbench(run, Listener().note, None)
    costs = bench.costs()
    assert (costs.step, costs.validated_token) == (2.0, 0.25)
    assert costs.whole == pytest.approx(len(bench.val))
    assert costs.sample == pytest.approx(300.0)
    none = Workbench(run, Listener().note, None)
    none.settings = replace(none.settings, sample_tokens=0)
    assert none.costs().sample == 0.0


@pytest.mark.parametrize(
    ("seconds", "batches"),  # of one batch of text; how many are taken at a time
    [(0.01, [1, 1, 4, 4]), (0.9, [1, 1]), (2.5, [1, 1]), (2.6, [1]), (60.0, [1])],
)
def test_slow_evaluations_are_measured_for_a_limited_time(
    text, quick, monkeypatch, seconds, batches
):
    now, taken = [0.0], []
    monkeypatch.setattr(costing.time, "perf_counter", lambda: now[0])

    def evaluate(model, tokens, *, batch_size, machine, team):
        taken.append((len(tokens) - 1) / (batch_size * 16))
        now[0] += taken[-1] * seconds

    limits = []
    monkeypatch.setattr(costing, "evaluate", evaluate)
    monkeypatch.setattr(costing, "step_seconds", lambda *words: limits.append(words[-1]) or 2.0)
    run = set_up(text, budget="60s", batch_size=2, sample_tokens=0)
    costs = Workbench(run, Listener().note, None).costs(10.3)
    assert taken == 2 * batches and limits == [10.3]
    assert costs.validated_token == pytest.approx(seconds / 32)


def test_measuring_may_take_a_tenth_of_the_time_left(text, monkeypatch):
    limits = []
    real = Workbench.costs
    monkeypatch.setattr(Workbench, "costs", lambda self, limit: limits.append(limit) or real(self))
    bench = Workbench(set_up(text, budget="60s"), Listener().note, None)
    pace = Pace(seconds=60.0, began=0.0, clock=lambda: 18.4)
    bench.rehearse(pace)
    assert limits == [pytest.approx(0.1 * pace.left)] and limits[0] == pytest.approx(4.0)


@pytest.mark.parametrize("gone", [0.0, 59.9])
def test_a_budget_that_is_gone_before_the_first_step_is_told(text, quick, gone):
    listener = Listener()
    bench = Workbench(set_up(text, budget="60s"), listener.note, None)
    bench.rehearse(Pace(seconds=60.0, began=0.0, clock=lambda: gone))
    told = "starting, one step and the final measurements alone take longer than the budget of 60s"
    assert listener.notes == ([told] if gone else [])
    assert (bench.config.total_steps == 1) == bool(gone)


def test_freed_memory_is_kept_for_the_next_step(text, monkeypatch):
    run, kept = set_up(text), []
    monkeypatch.setattr(workbench, "keep_freed_memory", lambda: kept.append(True))
    Workbench(run, Listener().note, None)
    assert kept == [True]


def test_other_budgets_are_not_measured(text, monkeypatch):
    monkeypatch.setattr(costing, "step_seconds", None)
    run = set_up(text)
    bench = Workbench(run, Listener().note, None)
    bench.rehearse(None)
    assert bench.config == run.config() and bench.config.total_steps == 12


def test_steps_once_worked_out_stay(text, monkeypatch, quick):
    run = set_up(text, budget="60s")
    first = Workbench(run, Listener().note, None)
    first.rehearse(Pace(seconds=60.0, began=0.0, clock=lambda: 0.0))
    again = Workbench(run, Listener().note, None)
    monkeypatch.setattr(costing, "step_seconds", None)
    again.rehearse(Pace(seconds=60.0, began=0.0, clock=lambda: 0.0))
    assert again.config == first.config and again.config.total_steps > 0


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_compiled_run_is_rehearsed_in_each_shape_and_then_told(text, monkeypatch, accumulate):
    seen = []

    def compiled(loss, wish):
        def fast(inputs, targets, row_keys):
            seen.append(len(inputs))
            return loss(inputs, targets, row_keys)

        return fast

    monkeypatch.setattr(workbench, "compiled", compiled)
    monkeypatch.setattr("bardling.machine.compiling.missing_compiler", lambda device: None)
    run = set_up(text, compile="on", accumulate=accumulate)
    bench = Workbench(run, Listener().note, None)
    before = snapshot(bench)
    bench.rehearse(None)
    assert seen == {1: [8], 3: [2, 3]}[accumulate]
    assert same_bits(snapshot(bench), before)
    assert bench.machine.compiled and bench.learner.machine is bench.machine


@pytest.mark.parametrize(("parts", "wished"), [(1, "graphs"), (2, "on")])
def test_graphs_are_not_asked_for_where_gradients_are_added_up(text, monkeypatch, parts, wished):
    asked = []
    monkeypatch.setattr(workbench, "compiled", lambda loss, wish: asked.append(wish) or loss)
    monkeypatch.setattr("bardling.machine.machine.pick_compile", lambda *_, **__: (True, ""))
    run = set_up(text, compile="graphs", accumulate=parts, kernels="plain")
    listener = Listener()
    bench = Workbench(run, listener.note, None)
    bench.rehearse(None)
    assert asked == [wished] and bench.learner is not bench.plain
    assert listener.notes == [NO_GRAPHS] * (parts - 1)
    bench.fit(MemoryError())  # from here on in twice as many parts
    assert asked == [wished, "on"] and listener.notes[-1] == NO_GRAPHS


def test_a_run_goes_on_without_a_compiler_that_fails_and_remembers_that(text, monkeypatch):
    def compiled(loss, wish):
        def fast(*_):
            raise RuntimeError("no such kernel")

        return fast

    monkeypatch.setattr(workbench, "compiled", compiled)
    monkeypatch.setattr("bardling.machine.compiling.missing_compiler", lambda device: None)
    listener = Listener()
    run = train(text, "failed", listener, compile="on")
    assert listener.notes == ["torch.compile failed (no such kernel); training goes on without it"]
    plain = train(text, "plain", kernels="plain")
    mine, other = (load_checkpoint(r.checkpoint_path(12)) for r in (run, plain))
    assert same_bits(mine.weights, other.weights)
    assert not mine.state.conditions.compiled
    assert mine.state.conditions == other.state.conditions


class Dies(Listener):
    """Ends the run, as a power cut would, when it hears of a step."""

    def stepped(self, result, tokens_per_second):
        if result.step == 6:
            raise RuntimeError


def test_a_compiler_that_fails_on_a_resume_makes_it_another_run(text, monkeypatch):
    broken = []

    def compiled(loss, wish):
        def fast(*words):
            if broken:
                raise RuntimeError("no such kernel")
            return loss(*words)

        return fast

    monkeypatch.setattr(workbench, "compiled", compiled)
    monkeypatch.setattr("bardling.machine.compiling.missing_compiler", lambda device: None)
    with pytest.raises(RuntimeError):
        train(text, "demo", Dies(), compile="on")
    broken.append(True)
    listener = Listener()
    resume_run(RunFolder(text.parent / "runs" / "demo"), listener)
    assert listener.notes == [
        "torch.compile failed (no such kernel); training goes on without it",
        "not bitwise what the uninterrupted run would be: compiled yes before, no now",
    ]
