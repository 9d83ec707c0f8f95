"""What those who watch a run are told before its first step."""

from bardling.reporting.watcher import RunFacts
from bardling.workbench import Workbench


def facts_of(bench: Workbench, start_step: int) -> RunFacts:
    """Return the facts of a run that is about to take the step after `start_step`."""
    config, documents, learner = bench.config, bench.documents, bench.learner
    groups = learner.optimizers.param_groups
    decayed = [p for group in groups if group.get("weight_decay") for p in group["params"]]
    trained = sum(p.numel() for p in learner.parameters)
    parameters = sum(p.numel() for p in learner.model.parameters())
    return RunFacts(
        name=bench.run.name,
        corpus=config.data.corpus,
        train_tokens=len(bench.train),
        val_tokens=len(bench.val),
        vocab_size=bench.tokenizer.vocab_size,
        parameters=parameters,
        frozen=parameters - trained,
        decayed=sum(p.numel() for p in decayed),
        start_step=start_step,
        total_steps=config.total_steps,
        batch_tokens=bench.batch_tokens,
        val_subset_tokens=bench.validation.subset_tokens,
        longest_document=documents.longest if documents and documents.nats is not None else 0,
        n_pairs=bench.lesson.n_pairs,
        batch_pairs=bench.settings.batch_size if bench.lesson.n_pairs else 0,
        floor=bench.validation.whole_floor,
        chats=bool(config.chat),
    )
