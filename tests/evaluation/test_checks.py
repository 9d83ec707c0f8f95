"""Checks of text and of forward passes: green on what is right, red on one fault at a time."""

import math
from dataclasses import dataclass, replace

import pytest
import torch

from bardling.data.batches import IGNORE, Batch, evaluation_batches
from bardling.evaluation.checks.finding import Finding, any_failed, failed, passed, skipped, warned
from bardling.evaluation.checks.forward import devices, first_loss, no_future, shapes
from bardling.evaluation.checks.quick import quick_checks, targets
from bardling.evaluation.checks.text import decoded_ends, round_trip, shifted
from bardling.model.gpt import GPT
from bardling.text.characters import CharacterTokenizer
from checked import (
    FAMILIES,
    TEXT,
    TOKENIZER,
    TOKENS,
    batch_of,
    config_of,
    model_of,
    random_tokens,
    windows_of,
)

VOCAB = TOKENIZER.vocab_size


@dataclass(frozen=True, kw_only=True)
class Careless(CharacterTokenizer):
    """Loses what its `decode` is told to lose."""

    lost: str = ""
    instead: str = ""

    def decode(self, ids):
        return super().decode(ids).replace(self.lost, self.instead)


def test_only_failures_count_as_failed():
    fine = [make("a", "b") for make in (passed, warned, skipped)]
    assert [f.outcome for f in fine] == ["passed", "warned", "skipped"]
    assert not any_failed(fine) and not any_failed([])
    assert any_failed([*fine, failed("a", "b")])
    assert failed("a", "b") == Finding(name="a", outcome="failed", detail="b")


def test_text_that_comes_back():
    found = round_trip(TOKENIZER, [TEXT[:4096], TEXT[-4096:]])
    assert found == passed(
        "round trip", "8,192 characters from two places of the text come back as they were"
    )


@pytest.mark.parametrize(
    ("lost", "instead", "said"),
    [
        ("\n", " ", r"character 27 of the text is '\n' and comes back as ' '"),
        (".", "", r"character 26 of the text is '.' and comes back as '\n'"),
    ],
)
def test_a_tokenizer_that_loses_characters(lost, instead, said):
    text = "seven and five make twelve.\nsix."
    careless = Careless(characters="".join(sorted(set(text))), lost=lost, instead=instead)
    assert round_trip(careless, ["seven and five", text]) == failed("round trip", said)


def test_characters_missing_at_the_end_are_counted():
    careless = Careless(characters="ab", lost="b", instead="")
    assert round_trip(careless, ["aab"]).detail == "3 characters went in and 2 came back"


def test_unknown_characters_are_a_failure_unless_they_may_be_skipped():
    small = CharacterTokenizer(characters="ab")
    found = round_trip(small, ["abba", "a?b!"])
    assert found.outcome == "failed" and "'?' (U+003F)" in found.detail
    found = round_trip(small, ["abba", "a?b!"], unknown="skip")
    assert found.outcome == "warned"
    assert found.detail.startswith("2 of 8 characters are unknown to the tokenizer and left out")
    careless = Careless(characters="ab", lost="b", instead="")
    assert round_trip(careless, ["a?b!"], unknown="skip").outcome == "failed"


def test_where_there_is_no_corpus_the_tokens_are_read():
    first, last = decoded_ends(TOKENIZER, TOKENS)
    assert (first, last) == (TEXT[:2048], TEXT[-2048:])


def test_targets_of_both_splits():
    found = targets(windows_of(), TOKENS[:100], n_rows=8)
    assert found.outcome == "passed"
    assert "training: each of 128 targets" in found.detail
    assert "validation: each of 99 targets" in found.detail  # the last window is padded


@pytest.mark.parametrize("n_tokens", [2, 16, 17, 18, 400])
def test_targets_of_any_validation_split(n_tokens):
    found = targets(windows_of(), TOKENS[:n_tokens], n_rows=3)
    assert found.outcome == "passed"
    assert f"validation: each of {min(n_tokens - 1, 48)} targets" in found.detail


