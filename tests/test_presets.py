"""Presets: every one is legal, sized as its source says, and found by name."""

import pytest

from bardling.data.corpora import CORPORA
from bardling.data.stories.corpus import stories
from bardling.errors import UsageError
from bardling.model.size import count_parameters
from bardling.presets import PRESETS, config_for, find_preset
from bardling.text.bpe import BPETokenizer
from bardling.training.plan import Plan
from bardling.training.schedule import lr_fraction_of_step


@pytest.mark.parametrize("name", PRESETS)
def test_preset_is_complete(name):
    preset = find_preset(name)
    assert preset.about
    assert preset.config.data.corpus.partition(":")[0] in CORPORA
    assert count_parameters(preset.config.model).total > 0


def test_seed_001_has_the_parameters_it_states():
    assert count_parameters(find_preset("seed-001").config.model).total == 1_827_137


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
