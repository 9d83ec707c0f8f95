"""All checks on a whole setting: which there are, what they look at, and that nothing is left."""

from dataclasses import replace

import pytest
import torch

import bardling
import bardling.preflight as preflight_module
from bardling.config import RunConfig
from bardling.errors import ConfigError, UsageError
from bardling.evaluation.checks.finding import failed, passed
from bardling.machine.device import available_devices
from bardling.machine.machine import plain_machine
from bardling.training.plan import Plan
from tiny import SETTINGS, tiny_config, write_text

ALWAYS = (
    *("round trip", "targets", "shapes", "devices", "first loss", "no future"),
    *("optimizer", "rate", "gradients", "first losses", "one batch"),
)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return write_text(tmp_path_factory.mktemp("text"))


def outcomes(config: RunConfig, **options) -> dict[str, str]:
    return {f.name: f.outcome for f in bardling.check_config(config, **options)}


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"budget": "90s"},
        {"batch_size": 3, "accumulate": 3, "dropout": 0.2},
        {"optimizer": "muon", "lr": 1e-3},
        {"tie_embeddings": False},
        {"position": "learned", "norm": "layernorm", "qk_norm": False, "qkv_bias": True},
        {"order": "shuffled", "n_layer": 1, "clip_norm": 0.0},
    ],
    ids=str,
)
def test_a_sound_setting_passes(text, overrides):
    assert outcomes(tiny_config(text, **overrides)) == dict.fromkeys(ALWAYS, "passed")


def test_check_takes_the_arguments_of_train(text, tmp_path):
    findings = bardling.check(text, data_dir=str(tmp_path), **SETTINGS)
    assert [f.name for f in findings] == list(ALWAYS)
    with pytest.raises(ConfigError, match="there is no setting 'n_layers'"):
        bardling.check(text, n_layers=2)


def test_what_is_configured_to_cheat_is_noted(text):
    found = outcomes(tiny_config(text, attention="unmasked"))
    assert found["no future"] == "warned" and "failed" not in found.values()


def test_a_rate_that_is_too_high_fails(text):
    found = outcomes(tiny_config(text, optimizer="sgd", lr=1e6, clip_norm=0.0))
    assert found["first losses"] == "failed"


def test_no_random_state_is_touched_and_nothing_is_written(text):
    state, files = torch.get_rng_state(), set(text.parent.iterdir())
    outcomes(tiny_config(text, dropout=0.2))
    assert torch.equal(torch.get_rng_state(), state)
    assert set(text.parent.iterdir()) == files
    assert not torch.are_deterministic_algorithms_enabled()


def test_another_precision_is_compared_with_plain_numbers(text):
    found = outcomes(tiny_config(text, precision="bf16"))
    assert found == dict.fromkeys((*ALWAYS, "cpu bf16"), "passed")
    found = outcomes(tiny_config(text, precision="fp64"), device="cpu")
    assert found == dict.fromkeys((*ALWAYS, "cpu fp64"), "passed")


def test_steps_to_compare_are_gentle(text):
    subject = subject_of(text, lr=0.5)  # losses of such steps rise and fall by whole nats
    losses = subject._gentle_losses(plain_machine())
    assert len(losses) == 5 and max(losses) - min(losses) < 0.5


def test_a_machine_that_computes_otherwise_is_found(text, monkeypatch):
    real = preflight_module.Subject._gentle_losses

    def wrong(self, machine):
        factor = 1.01 if machine.precision == "bf16" else 1.0
        return [factor * loss for loss in real(self, machine)]

    monkeypatch.setattr(preflight_module.Subject, "_gentle_losses", wrong)
    assert outcomes(tiny_config(text, precision="bf16"))["cpu bf16"] == "failed"


@pytest.mark.parametrize("device", [d for d in ("cuda", "mps") if d not in available_devices()])
def test_a_device_that_is_not_there(text, device):
    with pytest.raises(UsageError, match="there is cpu"):
        next(bardling.check_config(tiny_config(text), device=device))