def _with(batch: Batch, **changes) -> Batch:
    fields = {name: getattr(batch, name) for name in ("inputs", "targets", "row_keys")}
    return Batch(**(fields | changes))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda b: _with(b, targets=b.inputs), "shifted by 0 instead of 1"),
        (lambda b: _with(b, targets=b.targets.roll(1, 1)), "are not the tokens after its inputs"),
        (lambda b: _with(b, targets=b.targets.roll(1, 0)), "are not the tokens after its inputs"),
        (lambda b: _with(b, inputs=b.targets), "row 0 does not hold the text from token"),
        (lambda b: _with(b, targets=torch.full_like(b.targets, IGNORE)), "there is not one target"),
    ],
)
def test_targets_that_are_not_shifted_by_one(fault, said):
    windows = windows_of()
    found = shifted(fault(windows.batch(0)), TOKENS, windows.starts(0), split="training")
    assert found.outcome == "failed" and said in found.detail
    assert found.detail.startswith("training: ")


def test_targets_two_tokens_ahead_are_named():
    windows = windows_of()
    far = _with(windows.batch(0), targets=windows.batch(0).targets.roll(-1, 1))
    found = shifted(far, TOKENS, windows.starts(0), split="training")
    assert found.detail == "training: the targets of row 0 are its inputs shifted by 2 instead of 1"


def test_a_single_wrong_target_is_not_called_a_shift():
    windows = windows_of()
    targets = windows.batch(0).targets.clone()
    targets[2, -1] = (targets[2, -1] + 1) % VOCAB
    found = shifted(
        _with(windows.batch(0), targets=targets), TOKENS, windows.starts(0), split="training"
    )
    assert found.detail == "training: the targets of row 2 are not the tokens after its inputs"


def test_one_token_windows_are_compared_with_the_text():
    windows = windows_of(block_size=1)
    assert targets(windows, TOKENS, n_rows=8).outcome == "passed"
    wrong = _with(windows.batch(0), targets=windows.batch(0).inputs)
    assert shifted(wrong, TOKENS, windows.starts(0), split="training").outcome == "failed"


def test_a_fault_in_either_split_is_reported(monkeypatch):
    def wrong(*args, **kwargs):
        for batch in evaluation_batches(*args, **kwargs):
            yield _with(batch, targets=batch.inputs)

    monkeypatch.setattr("bardling.evaluation.checks.quick.evaluation_batches", wrong)
    found = targets(windows_of(), TOKENS, n_rows=8)
    assert found.outcome == "failed" and found.detail.startswith("validation: ")
    real = windows_of().batch
    monkeypatch.setattr(
        "bardling.data.batches.Windows.batch",
        lambda self, step, rows: _with(real(step, rows), targets=real(step, rows).inputs),
    )
    found = targets(windows_of(), TOKENS, n_rows=8)
    assert found.outcome == "failed" and found.detail.startswith("training: ")


@pytest.mark.parametrize("family", FAMILIES)
def test_shapes_and_devices_of_a_good_model(family):
    model, batch = model_of(family), batch_of()
    found = shapes(model, batch, n_tokens=VOCAB)
    assert found.outcome == "passed"
    assert found.detail.startswith(f"[8, 16] ids give [8, 16, {VOCAB}] logits; ids lie in ")
    found = devices(model, batch)
    assert found.outcome == "passed" and found.detail.endswith("are on cpu")


def test_shapes_that_are_wrong():
    model, batch = model_of(), batch_of()
    found = shapes(model, batch, n_tokens=VOCAB + 1)
    assert found.outcome == "failed" and f"the tokenizer {VOCAB + 1}" in found.detail
    high = batch.targets.clone()
    high[3, 3] = VOCAB
    found = shapes(model, _with(batch, targets=high), n_tokens=VOCAB)
    assert found.detail.endswith(f"to {VOCAB}; 0 to {VOCAB - 1} were expected")
    assert found.outcome == "failed"
    low = batch.inputs.clone()
    low[0, 0] = -1
    assert shapes(model, _with(batch, inputs=low), n_tokens=VOCAB).outcome == "failed"
    padded = batch.targets.clone()
    padded[0] = IGNORE
    assert shapes(model, _with(batch, targets=padded), n_tokens=VOCAB).outcome == "passed"


def test_logits_of_the_wrong_shape_or_not_finite():
    batch = batch_of()
    model = model_of(tie_embeddings=False)
    model.output = torch.nn.Linear(16, VOCAB - 1)
    found = shapes(model, batch, n_tokens=VOCAB)
    assert found.outcome == "failed" and f"expected [8, 16, {VOCAB}]" in found.detail
    model = model_of()
    with torch.no_grad():
        model.embedding.weight[int(batch.inputs[0, 0]), 0] = math.inf
    found = shapes(model, batch, n_tokens=VOCAB)
    assert found.outcome == "failed" and "not finite before the first step" in found.detail


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (lambda m, b: (m.blocks[1].to("meta"), b), "parameter blocks.1."),
        (lambda m, b: (m, _with(b, targets=b.targets.to("meta"))), "the batch's targets"),
        (lambda m, b: (m, _with(b, row_keys=b.row_keys.to("meta"))), "the batch's row keys"),
    ],
)
def test_a_tensor_in_another_place(fault, name):
    model, batch = model_of("classic"), batch_of()
    _, batch = fault(model, batch)
    found = devices(model, batch)
    assert found.outcome == "failed" and found.detail.startswith(name)
    assert found.detail.endswith("is on meta, and the embedding on cpu")


