"""Presets: every one is legal, sized as its source says, and found by name."""

from dataclasses import replace

import pytest
import torch

from bardling.data.corpora import CORPORA
from bardling.data.stories.corpus import stories
from bardling.errors import UsageError
from bardling.experiments.ladder import rungs
from bardling.model.gpt import GPT
from bardling.model.lora_config import LoRA, Whole
from bardling.model.size import count_parameters
from bardling.presets.lecture import FIRST_STEPS, climb
from bardling.presets.table import PRESETS, config_for, find_preset
from bardling.presets.tuned import tuned_config
from bardling.text.bpe import BPETokenizer
from bardling.training.config import steps_of_budget
from bardling.training.plan import Plan
from bardling.training.schedule import lr_fraction_of_step
from bardling.training.task import Pretraining


@pytest.mark.parametrize("name", PRESETS)
def test_preset_is_complete(name):
    preset = find_preset(name)
    assert preset.about
    assert preset.config.data.corpus.partition(":")[0] in CORPORA
    assert count_parameters(preset.config.model).total > 0


COUNTED = {
    "seed-001": 1_827_137,
    "seed-002-small": 1_046_656,
    "seed-002-medium": 3_404_032,
    "seed-002-large": 7_072_128,
    "seed-004": 44_062_661,
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
}
"""What the sources say, corrected where they are wrong."""
ROUNDED = {
    "seed-003-tiny": 0.43e6, "seed-003-small": 3.26e6, "seed-003-medium": 10.7e6,
    "modern-1m": 1e6, "modern-3m": 3e6, "modern-10m": 10e6, "modern-30m": 30e6,
    "modern-124m": 124e6,
}  # fmt: skip


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_as_large_as_is_said(name):
    model = find_preset(name).config.model
    with torch.device("meta"):
        built = sum(p.numel() for p in GPT(model).parameters())
    assert built == count_parameters(model).total
    if name in COUNTED:
        assert built == COUNTED[name]
    if name in ROUNDED:
        assert built == pytest.approx(ROUNDED[name], rel=0.01 if "seed" in name else 0.15)


def test_day_37_counts_its_blocks():
    for size, stated in (("small", 10e6), ("medium", 25e6), ("large", 85e6)):
        parameters = count_parameters(find_preset(f"seed-003-bpe-{size}").config.model)
        assert parameters.attention + parameters.feedforward == pytest.approx(stated, rel=0.07)


def test_the_rungs_of_seed_001_end_where_its_preset_is():
    before = climb(FIRST_STEPS, find_preset("seed-001").config)[-1][1]
    scaled = next(case for case in rungs(full=True) if case.name == "scaled").config
    assert scaled.with_overrides(keep_last=2) == find_preset("seed-001").config
    assert before.model.n_layer == 3 and before.model.residual


def test_tinylm_sees_no_other_token():
    model = find_preset("seed-003-tinylm").config.model
    assert (model.attention, model.n_layer, model.n_embd, model.block_size) == ("none", 4, 128, 64)


def test_seed_002_is_what_its_text_says():
    config = find_preset("seed-002-medium").config
    model, training = config.model, config.training
    assert (model.n_layer, model.head_width, model.d_ff, model.position) == (
        5,
        32,
        512,
        "sinusoidal_scaled",
    )
    assert (config.optimizer.weight_decay, config.optimizer.beta2) == (0.1, 0.999)
    steps = steps_of_budget(training.budget, batch_tokens=32 * 256, train_tokens=1)
    assert round(training.warmup_fraction * steps) == 500


def test_seed_001_leans_on_no_default():
    model = find_preset("seed-001").config.model
    assert (model.block_size, model.n_layer, model.n_head, model.n_embd) == (128, 4, 6, 192)
    assert (model.position, model.norm_eps, model.qkv_bias, model.bias) == (
        *("learned", 1e-5, False, True),
    )


