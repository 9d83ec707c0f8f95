"""The table of presets, and what a word after `bardling train` stands for."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from bardling.config import RunConfig
from bardling.data.corpora import CORPORA, is_corpus
from bardling.data.hub import hub_set
from bardling.errors import UsageError, nearest
from bardling.presets import lecture, own, seeds
from bardling.presets.preset import Preset
from bardling.storage import exists

HUB_TEXT = {
    "tokenizer": f"bpe:{own.STORY_TOKENS}", "val_fraction": 0.005, "max_tokens": 50_000_000,
}  # fmt: skip
"""For a dataset of the hub: far more than two cores read in an hour, prepared in half a minute."""

PRESETS: dict[str, Callable[[], Preset]] = {
    "demo": own.demo,
    "shakespeare": own.shakespeare,
    **{f"modern-{size}": partial(own.modern_of, size) for size in own.MODERN_SIZES},
    "modern-124m": own.modern_124m,
    "seed-000": lecture.seed_000,
    "seed-000-next": lecture.seed_000_next,
    "seed-000-mlp": lecture.seed_000_mlp,
    **{f"seed-001-{r.name}": partial(lecture.first_step, r.name) for r in lecture.FIRST_STEPS},
    "seed-001": lecture.seed_001,
    **{f"seed-002-{size}": partial(seeds.seed_002, size) for size in seeds.STORY_WIDTHS},
    "seed-003-tinylm": seeds.seed_003_tinylm,
    **{f"seed-003-{size}": partial(seeds.seed_003, size) for size in seeds.COURSE_SIZES},
    **{f"seed-003-bpe-{size}": partial(seeds.seed_003_bpe, size) for size in seeds.DAY_37_SIZES},
    "seed-004": seeds.seed_004,
    **{name: partial(seeds.gpt2, name) for name in seeds.GPT2_SIZES},
}


def find_preset(name: str) -> Preset:
    """Return the preset of that name."""
    if name not in PRESETS:
        raise UsageError(
            f"there is no preset '{name}'{nearest(name, PRESETS)}; there are {', '.join(PRESETS)}"
        )
    return PRESETS[name]()


def config_for(target: str, budget: str | None = None) -> RunConfig:
    """Return the settings that a word after `bardling train` stands for, at a budget.

    A preset's name gives the preset; a corpus by name, a file or a folder gives the settings of
    the shakespeare preset (stories those of the demo), all but the text itself; of a dataset of
    the hub, a beginning by byte pairs. Raises `UsageError` for any other word.
    """
    if target in PRESETS:
        return PRESETS[target]().for_budget(budget)
    if is_corpus(target) or exists(Path(target)):
        alike = own.demo() if target.partition(":")[0] == "stories" else own.shakespeare()
        config = alike.for_budget(budget).with_overrides(corpus=target)
        return config if hub_set(target) is None else config.with_overrides(**HUB_TEXT)
    known = [*PRESETS, *CORPORA]
    path = Path(target)
    if path.suffix or "/" in target:
        beside = [child.name for child in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UsageError(f"there is no file or folder '{target}'{nearest(path.name, beside)}")
    raise UsageError(
        f"'{target[:100]}' is no preset, no corpus and no file{nearest(target, known)}; "
        f"there are {', '.join(dict.fromkeys(known))}, or give a text file or a folder"
    )
