"""The settings that a run begins with where it learns from the model of another. No torch here."""

from dataclasses import replace

from bardling.config import RunConfig
from bardling.errors import UsageError
from bardling.presets.table import config_for, find_preset


def distilled_config(
    before: RunConfig,
    teacher: str,
    *,
    student: str | None = None,
    layers: int | None = None,
    corpus: str | None = None,
    budget: str | None = None,
) -> RunConfig:
    """Return the settings that distilling a run begins with; `teacher` is its path.

    The student is the model of a preset, at a budget, with the teacher's tokens and a context that
    is not longer; it is trained as the preset says. Or it is the teacher's own block with fewer
    `layers`, without a number every second, whose weights it begins with and as which it is
    trained. The text is the teacher's own, split as it was, or another `corpus`.
    """
    if student is not None and layers is not None:
        raise UsageError(
            "a student is the model of a preset or has some of its teacher's layers: give "
            "--student or --layers"
        )
    if student is None:
        kept = max(1, before.model.n_layer // 2) if layers is None else layers
        base, model = before, replace(before.model, n_layer=kept)
    else:
        base = find_preset(student).for_budget(budget)
        longest = min(base.model.block_size, before.model.block_size)
        model = replace(base.model, vocab_size=before.model.vocab_size, block_size=longest)
    own = corpus is None or corpus == before.data.corpus
    text = before.data if own else config_for(str(corpus), budget).data
    config = RunConfig(
        data=replace(text, tokenizer=teacher),
        model=model,
        optimizer=base.optimizer,
        training=replace(base.training, keep_at=()),
        machine=base.machine,
        start="" if student is not None else teacher,
        teacher=teacher,
        chat=before.chat,
    )
    return config.with_overrides(task="distillation")
