"""`bardling presets`: the table, and each preset with its parameters, memory and time."""

import re
from dataclasses import replace

import pytest

from bardling.cli.presets import MEASURED_SECONDS, span, step_seconds
from bardling.model.effort import orthogonal_flops, token_seconds
from bardling.model.size import count_parameters, training_memory
from bardling.presets.table import PRESETS, find_preset
from bardling.training.config import seconds_of_budget
from bardling.training.optimizer_config import AdamW, Muon, kept_states
from paper_machine import MACHINE, paper_machine


@pytest.fixture
def presets(cli, monkeypatch):
    """Call the verb on a machine on paper, which takes the time of measuring from nobody."""

    def call(*words, machine=MACHINE):
        def measured(*, seconds):
            assert seconds == MEASURED_SECONDS
            return machine

        monkeypatch.setattr("bardling.doctor", measured)
        return cli("presets", *words)

    return call


@pytest.fixture
def timed(monkeypatch) -> str:
    """Return a preset whose budget is in time."""
    config = find_preset("shakespeare").config
    training = replace(config.training, budget="5m")
    preset = replace(find_preset("shakespeare"), config=replace(config, training=training))
    monkeypatch.setitem(PRESETS, "timed", lambda: preset)
    return "timed"


def rows(text):
    header, *lines = text.splitlines()
    return header.split("  "), {line.split()[0]: line.split() for line in lines}


def step_time(name, machine=MACHINE) -> float:
    config, rates = find_preset(name).config, machine.flops_per_second
    one_token = token_seconds(
        config.model,
        flops_per_second=rates[machine.precision],
        bytes_per_second=machine.elementwise_per_second,
    )
    iterations = getattr(config.optimizer, "ns_steps", 0)
    muon = orthogonal_flops(config.model, iterations=iterations) / rates["bf16"]
    return config.training.batch_size * config.model.block_size * one_token + muon


