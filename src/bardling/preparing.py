"""What a run's task makes of its corpus before there are batches: tokens, in documents."""

from pathlib import Path

from bardling.config import RunConfig
from bardling.data.comparisons import prepare_comparisons
from bardling.data.conversations import prepare_conversations
from bardling.data.corpora import Note
from bardling.data.prepare import Prepared, prepare
from bardling.errors import ConfigError
from bardling.training.task import Instruction, Preference


def prepare_run(config: RunConfig, *, data_dir: Path | None, note: Note) -> Prepared:
    """Find the corpus of a run and its tokenizer, as its task reads them."""
    if isinstance(config.task, Preference):
        if not config.start:
            raise ConfigError(
                "what is preferred is learned from where a trained run stands; say which by start"
            )
        return prepare_comparisons(
            config.data,
            config.chat,
            block_size=config.model.block_size,
            data_dir=data_dir,
            note=note,
        )
    if isinstance(config.task, Instruction):
        room = config.model.block_size
        return prepare_conversations(config.data, config.chat, room=room, note=note)
    return prepare(config.data, data_dir=data_dir, note=note)