def test_a_buffer_in_another_place():
    model = model_of()
    pattern = model.blocks[0].sublayers["attention"].transform.pattern
    pattern.unseen = pattern.unseen.to("meta")
    assert devices(model, batch_of()).detail.startswith("buffer blocks.0.sublayers.attention")


@pytest.mark.parametrize(
    ("init", "tied"),
    [("plain", False), ("gpt2", False), ("gpt2", True), ("modern", False), ("modern", True)],
)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("width", [16, 192])
def test_first_losses_of_untrained_models(family, init, tied, width):
    config = config_of(family, init=init, tie_embeddings=tied, n_embd=width)
    for seed in range(3):
        found = first_loss(GPT(config, seed=seed), batch_of(batch_size=32))
        assert found.outcome == "passed", found.detail
    assert f"ln {VOCAB} = {math.log(VOCAB):.4f}" in found.detail
    assert ("by construction" in found.detail) == (init == "modern" and not tied)
    assert ("tied output layer predicts the token itself" in found.detail) == tied


def test_what_tying_adds_is_foreseen():
    model = model_of(n_embd=192)
    batch = batch_of(batch_size=32)
    found = first_loss(model, batch)
    loss, expected = found.detail.split("; ")[0], found.detail.split("; ")[1].split()[0]
    assert float(loss) > math.log(VOCAB) + 0.5
    assert float(expected) == pytest.approx(float(loss), abs=0.15)
    repeats = _with(batch, targets=batch.inputs.clone())  # a text that says everything again
    found = first_loss(model, repeats)
    assert float(found.detail.split("; ")[0]) < 1.0 and found.outcome == "passed"


@pytest.mark.parametrize("switches", [{"n_embd": 768}, {"init": "plain", "n_embd": 192}])
def test_a_loud_tie_is_noted(switches):
    found = first_loss(model_of(**switches), batch_of(batch_size=32))
    assert found.outcome == "warned" and "the first steps have to unlearn" in found.detail


class Leaky(GPT):
    """Sees a part of each next token."""

    help = 0.0

    def forward(self, ids, **rest):
        logits = super().forward(ids, **rest)
        following = torch.nn.functional.one_hot(ids.roll(-1, 1), logits.shape[-1])
        return logits + self.help * following


def test_a_leak_far_below_ln_v_is_called_one():
    config = config_of("classic", vocab_size=3000)
    batch = windows_of(batch_size=32, tokens=random_tokens(3000)).batch(0)
    model = Leaky(config)
    assert first_loss(model, batch).outcome == "passed"
    model.help = 0.68  # 7.37 where ln 3000 is 8.01
    found = first_loss(model, batch)
    assert found.detail.startswith("7.37") and "ln 3000 = 8.0064" in found.detail
    assert found.outcome == "failed" and "the targets leak" in found.detail


@pytest.mark.parametrize(("family", "tied"), [("classic", False), ("modern", True)])
def test_a_loud_output_layer(family, tied):
    model = model_of(family, tie_embeddings=tied)
    with torch.no_grad():
        model.output.weight.normal_(std=2.0, generator=torch.Generator().manual_seed(0))
    found = first_loss(model, batch_of(batch_size=32))
    assert found.outcome in (("warned", "failed") if tied else ("failed",))
    if not tied:
        assert "so high, the output is too loud or not averaged" in found.detail


def test_loudness_does_not_excuse_itself():
    model = model_of("classic", tie_embeddings=False)
    with torch.no_grad():
        model.output.weight.normal_(std=0.6, generator=torch.Generator().manual_seed(0))
    found = first_loss(model, batch_of(batch_size=32))
    assert found.outcome == "failed" and "(-1.00 +1.00)" in found.detail


