"""The model card: what an exported model is, what it read, how well it does, what it is for.

Its front matter is what the hub of Hugging Face reads: licence, library, task, tags. A card may be
published, so paths stand in it without the folders they lie in.
"""

import json
import shlex
from pathlib import Path
from typing import Any, Literal

from bardling.config import RunConfig
from bardling.data.corpora import is_corpus
from bardling.data.hub import hub_set
from bardling.interchange.family import Restated
from bardling.interchange.huggingface import CLASSES
from bardling.model.lora_config import LoRA
from bardling.model.size import count_parameters
from bardling.presets.command import training_command
from bardling.training.task import Instruction, Preference

Library = Literal["transformers", "transformers.js"]
USE = """\
A small language model for learning, teaching and experiments: it continues text like the text it
was trained on. It knows nothing but that text, states falsehoods as fluently as facts, and repeats
what its text says, biases included; nothing was done to make it safe for other people than those
who look into it."""


def model_card(
    said: Restated,
    config: RunConfig,
    *,
    name: str,
    step: int,
    result: dict[str, Any] | None,
    licence: str,
    library: Library = "transformers",
) -> str:
    """Return README.md of an exported run, whose files are for `library`."""
    hub = hub_set(config.data.corpus)
    front = {
        "license": licence,
        "library_name": library,
        "pipeline_tag": "text-generation",
        **({"datasets": [config.data.corpus.removeprefix("hf:")]} if hub is not None else {}),
        "tags": ["bardling", said.family],
    }
    lines = [f"{key}: {json.dumps(value)}" for key, value in front.items()]
    return "\n".join(
        [
            *("---", *lines, "---", ""),
            *(f"# {name}", "", USE, ""),
            *("## What it is", "", *_about(said), ""),
            *("## How it was made", "", *_made(config, step), ""),
            *("## How well it does", "", *_losses(config, result), ""),
            *("## How to use it", "", *_USES[library](name, said.config.block_size), ""),
        ]
    )


def adapter_card(
    config: RunConfig,
    adapter: LoRA,
    *,
    name: str,
    step: int,
    result: dict[str, Any] | None,
    licence: str,
    trained: int,
) -> str:
    """Return README.md of an exported adapter, of so many `trained` numbers."""
    whole = count_parameters(config.model).total
    front = {
        "license": licence,
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["bardling", "lora"],
    }
    tables = ", embedding and output layer trained whole" if adapter.embeddings else ""
    about = (
        f"- LoRA of rank {adapter.rank} and alpha {adapter.alpha:g} on "
        f"{', '.join(adapter.targets)}{tables}: {trained:,} numbers, where the model has {whole:,} "
        f"({trained / whole:.2%})"
    )
    lines = [f"{key}: {json.dumps(value)}" for key, value in front.items()]
    return "\n".join(
        [
            *("---", *lines, "---", ""),
            *(f"# {name}", "", USE, ""),
            *("## What it is", "", about, ""),
            *("## How it was made", "", *_made(config, step), ""),
            *("## How well it does", "", *_losses(config, result), ""),
            *("## How to use it", "", *_use_adapter(name), ""),
        ]
    )


def base_card(name: str, licence: str) -> str:
    """Return README.md of the model that an exported adapter goes with."""
    front = {
        "license": licence,
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["bardling"],
    }
    lines = [f"{key}: {json.dumps(value)}" for key, value in front.items()]
    about = (
        f"The model that the adapter {name} goes with. Its weights were frozen while the adapter "
        "learned, but for tables of tokens where the adapter's own card names them."
    )
    told = (
        f"README.md of {name}, the folder that this one lies in, says which run it came from, what "
        "the adapter learned from and what its losses are. The text and the losses of the base "
        "alone are told by that run: `bardling report` shows them. None is measured here."
    )
    use = "It is here to be loaded with the adapter, which has all that was learned."
    return "\n".join(
        [
            *("---", *lines, "---", ""),
            *(f"# {name}: the base", "", USE, ""),
            *("## What it is", "", about, ""),
            *("## Data and losses", "", told, ""),
            *("## How to use it", "", use, ""),
        ]
    )