@pytest.mark.parametrize("device", [d for d in ("cuda", "mps") if d in available_devices()])
def test_a_device_that_is_there_is_compared(text, device):
    found = outcomes(tiny_config(text), device=device)
    assert found == dict.fromkeys((*ALWAYS, f"{device} fp32"), "passed")


def test_text_is_read_as_the_corpus_has_it(text, monkeypatch):
    seen = []
    monkeypatch.setattr(
        preflight_module,
        "round_trip",
        lambda tokenizer, texts, unknown: seen.extend(texts) or passed("round trip", ""),
    )
    next(bardling.check_config(tiny_config(text)))
    held = text.read_text()
    assert seen == [held[:4096], held[int(0.9 * len(held)) :][:4096]]


def test_arithmetic_is_exact_while_it_is_checked(text):
    findings = bardling.check_config(tiny_config(text))
    next(findings)
    assert torch.are_deterministic_algorithms_enabled()
    findings.close()
    assert not torch.are_deterministic_algorithms_enabled()


def test_characters_that_may_be_skipped_are_noted(text, tmp_path):
    run = bardling.train(text, name="first", runs_dir=tmp_path, **SETTINGS | {"budget": "1steps"})
    odd = tmp_path / "odd.txt"
    odd.write_text("?" + text.read_text())
    config = tiny_config(odd, tokenizer=str(run.folder.path), unknown="skip")
    found = next(bardling.check_config(config, note=lambda text: None))
    assert (found.name, found.outcome) == ("round trip", "warned")
    assert found.detail.startswith("1 of ")


def test_the_notes_on_a_text_are_heard(tmp_path):
    odd = tmp_path / "odd.txt"
    odd.write_bytes(write_text(tmp_path).read_bytes().replace(b"\n", b"\r\n"))
    notes = []
    assert next(bardling.check_config(tiny_config(odd), note=notes.append)).outcome == "passed"
    assert len(notes) == 1 and "CRLF" in notes[0]


def test_a_model_beyond_this_machines_memory_is_refused(text):
    huge = tiny_config(text, n_embd=2**17, n_layer=400)
    with pytest.raises(ConfigError, match="and this machine has"):
        next(bardling.check_config(huge))


def subject_of(text, **overrides):
    """Return what is checked for a setting, stopped before the first check."""
    caught = []
    real = preflight_module._subject
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            preflight_module, "_subject", lambda *args: caught.append(real(*args)) or caught[0]
        )
        next(bardling.check_config(tiny_config(text, **overrides)))
    return caught[0]


def test_huge_batches_are_checked_on_their_first_rows(text):
    subject = subject_of(text, batch_size=1024, accumulate=512, budget="3epochs")
    assert subject.windows.batch_size == subject.config.training.batch_size == 128
    assert subject.config.training.accumulate == 128
    tokens = len(subject.windows.tokens)
    assert subject.plan == Plan(total_steps=-(-3 * tokens // (1024 * 16)))
    whole = replace(subject.windows, batch_size=1024).batch(0)
    assert torch.equal(subject.windows.batch(0).inputs, whole.inputs[:128])


def test_the_model_and_the_windows_are_those_of_the_run(text):
    subject = subject_of(text, seed=5, order="shuffled")
    assert subject.windows.order == "shuffled"
    expected = bardling.GPT(subject.config.model, seed=5)
    pairs = zip(subject.model.parameters(), expected.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert subject.windows.seed == 5 and subject.plan.total_steps == 12


def test_steps_begin_afresh_for_each_check(text, monkeypatch):
    seen = []

    def first(model, batch):
        seen.append(model)
        return failed("gradients", "")

    monkeypatch.setattr(preflight_module, "gradients", first)
    subject = subject_of(text)
    before = {name: p.clone() for name, p in subject.model.named_parameters()}
    list(subject.step_checks())
    assert seen[0] is not subject.model
    assert all(torch.equal(p, before[name]) for name, p in subject.model.named_parameters())