def spelled_out(budget: str, batch_tokens: int) -> int:
    """Return the steps of a budget such as 5000steps or 10Gtokens, by plain arithmetic."""
    amount, scale, unit = re.fullmatch(r"(\d+)([kMG]?)(steps|tokens)", budget).groups()
    wanted = int(amount) * {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}[scale]
    return wanted if unit == "steps" else -(-wanted // batch_tokens)


def test_the_table_has_every_preset_with_size_tokens_and_time(presets):
    done = presets()
    assert (done.code, done.err) == (0, "")
    header, *lines = done.out.splitlines()
    titles = "preset parameters tokens time here what it is"
    assert header.split() == titles.split()
    assert len(lines) == len(PRESETS)
    for line, (name, build) in zip(lines, PRESETS.items(), strict=True):
        parameters = count_parameters(build().config.model).total
        assert line.split()[:2] == [name, f"{parameters:,}"]
        assert line.rstrip().endswith(build().about)
    _, told = rows(done.out)
    assert told["seed-000"][2] == "327.7M"  # 5000 steps of 1024 sequences of 64
    time = span(5000 * step_time("seed-000"))
    assert " ".join(told["seed-000"][3:5]) == time


def test_without_an_estimate_nothing_is_measured(cli, monkeypatch, timed):
    monkeypatch.setattr("bardling.doctor", lambda **_: pytest.fail("it measured"))
    done = cli("presets", "--no-estimate")
    titles = "preset parameters tokens what it is"
    assert done.out.splitlines()[0].split() == titles.split()
    _, told = rows(done.out)
    assert told["seed-000"][2] == "327.7M"
    assert told["timed"][2] == "Tiny"  # nobody knows how many tokens that is
    assert "time  " not in cli("presets", "demo", "--no-estimate").out
    assert "tokens    as many as go into 5m\n" in cli("presets", "timed", "--no-estimate").out


def test_a_budget_in_time_is_shown_as_it_is(presets, timed):
    _, told = rows(presets().out)
    config = find_preset("timed").config
    tokens = 300 / step_time("timed") * config.training.batch_size * config.model.block_size
    assert told["timed"][2:5] == [f"{tokens / 1e6:.1f}M", "5", "min"]
    done = presets("timed").out
    assert f"tokens    about {tokens / 1e6:.2g}M, a budget of 5m\n" in done
    assert "time  " not in done


def test_muon_takes_time_of_its_own():
    config = find_preset("shakespeare").config
    muon, adamw = (replace(config, optimizer=one()) for one in (Muon, AdamW))
    slow = paper_machine(precision="fp32", bf16=1e9)
    extra = step_seconds(muon, slow) - step_seconds(adamw, slow)
    assert extra == pytest.approx(orthogonal_flops(config.model, iterations=5) / 1e9)


def test_the_time_is_that_of_the_numbers_that_are_used(presets):
    slow = paper_machine(precision="fp32", fp32=1e9)
    _, told = rows(presets(machine=slow).out)
    assert " ".join(told["seed-000"][3:5]) == span(5000 * step_time("seed-000", slow))
    assert "in fp32 on cpu" in presets("seed-000", machine=slow).out


def test_on_a_gpu_the_time_is_the_least(presets):
    gpu = paper_machine(device="cuda", devices=("cuda", "cpu"), gpu="H200")
    _, told = rows(presets(machine=gpu).out)
    assert told["seed-000"][3] == "over"
    assert "time      about over" not in presets("seed-000", machine=gpu).out


@pytest.mark.parametrize("name", PRESETS)
def test_one_preset_by_component(presets, name):
    done = presets(name)
    assert done.code == 0
    preset = PRESETS[name]()
    config = preset.config
    words = [line.split() for line in done.out.splitlines()]
    assert ["total", f"{count_parameters(config.model).total:,}"] in words
    part = -(-config.training.batch_size // config.training.accumulate)
    memory = training_memory(config.model, batch_size=part, **kept_states(config.optimizer))
    assert ["total", f"{memory.total / 2**20:,.1f}", "MiB"] in words
    for component in ("embeddings", "attention", "feedforward", "norms", "weights", "gradients"):
        found = [line for line in words if line[:1] == [component]]
        assert found and found[0][-1].endswith("%"), component
    for assumption in preset.assumptions:
        assert f"  - {assumption}\n" in done.out
    assert ("our assumption" in done.out) == bool(preset.assumptions)
    assert "[bold]" not in done.out
    if seconds_of_budget(config.training.budget) is None:
        per_step = config.training.batch_size * config.model.block_size
        steps = spelled_out(config.training.budget, per_step)
        tokens = steps * per_step
        assert f"tokens    {tokens:,}, a budget of {config.training.budget}" in done.out
        time = span(steps * step_time(name))
        assert f"time      about {time} here, in bf16 on cpu, if nothing is compiled" in done.out


def test_unknown_presets_name_the_nearest(cli):
    done = cli("presets", "shakespear")
    assert done.code == 2
    assert "there is no preset 'shakespear', did you mean 'shakespeare'?" in done.err


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.0, "1 s"),
        (0.4, "1 s"),
        (89, "89 s"),
        (90, "1.5 min"),
        (272.7, "4.5 min"),
        (5399, "90 min"),
        (5400, "1.5 h"),
        (123_456, "34 h"),
        (3 * 86400, "3 days"),
        (1.234e8, "1400 days"),
    ],
)
def test_a_duration_is_written_as_roughly_as_it_is_known(seconds, written):
    assert span(seconds) == written


def test_the_sizes_for_budgets_in_time_are_listed(cli):
    lines = cli("presets", "shakespeare", "--no-estimate").out.splitlines()
    sizes = [line.split("--budget ")[1] for line in lines if "--budget " in line]
    times = [size[:12].strip() for size in sizes]
    assert times == ["up to 2 min", "up to 8 min", "up to 15 min", "longer"]
    assert "n_embd 128" in sizes[0] and sizes[1].endswith("as above") and "n_embd 256" in sizes[2]
    assert "dropout 0.1" in sizes[2] and "dropout 0.2" in sizes[3]
