"""A run's adapter as a folder that `peft` opens, with the model that it goes with beside it.

    peft/
        adapter_config.json, adapter_model.safetensors, README.md
        base/               a Hugging Face folder: the model that the adapter was trained beside

The base goes along because it is seldom elsewhere: the run that it came from may be gone, and its
vocabulary may have grown since. It is run with the adapter beside its layers, and once more with
the adapter added to its weights.
"""

import warnings
from collections.abc import Collection, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from torch import Tensor

from bardling import storage
from bardling.beginning import has_start, read_start
from bardling.checkpoint import load_checkpoint, load_weights
from bardling.errors import ExportError
from bardling.extras import when_needed
from bardling.interchange.adapter_tables import TABLES
from bardling.interchange.adapters import adapter_files, read_adapter
from bardling.interchange.family import restate
from bardling.interchange.huggingface import huggingface_files
from bardling.interchange.huggingface_check import logits_of
from bardling.interchange.huggingface_folder import read_folder
from bardling.interchange.model_card import adapter_card, base_card
from bardling.interchange.parity import Parity, compare, require_same
from bardling.model.gpt import GPT
from bardling.model.lora import A, B, wrap
from bardling.model.lora_config import LoRA
from bardling.trained import Run

BASE = "base"
"""The folder of the model that an adapter goes with."""


def export_adapter(run: Run, folder: Path, licence: str) -> tuple[Parity, ...]:
    """Write the adapter of a run and its base into a new folder; return what was read back.

    Raises `ExportError` where the run has no adapter, or where what was written says another thing
    than the run's model.
    """
    adapter = run.config.adapter
    if not isinstance(adapter, LoRA):
        raise ExportError(
            f"{run.folder.name} has no adapter, because all of its weights were trained: export "
            "it as huggingface, or fine-tune it with --adapter lora"
        )
    weights = load_checkpoint(run.folder.checkpoint_path(run.step)).weights
    tables = TABLES if adapter.embeddings else ()
    learned = [name for name in weights if name.endswith((A, B)) or name in tables]
    base = _base(run, weights, tables)
    said = restate(base)
    files = huggingface_files(said, run.tokenizer, base_card(run.folder.name, licence))
    for name, data in files.items():
        storage.write_bytes(folder / BASE / name, data)
    whole = run.model if adapter.embeddings else None
    files = adapter_files(base, adapter, weights, str((folder / BASE).absolute()), whole)
    card = adapter_card(
        run.config, adapter, name=run.folder.name, step=run.step, result=run.folder.result(),
        licence=licence, trained=sum(weights[name].numel() for name in learned),
    )  # fmt: skip
    for name, data in {**files, "README.md": card.encode()}.items():
        storage.write_bytes(folder / name, data)
    return check_adapter(run.model, folder)


def _base(run: Run, weights: Mapping[str, Tensor], tables: Collection[str]) -> GPT:
    """Return the model that a run's adapter was trained beside.

    The `tables` that were trained whole are as they were before; where a run does not hold that,
    because it was imported, they are as they are now.
    """
    frozen = {name: tensor for name, tensor in weights.items() if not name.endswith((A, B))}
    if tables and has_start(run.folder):
        before = read_start(run.folder)
        frozen |= {name: before[name] for name in tables if name in frozen}
    base = GPT(run.config.model)
    load_weights(base, frozen, str(run.folder.checkpoint_path(run.step)))
    return base


def check_adapter(model: GPT, folder: Path) -> tuple[Parity, ...]:
    """Return how far the folder is from `model`, which has the adapter in its weights already.

    Raises `ExportError` where it is too far. Without peft or transformers, the folder is read by
    our own import.
    """
    with warnings.catch_warnings(action="ignore"):  # of one library to another
        missing = [name for name in ("peft", "transformers") if find_spec(name) is None]
        checks = (_by_us(model, folder, missing),) if missing else _by_peft(model, folder)
    for found in checks:
        require_same(found, "the adapter")
    return checks


def _by_peft(model: GPT, folder: Path) -> tuple[Parity, ...]:
    """Compare with the base that has the adapter beside its layers, then with both in one."""
    peft, library = when_needed("peft"), when_needed("transformers")
    library.utils.logging.disable_progress_bar()
    classes = library.AutoModelForCausalLM
    base = classes.from_pretrained(folder / BASE, local_files_only=True)
    theirs = peft.PeftModel.from_pretrained(base, folder).eval()
    told = f"peft {peft.__version__}"
    beside = compare(model, partial(logits_of, theirs), read_by=told)
    merged = theirs.merge_and_unload().eval()
    return beside, compare(model, partial(logits_of, merged), read_by=f"{told}, merged")


def _by_us(model: GPT, folder: Path, missing: list[str]) -> Parity:
    base = read_folder(folder / BASE)
    found = read_adapter(folder, base.config)
    wrapped = wrap(base.build(), found.adapter)
    load_weights(wrapped, dict(base.weights) | found.weights, str(folder))
    return compare(
        model,
        wrapped,
        read_by="bardling",
        unchecked=f"whether peft reads it: pip install {' '.join(missing)}",
    )