def test_losses_that_are_no_number_or_not_what_equal_logits_give(monkeypatch):
    model, batch = model_of(tie_embeddings=False), batch_of()
    monkeypatch.setattr(
        "bardling.evaluation.checks.forward.F.cross_entropy",
        lambda *_, **__: torch.tensor(math.log(VOCAB) + 0.01),
    )
    found = first_loss(model, batch)
    assert found.outcome == "failed" and "all logits are equal, yet it is" in found.detail
    monkeypatch.undo()
    with torch.no_grad():
        model.output.weight.fill_(math.nan)
    assert first_loss(model, batch).outcome == "failed"


def test_padding_plays_no_part_in_the_first_loss():
    model = model_of()
    batch = next(evaluation_batches(TOKENS[:100], block_size=16, batch_size=20))
    whole = next(evaluation_batches(TOKENS[:97], block_size=16, batch_size=6))
    one, other = (first_loss(model, b).detail.split(";")[0] for b in (batch, whole))
    assert float(one) == pytest.approx(float(other), abs=0.05)


@pytest.mark.parametrize("attention", ["none", "uniform", "causal"])
@pytest.mark.parametrize("family", FAMILIES)
def test_no_future_is_seen(family, attention):
    found = no_future(model_of(family, attention=attention), batch_of().inputs[:1])
    assert found.outcome == "passed"
    assert found.detail.startswith("changing token 1, 8 or 15 of 16 leaves every logit before it")


@pytest.mark.parametrize("switches", [{"n_layer": 0}, {"block_size": 2}, {"residual": False}])
def test_no_future_is_seen_by_odd_models(switches):
    model = model_of(**switches)
    ids = batch_of(block_size=model.config.block_size).inputs[:1]
    assert no_future(model, ids).outcome == "passed"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_broken_mask_shows_though_fresh_weights_hide_it(family):
    model, ids = model_of(family), batch_of().inputs[:1]
    with torch.no_grad():
        before = model(ids)
    pattern = model.blocks[1].sublayers["attention"].transform.pattern
    pattern.unseen[2, 3] = False  # one place sees one token too far
    if family == "modern":
        with torch.no_grad():
            assert torch.equal(model(ids), before)  # sublayers start at zero
    ids = ids.clone()
    found = no_future(model, ids[:, :4])
    assert found.outcome == "failed"
    assert found.detail == "token 3 changes logits before it: the model sees its future"


def test_unmasked_attention_is_noted_as_configured():
    found = no_future(model_of(attention="unmasked"), batch_of().inputs[:1])
    assert found.outcome == "warned" and "sees its future, as configured" in found.detail


def test_a_model_that_does_not_look_back_or_at_anything(monkeypatch):
    model, ids = model_of("classic"), batch_of().inputs[:1]
    for block in model.blocks:
        block.sublayers["attention"].transform.pattern.unseen |= ~torch.eye(16, dtype=torch.bool)
    found = no_future(model, ids)
    assert found.outcome == "failed" and "attention is cut off" in found.detail
    monkeypatch.setattr(GPT, "forward", lambda self, ids: torch.zeros(1, ids.shape[1], VOCAB))
    found = no_future(model, ids)
    assert found.detail == "token 1 changes nothing at its own place"


def test_where_there_is_no_future_it_is_not_looked_for():
    assert no_future(model_of(block_size=1), batch_of(1).inputs[:1]).outcome == "skipped"
    one = model_of(vocab_size=1)
    assert no_future(one, torch.zeros(1, 16, dtype=torch.int64)).outcome == "skipped"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_quick_checks_pass_and_leave_no_trace(family):
    model = model_of(family, dropout=0.2)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    found = quick_checks(model, TOKENIZER, windows_of(), TOKENS[:100])
    names = ["round trip", "targets", "shapes", "devices", "first loss", "no future"]
    assert [f.name for f in found] == names
    assert all(f.outcome == "passed" for f in found), found
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_a_trained_model_has_no_first_loss():
    found = quick_checks(model_of(), TOKENIZER, windows_of(), TOKENS[:100], fresh=False)
    assert "first loss" not in [f.name for f in found] and len(found) == 5


def test_the_quick_checks_look_at_few_rows_of_a_huge_batch(monkeypatch):
    windows = replace(windows_of(), batch_size=4096)
    asked = []
    real = type(windows).batch
    monkeypatch.setattr(
        "bardling.data.batches.Windows.batch",
        lambda self, step, rows: asked.append(len(rows)) or real(self, step, rows),
    )
    quick_checks(model_of(), TOKENIZER, windows, TOKENS[:100])
    assert max(asked) == 64
