"""`bardling presets`: the table, and each preset with its parameters and memory."""

import pytest

from bardling.model.size import count_parameters, training_memory
from bardling.presets import PRESETS


def test_the_table_has_every_preset_with_size_and_tokens(cli):
    done = cli("presets")
    assert (done.code, done.err) == (0, "")
    header, *rows = done.out.splitlines()
    assert header.split() == ["preset", "parameters", "tokens", "what", "it", "is"]
    assert len(rows) == len(PRESETS)
    for row, (name, build) in zip(rows, PRESETS.items(), strict=True):
        parameters = count_parameters(build().config.model).total
        assert row.split()[:2] == [name, f"{parameters:,}"]
        assert row.rstrip().endswith(build().about)
    tokens = {row.split()[0]: row.split()[2] for row in rows}
    assert tokens["seed-000"] == "327.7M"  # 5000 steps of 1024 sequences of 64


@pytest.mark.parametrize("name", PRESETS)
def test_one_preset_by_component(cli, name):
    done = cli("presets", name)
    assert done.code == 0
    preset = PRESETS[name]()
    config = preset.config
    words = [line.split() for line in done.out.splitlines()]
    assert ["total", f"{count_parameters(config.model).total:,}"] in words
    memory = training_memory(config.model, batch_size=config.training.batch_size)
    assert ["total", f"{memory.total / 2**20:,.1f}", "MiB"] in words
    for part in ("embeddings", "attention", "feedforward", "norms", "weights", "gradients"):
        assert any(line[:1] == [part] and line[-1].endswith("%") for line in words), part
    for assumption in preset.assumptions:
        assert f"  - {assumption}\n" in done.out
    assert ("our assumption" in done.out) == bool(preset.assumptions)
    tokens = int(config.training.budget.removesuffix("steps"))
    tokens *= config.training.batch_size * config.model.block_size
    assert f"tokens    {tokens:,}, a budget of {config.training.budget}" in done.out
    assert "[bold]" not in done.out


def test_unknown_presets_name_the_nearest(cli):
    done = cli("presets", "shakespear")
    assert done.code == 2
    assert "there is no preset 'shakespear', did you mean 'shakespeare'?" in done.err