def test_seed_000_is_what_its_text_says():
    config = find_preset("seed-000").config
    model, training = config.model, config.training
    assert (model.n_embd, model.n_layer, model.n_head, model.head_width) == (384, 6, 8, 48)
    assert (model.block_size, model.dropout, model.feedforward) == (64, 0.2, "relu")
    assert (model.position, model.norm, model.norm_place) == ("learned", "layernorm", "before")
    assert (training.batch_size, training.budget, config.optimizer.lr) == (1024, "5000steps", 1e-4)
    assert 1e-4 * lr_fraction_of_step(training, 5000, Plan(total_steps=5000)) == pytest.approx(
        7.788e-5, rel=1e-4
    )


def test_presets_of_seeds_name_their_assumptions():
    assert all(find_preset(name).assumptions for name in PRESETS if name.startswith("seed-"))


def test_what_a_seed_states_is_no_assumption():
    """001 prints its attention and names tied weights as missing; 000 names its positions."""
    in_000, in_001 = ("; ".join(find_preset(f"seed-00{n}").assumptions) for n in (0, 1))
    assert "query, key and value" in in_000 and "query, key and value" not in in_001
    assert "untied" in in_000 and "untied" not in in_001
    assert "learned positions" in in_001 and "learned positions" not in in_000


def test_the_demo_holds_whole_stories():
    config = find_preset("demo").config
    told, kept = stories(0, 1000), stories(0, 100, split="val")
    tokenizer = BPETokenizer.train(told, vocab_size=config.model.vocab_size, end_token=True)
    assert config.data.tokenizer == f"bpe:{tokenizer.vocab_size}"
    assert max(len(tokenizer.encode(text)) for text in kept) < config.model.block_size


def test_words_after_train(tmp_path):
    assert config_for("seed-001") == find_preset("seed-001").config
    assert config_for("sums").data.corpus == "sums"
    for word in ("tinystories", "fineweb-edu", "hf:ann/plays/en:body"):
        data = config_for(word).data
        assert (data.corpus, data.tokenizer) == (word, "bpe:4000") and data.max_tokens > 0
    text = tmp_path / "my.txt"
    text.write_text("hello")
    assert config_for(str(text)).data.corpus == str(text)
    assert config_for(str(text)) == find_preset("shakespeare").config.with_overrides(
        corpus=str(text)
    )
    with pytest.raises(UsageError, match="no preset, no corpus and no file, did you mean 'seed-0"):
        config_for("seed001")
    with pytest.raises(UsageError, match="no preset 'x'; there are demo"):
        find_preset("x")


@pytest.mark.parametrize(
    ("budget", "width"),
    [("60s", 128), ("2m", 128), ("121s", 192), ("8m", 192), ("10m", 256), ("2h", 256)],
)
def test_shakespeare_is_as_large_as_its_time_allows(budget, width):
    for target in ("shakespeare", __file__):
        assert config_for(target, budget).model.n_embd == width


@pytest.mark.parametrize("budget", [None, "3000steps", "20Mtokens", "3epochs"])
def test_other_budgets_leave_a_preset_as_it_is(budget):
    assert config_for("shakespeare", budget) == find_preset("shakespeare").config
    assert config_for("demo", "60s") == find_preset("demo").config
    assert config_for("demo", "10m").model.n_layer > config_for("demo", "60s").model.n_layer
    assert config_for("stories:50").data.corpus == "stories:50"
    assert config_for("stories:50").model == find_preset("demo").config.model


def test_a_tuned_run_has_neither_the_teacher_nor_the_task_of_the_one_it_begins_with():
    before = config_for("demo").with_overrides(task="distillation")
    before = replace(before, teacher="runs/large", total_steps=9, eval_interval=3)
    config = tuned_config(before, "runs/small", "stories")
    assert (config.start, config.teacher, config.total_steps) == ("runs/small", "", 0)
    assert isinstance(config.task, Pretraining)


def test_a_tuned_run_takes_over_nothing_of_an_adapter_that_is_in_the_weights_by_now():
    before = config_for("demo").with_overrides(adapter="lora", rank=3, embeddings=True)
    assert tuned_config(before, "runs/small", "stories", "lora").adapter == LoRA()
    assert tuned_config(before, "runs/small", "stories").adapter == Whole()