def _about(said: Restated) -> list[str]:
    model = said.config
    return [
        f"- {count_parameters(model).total:,} parameters, `{CLASSES[said.family]}`",
        f"- {model.n_layer} layers of {model.n_head} heads, {model.n_embd} wide; a context of "
        f"{model.block_size} tokens, a vocabulary of {model.vocab_size:,}",
    ]


def _made(config: RunConfig, step: int) -> list[str]:
    corpus = _bare(config.data.corpus)
    if config.total_steps == 0:
        return [f"Trained by others: taken from `{corpus}`, and exported as it was."]
    return [
        f"{_origin(config)} by bardling on `{corpus}`; these are the weights of step {step:,}. "
        "The run again:",
        *("", "```sh", _command(config), "```"),
    ]


def _origin(config: RunConfig) -> str:
    """Say what the weights come from."""
    if config.teacher:
        return f"Distilled from `{_bare(config.teacher)}`"
    if isinstance(config.task, Preference):
        return f"Aligned by DPO, from `{_bare(config.start)}`,"
    return f"Fine-tuned from `{_bare(config.start)}`" if config.start else "Trained from scratch"


def _command(config: RunConfig) -> str:
    """Return the command that makes the run again, where its files lie in the folder one is in."""
    named = (config.start, config.teacher, config.data.corpus, config.data.tokenizer)
    words = shlex.split(training_command(config))
    return shlex.join(
        [_bare(word) if word in named or Path(word).is_absolute() else word for word in words]
    )


def _bare(path: str) -> str:
    """Return the last part of a path; a corpus by name stays as it is."""
    return path if is_corpus(path) else Path(path).name


def _losses(config: RunConfig, result: dict[str, Any] | None) -> list[str]:
    """Say what the run ended at, on its validation split."""
    if result is None or "val_tokens" not in result["best"]:
        return ["Not measured: the run has not ended."]
    best = result["best"]
    read = f"{best['val_tokens']:,} tokens"
    if isinstance(config.task, Preference):
        read = f"pairs of answers, {read}, kept back for validation"
        rows = {
            "loss of DPO, nats per pair": best["val_loss"],
            "share of pairs told right": best["val_accuracy"],
            "reward margin": best["val_margin"],
        }
    else:
        answers = isinstance(config.task, Instruction)
        read = f"{read} kept back for validation, each predicted once"
        rows = {
            f"loss{' of the answers' if answers else ''}, nats per token": best["val_loss"],
            "bits per byte": best.get("val_bits_per_byte"),
            "the least possible (nats per token)": best.get("val_floor"),
        }
    return [
        f"On {read}:",
        *("", "| | |", "|---|---|"),
        *(f"| {what} | {value:.4f} |" for what, value in rows.items() if value is not None),
    ]


def _use(name: str, context: int) -> list[str]:
    """Return an example in Python."""
    return [
        "```python",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f'model = AutoModelForCausalLM.from_pretrained("{name}")',
        f'tokenizer = AutoTokenizer.from_pretrained("{name}")',
        'ids = tokenizer("Once", return_tensors="pt").input_ids',
        "print(tokenizer.decode(model.generate(ids, max_new_tokens=50, do_sample=True)[0]))",
        "```",
    ]


def _use_in_javascript(name: str, context: int) -> list[str]:
    """Return an example in JavaScript, whose defaults may write more than the context holds."""
    return [
        "```js",
        'import { pipeline } from "@huggingface/transformers";',
        "",
        f'const write = await pipeline("text-generation", "{name}");',
        'console.log(await write("Once", { max_new_tokens: 50, do_sample: true }));',
        "```",
        "",
        f"Prompt and continuation together have room for {context:,} tokens.",
    ]


_USES = {"transformers": _use, "transformers.js": _use_in_javascript}


def _use_adapter(name: str) -> list[str]:
    return [
        "```python",
        "from peft import PeftModel",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f'base = AutoModelForCausalLM.from_pretrained("{name}/base")',
        f'model = PeftModel.from_pretrained(base, "{name}")',
        f'tokenizer = AutoTokenizer.from_pretrained("{name}/base")',
        "```",
        "",
        "`base_model_name_or_path` in adapter_config.json is where base/ lay when it was written; "
        "change it when both have moved, for those who look there.",
    ]
